//! The failed set: showing, retrying and dropping what failed for good.

use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension, Row};

use super::failure::Done;
use super::lease::span;
use super::line::{self, Line, Lines};
use super::look::{json, metadata_of};
use super::receipt::{self, Answer, millis};
use super::remove::STEP;
use super::sweep::drop_row;
use super::writer::{TRANSACTION, Verb};
use crate::job::{Channel, JobId, Message, Token};
use crate::store::FailedJob;

/// The failures of one page, the latest first.
pub(super) fn list(sql: &Connection, channel: &Channel, offset: u64, limit: u32) -> Done<Vec<FailedJob>> {
    let Some(line) = line::load(sql, channel)? else {
        return Ok(Vec::new());
    };
    let page = (line.number, limit, millis(offset));
    Ok(sql
        .prepare_cached(
            "SELECT jobs.row, ended_at, attempts, ttr, body, lower(hex(key)), pushed_at, metadata, record
             FROM jobs JOIN bodies USING (row) WHERE channel = ?1 AND state = 4
             ORDER BY ended_at DESC, position DESC LIMIT ?2 OFFSET ?3",
        )?
        .query_map(page, failed_job)?
        .collect::<rusqlite::Result<_>>()?)
}

pub(super) fn one(sql: &Connection, channel: &Channel, id: JobId) -> Done<Option<FailedJob>> {
    let Some(row) = line::load(sql, channel)?.and_then(|line| line.row(id)) else {
        return Ok(None);
    };
    Ok(sql
        .prepare_cached(
            "SELECT jobs.row, ended_at, attempts, ttr, body, lower(hex(key)), pushed_at, metadata, record
             FROM jobs JOIN bodies USING (row) WHERE row = ?1 AND state = 4",
        )?
        .query_one([row], failed_job)
        .optional()?)
}

fn failed_job(found: &Row<'_>) -> rusqlite::Result<FailedJob> {
    let time = |index| found.get::<_, i64>(index).map(i64::unsigned_abs);
    Ok(FailedJob {
        id: Line::id_of(found.get(0)?),
        failed_at: time(1)?,
        attempts: found.get(2)?,
        message: Message::Readable { ttr: found.get(3)?, body: found.get(4)? },
        key: found.get(5)?,
        pushed_at: Some(time(6)?),
        metadata: metadata_of(found, 7)?,
        record: json(found, 8)?.unwrap_or_default(),
    })
}

/// Puts failures back to the end of the queue. Ids are never used again here,
/// so each keeps its own.
pub(super) fn retry(verb: &mut Verb<'_>, channel: &Channel, token: &Token, ids: &[JobId]) -> Done<Vec<Option<JobId>>> {
    match receipt::find(verb, token)? {
        None => {}
        Some(Answer::Retried(ids)) => {
            return Ok(ids.into_iter().map(|id| id.map(JobId)).collect());
        }
        Some(_) => return Err(receipt::of_another_call(token).into()),
    }
    let mut lines = Lines::default();
    let Some(line) = lines.known(verb, channel)? else {
        return Ok(vec![None; ids.len()]);
    };
    let retried = ids.iter().map(|id| Ok(retry_one(verb, line, *id)?.then_some(*id))).collect::<Done<Vec<_>>>()?;
    lines.save(verb)?;
    let kept = retried.iter().map(|id| id.map(|id| id.0)).collect();
    receipt::keep(verb, token, &Answer::Retried(kept))?;
    Ok(retried)
}

fn retry_one(verb: &Verb<'_>, line: &mut Line, id: JobId) -> Done<bool> {
    let Some(row) = line.row(id) else {
        return Ok(false);
    };
    let changed = verb
        .sql
        .prepare_cached(
            "UPDATE jobs SET state = 0, position = ?2, at = NULL, attempts = 0, crashes = 0,
             ready_at = ?3, first_reserved_at = NULL, reserved_at = NULL, ended_at = NULL,
             progress = NULL WHERE row = ?1 AND state = 4",
        )?
        .execute((row, line.tail + 1, millis(verb.now)))?;
    if changed > 0 {
        line.tail += 1;
        line.failed -= 1;
        line.waiting += 1;
    }
    Ok(changed > 0)
}

/// Drops failures by id; answers for each whether it was there.
pub(super) fn remove(verb: &mut Verb<'_>, channel: &Channel, ids: &[JobId]) -> Done<Vec<bool>> {
    let mut lines = Lines::default();
    let Some(line) = lines.known(verb, channel)? else {
        return Ok(vec![false; ids.len()]);
    };
    let mut removed = Vec::with_capacity(ids.len());
    for id in ids {
        let row = line.row(*id);
        let there = match row {
            None => false,
            Some(row) => verb.sql.prepare_cached("SELECT 1 FROM jobs WHERE row = ?1 AND state = 4")?.exists([row])?,
        };
        if let Some(row) = row.filter(|_| there) {
            drop_row(verb, row)?;
            line.failed -= 1;
        }
        removed.push(there);
    }
    lines.save(verb)?;
    Ok(removed)
}

/// One step of a prune: drops failures from before a time, for as long as a
/// transaction may last; without that time it begins, and takes it from
/// `older`. Returns how many, and the time if there is more to do.
pub(super) fn prune_some(
    verb: &mut Verb<'_>,
    channel: &Channel,
    older: Duration,
    before: Option<i64>,
) -> Done<(u64, Option<i64>)> {
    let began = Instant::now();
    let mut lines = Lines::default();
    let Some(line) = lines.known(verb, channel)? else {
        return Ok((0, None));
    };
    let before = before.unwrap_or_else(|| millis(verb.now).saturating_sub(span(older)));
    let rows: Vec<i64> = verb
        .sql
        .prepare_cached(
            "SELECT row FROM jobs WHERE channel = ?1 AND state = 4 AND ended_at < ?2
             ORDER BY ended_at LIMIT ?3",
        )?
        .query_map((line.number, before, STEP), |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let mut dropped = 0;
    for row in &rows {
        drop_row(verb, *row)?;
        line.failed -= 1;
        dropped += 1;
        if began.elapsed() >= TRANSACTION {
            break;
        }
    }
    lines.save(verb)?;
    let more = dropped < rows.len() || rows.len() == usize::from(STEP);
    Ok((dropped as u64, Some(before).filter(|_| more)))
}
