//! A queue's own row: its counters, and where its next job goes. Read at most
//! once in a verb and written back at its end.

use rusqlite::{OptionalExtension, Row};

use super::failure::Done;
use super::writer::Verb;
use crate::error::StoreError;
use crate::job::{Channel, JobId};
use crate::store::Counts;

/// How many bits of a job's row number are its id.
const ID_BITS: u32 = 40;

/// What `jobs.state` says.
pub(super) mod state {
    pub(in crate::sqlite) const WAITING: i64 = 0;
    pub(in crate::sqlite) const DELAYED: i64 = 1;
    pub(in crate::sqlite) const RESERVED: i64 = 2;
    pub(in crate::sqlite) const DONE: i64 = 3;
    pub(in crate::sqlite) const FAILED: i64 = 4;
}

/// A row of `channels`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Line {
    pub number: i64,
    pub last_id: i64,
    pub tail: i64,
    pub waiting: i64,
    pub delayed: i64,
    pub reserved: i64,
    pub done: i64,
    pub failed: i64,
    pub swept_at: i64,
    pub grace_until: i64,
}

impl Line {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            number: row.get(0)?,
            last_id: row.get(1)?,
            tail: row.get(2)?,
            waiting: row.get(3)?,
            delayed: row.get(4)?,
            reserved: row.get(5)?,
            done: row.get(6)?,
            failed: row.get(7)?,
            swept_at: row.get(8)?,
            grace_until: row.get(9)?,
        })
    }

    /// The number of a job's row; `None` if no job can have this id.
    pub(super) fn row(&self, id: JobId) -> Option<i64> {
        let id = i64::try_from(id.0).ok()?;
        let first = self.number.checked_mul(1 << ID_BITS)?;
        (1..1 << ID_BITS).contains(&id).then_some(first | id)
    }

    /// The first and the last row that jobs of this queue can have.
    pub(super) fn rows(&self) -> (i64, i64) {
        let first = self.number.saturating_mul(1 << ID_BITS);
        (first, first.saturating_add((1 << ID_BITS) - 1))
    }

    pub(super) fn id_of(row: i64) -> JobId {
        JobId((row & ((1 << ID_BITS) - 1)).unsigned_abs())
    }

    /// The row of the next job pushed.
    pub(super) fn next_row(&mut self) -> Result<i64, StoreError> {
        self.last_id += 1;
        self.row(JobId(self.last_id.unsigned_abs()))
            .ok_or_else(|| StoreError::Invalid("the file has no further id for this queue; start a new one".into()))
    }

    /// The place behind all others.
    pub(super) fn next_place(&mut self) -> i64 {
        self.tail += 1;
        self.tail
    }

    /// The counts at a time when so many of the delayed jobs are due.
    pub(super) fn counts(&self, due: i64) -> Counts {
        let count = |n: i64| u64::try_from(n).unwrap_or_default();
        Counts {
            waiting: count(self.waiting + due),
            delayed: count(self.delayed - due),
            reserved: count(self.reserved),
            done: count(self.done),
            failed: count(self.failed),
        }
    }
}

/// The rows that a verb works on.
#[derive(Default)]
pub(super) struct Lines {
    seen: Vec<(Channel, Line, Line)>,
}

impl Lines {
    /// The channel's row, made if there is none.
    pub(super) fn of(&mut self, verb: &Verb<'_>, channel: &Channel) -> Done<&mut Line> {
        if let Some(index) = self.find(verb, channel)? {
            return Ok(&mut self.seen[index].2);
        }
        verb.sql.prepare_cached("INSERT INTO channels (name) VALUES (?1)")?.execute([channel.as_str()])?;
        let line = Line { number: verb.sql.last_insert_rowid(), ..Line::default() };
        self.seen.push((channel.clone(), line.clone(), line));
        let index = self.seen.len() - 1;
        Ok(&mut self.seen[index].2)
    }

    /// The channel's row, if it was ever used.
    pub(super) fn known(&mut self, verb: &Verb<'_>, channel: &Channel) -> Done<Option<&mut Line>> {
        let index = self.find(verb, channel)?;
        Ok(index.map(|index| &mut self.seen[index].2))
    }

    /// Writes back what has changed, and notes where more is waiting now.
    pub(super) fn save(self, verb: &mut Verb<'_>) -> Done<()> {
        for (channel, before, line) in self.seen {
            if line == before {
                continue;
            }
            if line.waiting > before.waiting {
                verb.filled.push(channel.as_str().to_owned());
            }
            verb.sql
                .prepare_cached(
                    "UPDATE channels SET last_id = ?2, tail = ?3, waiting = ?4, delayed = ?5,
                     reserved = ?6, done = ?7, failed = ?8, swept_at = ?9, grace_until = ?10
                     WHERE number = ?1",
                )?
                .execute([
                    line.number,
                    line.last_id,
                    line.tail,
                    line.waiting,
                    line.delayed,
                    line.reserved,
                    line.done,
                    line.failed,
                    line.swept_at,
                    line.grace_until,
                ])?;
        }
        Ok(())
    }

    fn find(&mut self, verb: &Verb<'_>, channel: &Channel) -> Done<Option<usize>> {
        let index = self.seen.iter().position(|(name, ..)| name == channel);
        if index.is_some() {
            return Ok(index);
        }
        let Some(line) = load(verb.sql, channel)? else {
            return Ok(None);
        };
        self.seen.push((channel.clone(), line.clone(), line));
        Ok(Some(self.seen.len() - 1))
    }
}

/// The channel's row as it is in the file.
pub(super) fn load(sql: &rusqlite::Connection, channel: &Channel) -> Done<Option<Line>> {
    Ok(sql
        .prepare_cached(
            "SELECT number, last_id, tail, waiting, delayed, reserved, done, failed, swept_at,
             grace_until FROM channels WHERE name = ?1",
        )?
        .query_one([channel.as_str()], Line::read)
        .optional()?)
}
