//! Looks at a queue and its jobs, and changes nothing.

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row};
use serde::de::DeserializeOwned;

use super::failure::Done;
use super::line::{self, state};
use super::receipt::millis;
use crate::clock::UnixMillis;
use crate::job::{Channel, JobId};
use crate::store::{Counts, JobState, JobStatus};

/// From the queue's row, but for what has come due since the last reserve:
/// that is counted, over an index.
pub(super) fn counts(sql: &Connection, channel: &Channel, now: UnixMillis) -> Done<Counts> {
    let Some(line) = line::load(sql, channel)? else {
        return Ok(Counts::default());
    };
    let due = if line.delayed == 0 {
        0
    } else {
        sql.prepare_cached("SELECT count(*) FROM jobs WHERE channel = ?1 AND state = 1 AND at <= ?2")?
            .query_one((line.number, millis(now)), |row| row.get(0))?
    };
    Ok(line.counts(due))
}

/// Whether there is anything to reserve that needs no moving first.
pub(super) fn is_filled(sql: &Connection, channel: &Channel) -> Done<bool> {
    Ok(line::load(sql, channel)?.is_some_and(|line| line.waiting > 0))
}

pub(super) fn status(sql: &Connection, channel: &Channel, id: JobId, now: UnixMillis) -> Done<Option<JobStatus>> {
    let Some(row) = line::load(sql, channel)?.and_then(|line| line.row(id)) else {
        return Ok(None);
    };
    Ok(sql
        .prepare_cached(
            "SELECT state, at, attempts, crashes, ttr, body, pushed_at, ended_at, worker,
             lower(hex(key)), metadata, progress, record, output, reserved_at
             FROM jobs LEFT JOIN bodies USING (row) WHERE row = ?1",
        )?
        .query_one([row], |found| job_status(id, found, now))
        .optional()?)
}

fn job_status(id: JobId, found: &Row<'_>, now: UnixMillis) -> rusqlite::Result<JobStatus> {
    let at = found.get::<_, Option<i64>>(1)?.unwrap_or_default();
    let at = at.unsigned_abs();
    let state = match found.get(0)? {
        state::DELAYED if at > now => JobState::Delayed { due_at: at },
        state::WAITING | state::DELAYED => JobState::Waiting,
        state::RESERVED => JobState::Reserved,
        state::DONE => JobState::Done,
        state::FAILED => JobState::Failed,
        other => return Err(rusqlite::Error::IntegralValueOutOfRange(0, other)),
    };
    let live = state != JobState::Done;
    let time = |index| found.get::<_, Option<i64>>(index).map(|time| time.map(i64::unsigned_abs));
    Ok(JobStatus {
        id,
        state,
        attempts: found.get(2)?,
        crashes: found.get(3)?,
        ttr: if live { Some(found.get(4)?) } else { None },
        body: found.get(5)?,
        pushed_at: time(6)?,
        ended_at: time(7)?,
        worker: found.get(8)?,
        reserved_at: if state == JobState::Reserved { time(14)? } else { None },
        key: found.get(9)?,
        metadata: metadata_of(found, 10)?,
        progress: json(found, 11)?,
        record: json(found, 12)?,
        output: found.get(13)?,
    })
}

/// A job's metadata, from their JSON.
pub(super) fn metadata_of(found: &Row<'_>, column: usize) -> rusqlite::Result<Vec<(String, String)>> {
    Ok(json(found, column)?.unwrap_or_default())
}

/// What a column's JSON says; `None` where it is NULL.
pub(super) fn json<T: DeserializeOwned>(found: &Row<'_>, column: usize) -> rusqlite::Result<Option<T>> {
    let Some(text) = found.get_ref(column)?.as_str_or_null()? else {
        return Ok(None);
    };
    serde_json::from_str(text)
        .map(Some)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error)))
}
