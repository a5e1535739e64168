//! Takes live jobs out of a queue, or all that there is of it.

use std::time::{Duration, Instant};

use rusqlite::OptionalExtension;

use super::failure::Done;
use super::line::{Line, Lines, state};
use super::sweep::drop_row;
use super::writer::{TRANSACTION, Verb};
use crate::job::{Channel, JobId};

/// The most rows that one step of a long work looks at.
pub(super) const STEP: u16 = 500;
/// Between two steps: longer than others nap while they wait for the lock, so
/// that none of them goes on missing the moment at which it is free.
pub(super) const BETWEEN_STEPS: Duration = Duration::from_millis(3);

pub(super) fn remove(verb: &mut Verb<'_>, channel: &Channel, id: JobId) -> Done<bool> {
    let mut lines = Lines::default();
    let Some(line) = lines.known(verb, channel)? else {
        return Ok(false);
    };
    let Some(row) = line.row(id) else {
        return Ok(false);
    };
    let found: Option<i64> = verb
        .sql
        .prepare_cached("SELECT state FROM jobs WHERE row = ?1")?
        .query_one([row], |row| row.get(0))
        .optional()?;
    let Some(count) = found.and_then(|state| count_of(line, state)) else {
        return Ok(false);
    };
    *count -= 1;
    drop_row(verb, row)?;
    lines.save(verb)?;
    Ok(true)
}

/// What a clear has still to look at.
#[derive(Clone, Copy)]
pub(super) struct Rest {
    /// The last row that it has seen.
    after: i64,
    /// The last one that there was when it began.
    last: i64,
}

/// One step of a clear: removes live jobs for as long as a transaction may
/// last; without a `rest` it begins. Returns how many, and what is left to do.
/// A row keeps its number, so each is looked at once.
pub(super) fn clear_some(verb: &mut Verb<'_>, channel: &Channel, rest: Option<Rest>) -> Done<(u64, Option<Rest>)> {
    let began = Instant::now();
    let mut lines = Lines::default();
    let Some(line) = lines.known(verb, channel)? else {
        return Ok((0, None));
    };
    let all = line.rows();
    let last = line.row(JobId(line.last_id.unsigned_abs()));
    let mut rest = rest.unwrap_or(Rest { after: all.0, last: last.unwrap_or(all.0) });
    let found: Vec<(i64, i64)> = verb
        .sql
        .prepare_cached("SELECT row, state FROM jobs WHERE row > ?1 AND row <= ?2 ORDER BY row LIMIT ?3")?
        .query_map((rest.after, rest.last, STEP), |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let mut removed = 0;
    for (row, state) in &found {
        if let Some(count) = count_of(line, *state) {
            *count -= 1;
            drop_row(verb, *row)?;
            removed += 1;
        }
        rest.after = *row;
        if began.elapsed() >= TRANSACTION {
            break;
        }
    }
    lines.save(verb)?;
    let all_seen = found.len() < usize::from(STEP) && found.last().is_none_or(|(row, _)| *row == rest.after);
    Ok((removed, Some(rest).filter(|_| !all_seen)))
}

/// One step of an erasure; whether it was the last. Answers to calls with a
/// token are kept for all queues together, and go with their time.
pub(super) fn erase_some(verb: &mut Verb<'_>, channel: &Channel) -> Done<bool> {
    let began = Instant::now();
    let mut lines = Lines::default();
    let Some(line) = lines.known(verb, channel)? else {
        return Ok(true);
    };
    let (number, (first, last)) = (line.number, line.rows());
    let rows: Vec<i64> = verb
        .sql
        .prepare_cached("SELECT row FROM jobs WHERE row BETWEEN ?1 AND ?2 ORDER BY row LIMIT ?3")?
        .query_map((first, last, STEP), |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for row in &rows {
        drop_row(verb, *row)?;
        if began.elapsed() >= TRANSACTION {
            break;
        }
    }
    if rows.is_empty() {
        verb.sql.prepare_cached("DELETE FROM channels WHERE number = ?1")?.execute([number])?;
    }
    Ok(rows.is_empty())
}

/// The number that counts the live jobs of a state.
fn count_of(line: &mut Line, found: i64) -> Option<&mut i64> {
    match found {
        state::WAITING => Some(&mut line.waiting),
        state::DELAYED => Some(&mut line.delayed),
        state::RESERVED => Some(&mut line.reserved),
        _ => None,
    }
}
