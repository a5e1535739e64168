//! Takes live jobs out of a queue.

use rusqlite::OptionalExtension;

use super::failure::Done;
use super::line::{Line, Lines, state};
use super::sweep::drop_row;
use super::writer::Verb;
use crate::job::{Channel, JobId};

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

/// Removes all live jobs of a queue in one transaction, however many there are.
pub(super) fn clear(verb: &mut Verb<'_>, channel: &Channel) -> Done<u64> {
    let mut lines = Lines::default();
    let Some(line) = lines.known(verb, channel)? else {
        return Ok(0);
    };
    let rows = line.rows();
    verb.sql
        .prepare_cached(
            "DELETE FROM bodies WHERE row IN
             (SELECT row FROM jobs WHERE row BETWEEN ?1 AND ?2 AND state IN (0, 1, 2))",
        )?
        .execute(rows)?;
    let removed = verb
        .sql
        .prepare_cached("DELETE FROM jobs WHERE row BETWEEN ?1 AND ?2 AND state IN (0, 1, 2)")?
        .execute(rows)?;
    line.waiting = 0;
    line.delayed = 0;
    line.reserved = 0;
    lines.save(verb)?;
    Ok(removed as u64)
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
