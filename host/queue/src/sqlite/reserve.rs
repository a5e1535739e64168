//! Takes jobs for one attempt each.

use std::time::Duration;

use rusqlite::{OptionalExtension, Row};

use super::failure::Done;
use super::lease;
use super::line::{Line, Lines, state};
use super::look::metadata_of;
use super::receipt::{self, Answer, millis};
use super::writer::Verb;
use crate::job::{Channel, JobId, Lease, Message, Reserved, Token};
use crate::store::{Reservation, ReserveOptions};

/// The most due jobs and dead leases that one reserve moves.
const MOVED: i64 = 1000;
/// No further job is taken once the bodies have so many bytes.
const BODIES: usize = 16 << 20;

/// A reserve, with what it needs of its caller.
pub(super) struct Reserve {
    pub channel: Channel,
    pub token: Token,
    pub options: ReserveOptions,
}

impl Reserve {
    pub(super) fn run(&self, verb: &mut Verb<'_>) -> Done<Reservation> {
        let mut lines = Lines::default();
        let Some(line) = lines.known(verb, &self.channel)? else {
            return Ok(Reservation { jobs: Vec::new(), reclaimed: Vec::new(), waiting: false, next_due: None });
        };
        let (jobs, reclaimed) = match receipt::find(verb, &self.token)? {
            None => self.take(verb, line)?,
            Some(Answer::Reserved(ids)) => (self.taken_before(verb, line, ids)?, Vec::new()),
            Some(_) => return Err(receipt::of_another_call(&self.token).into()),
        };
        let reservation = Reservation { jobs, reclaimed, waiting: line.waiting > 0, next_due: next_due(verb, line)? };
        lines.save(verb)?;
        Ok(reservation)
    }

    /// The jobs taken, and the ids of those reclaimed.
    fn take(&self, verb: &Verb<'_>, line: &mut Line) -> Done<(Vec<Reserved>, Vec<JobId>)> {
        move_due(verb, line)?;
        let reclaimed = lease::reclaim(verb, line, MOVED)?;
        if line.waiting == 0 {
            return Ok((Vec::new(), reclaimed));
        }
        let (mut jobs, mut bytes) = (Vec::new(), 0);
        for row in self.choose(verb, line)? {
            if bytes >= BODIES {
                break;
            }
            let job = self.take_one(verb, line, row)?;
            if let Message::Readable { body, .. } = &job.message {
                bytes += body.len();
            }
            jobs.push(job);
        }
        // Nothing taken, nothing to remember: idle workers write nothing.
        if !jobs.is_empty() {
            let ids = jobs.iter().map(|job| job.lease.id.0).collect();
            receipt::keep(verb, &self.token, &Answer::Reserved(ids))?;
        }
        Ok((jobs, reclaimed))
    }

    /// The rows of the jobs to take, in the order of their places.
    fn choose(&self, verb: &Verb<'_>, line: &Line) -> Done<Vec<i64>> {
        let limit = i64::from(self.options.limit);
        let mut ready = verb.sql.prepare_cached(
            "SELECT position, row FROM jobs WHERE channel = ?1 AND state = 0 AND (crashes > 0) = ?2
             ORDER BY position LIMIT ?3",
        )?;
        let mut places = |suspects: bool, limit: i64| {
            ready
                .query_map((line.number, suspects, limit), |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<rusqlite::Result<Vec<(i64, i64)>>>()
        };
        let mut chosen = places(false, limit)?;
        if self.options.suspects {
            chosen.extend(places(true, 1)?);
            chosen.sort_unstable();
            chosen.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        }
        Ok(chosen.into_iter().map(|(_, row)| row).collect())
    }

    fn take_one(&self, verb: &Verb<'_>, line: &mut Line, row: i64) -> Done<Reserved> {
        let now = millis(verb.now);
        verb.sql
            .prepare_cached(
                "UPDATE jobs SET state = ?2, at = ?3, attempts = attempts + 1, stopping = 0,
                 reserved_at = ?4, first_reserved_at = ifnull(first_reserved_at, ?4),
                 token = ?5, worker = ?6, progress = NULL WHERE row = ?1",
            )?
            .execute((
                row,
                state::RESERVED,
                lease::alive_until(verb.now),
                now,
                self.token.as_str(),
                &self.options.worker,
            ))?;
        line.waiting -= 1;
        line.reserved += 1;
        self.read(verb, row)
    }

    fn read(&self, verb: &Verb<'_>, row: i64) -> Done<Reserved> {
        Ok(verb
            .sql
            .prepare_cached(
                "SELECT lower(hex(key)), ttr, body, attempts, crashes, pushed_at, ready_at,
                 first_reserved_at, reserved_at, metadata
                 FROM jobs JOIN bodies USING (row) WHERE row = ?1",
            )?
            .query_one([row], |found| self.reserved(row, found))?)
    }

    fn reserved(&self, row: i64, found: &Row<'_>) -> rusqlite::Result<Reserved> {
        let time = |index| found.get::<_, i64>(index).map(i64::unsigned_abs);
        Ok(Reserved {
            lease: Lease { channel: self.channel.clone(), id: Line::id_of(row), token: self.token.clone() },
            key: found.get(0)?,
            message: Message::Readable { ttr: found.get(1)?, body: found.get(2)? },
            attempt: found.get(3)?,
            crashes: found.get(4)?,
            pushed_at: Some(time(5)?),
            ready_at: Some(time(6)?),
            first_reserved_at: time(7)?,
            reserved_at: time(8)?,
            metadata: metadata_of(found, 9)?,
        })
    }

    /// What the first call took, as far as its leases still hold.
    fn taken_before(&self, verb: &Verb<'_>, line: &Line, ids: Vec<u64>) -> Done<Vec<Reserved>> {
        let mut jobs = Vec::new();
        for id in receipt::ids(ids) {
            if let Some(row) = line.row(id)
                && lease::token_of(verb, row)?.as_deref() == Some(self.token.as_str())
            {
                jobs.push(self.read(verb, row)?);
            }
        }
        Ok(jobs)
    }
}

/// Puts delayed jobs that are due at the end of the queue, in the order in
/// which they were due.
fn move_due(verb: &Verb<'_>, line: &mut Line) -> Done<()> {
    if line.delayed == 0 {
        return Ok(());
    }
    let due: Vec<i64> = verb
        .sql
        .prepare_cached(
            "SELECT row FROM jobs WHERE channel = ?1 AND state = 1 AND at <= ?2
             ORDER BY at, row LIMIT ?3",
        )?
        .query_map((line.number, millis(verb.now), MOVED), |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let mut put = verb.sql.prepare_cached("UPDATE jobs SET state = 0, at = NULL, position = ?2 WHERE row = ?1")?;
    for row in due {
        put.execute((row, line.next_place()))?;
        line.delayed -= 1;
        line.waiting += 1;
    }
    Ok(())
}

fn next_due(verb: &Verb<'_>, line: &Line) -> Done<Option<Duration>> {
    if line.delayed == 0 {
        return Ok(None);
    }
    let due: Option<i64> = verb
        .sql
        .prepare_cached(
            "SELECT at FROM jobs WHERE channel = ?1 AND state = 1 AND at >= 0
             ORDER BY at LIMIT 1",
        )?
        .query_one([line.number], |row| row.get(0))
        .optional()?;
    Ok(due.map(|at| Duration::from_millis(at.unsigned_abs().saturating_sub(verb.now))))
}
