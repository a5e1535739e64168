//! Replies of the scripts, and the JSON that they keep, as the contract's types.

use std::time::Duration;

use redis::{FromRedisValue, Value, from_redis_value};
use serde::Deserialize;

use super::connection::Connection;
use super::encode::json;
use crate::clock::UnixMillis;
use crate::error::StoreError;
use crate::job::{Channel, JobId, Lease, Message, Reserved, Token};
use crate::record::{AttemptRecord, Progress};
use crate::store::{FailedJob, Held, JobState, JobStatus, Pushed, Reservation, Settled, SweepReport};

/// What is kept beside a message.
#[derive(Default, Deserialize)]
struct JobRecord {
    key: String,
    pushed_at: Option<UnixMillis>,
    metadata: Vec<(String, String)>,
}

/// What stays of a job that is over.
#[derive(Deserialize)]
struct Entry {
    ended_at: UnixMillis,
    attempts: u32,
    crashes: u32,
    job: Option<JobRecord>,
    progress: Option<Progress>,
    record: AttemptRecord,
}

/// What is known of a job as the status script returns it.
type StatusReply = (
    String,
    Option<f64>,
    u32,
    u32,
    Option<Vec<u8>>,
    Option<Vec<u8>>,
    Option<String>,
    Option<Vec<u8>>,
    Option<Vec<u8>>,
    Option<Vec<u8>>,
    Option<String>,
    Option<UnixMillis>,
);

/// What a running attempt says of its progress, without `at` and the brace.
#[derive(serde::Serialize)]
struct Said<'a> {
    done: u32,
    total: Option<u32>,
    note: &'a str,
}

pub(super) fn open_progress(progress: &Progress) -> Result<String, StoreError> {
    let mut said = json(&Said { done: progress.done, total: progress.total, note: &progress.note })?;
    said.pop();
    Ok(said)
}

pub(super) fn held(reply: u8) -> Held {
    if reply == 1 { Held::Yes } else { Held::Lost }
}

pub(super) fn id(connection: &Connection, text: &str) -> Result<JobId, StoreError> {
    text.parse().map_err(|error| connection.corrupt("a reply", format!("{error}")))
}

pub(super) fn number(connection: &Connection, text: &str) -> Result<u64, StoreError> {
    text.parse().map_err(|_| connection.corrupt("a reply", format!("`{text}` is not a number")))
}

pub(super) fn pushed(connection: &Connection, reply: &str) -> Result<Pushed, StoreError> {
    match reply.strip_prefix("stored") {
        None => Ok(Pushed::Lost),
        Some(ids) => {
            ids.split_ascii_whitespace().map(|text| id(connection, text)).collect::<Result<_, _>>().map(Pushed::Stored)
        }
    }
}

pub(super) fn reservation(
    connection: &Connection,
    channel: &Channel,
    token: &Token,
    reply: Vec<Value>,
) -> Result<Reservation, StoreError> {
    let mut parts = reply.into_iter();
    let waiting: bool = part(connection, parts.next())?;
    let next_due: i64 = part(connection, parts.next())?;
    let reclaimed: Vec<String> = part(connection, parts.next())?;
    let reclaimed = reclaimed.iter().filter_map(|text| text.parse().ok()).collect();
    let mut jobs = Vec::with_capacity(parts.len() / 3);
    while let Some(numbers) = parts.next() {
        let numbers: String = part(connection, Some(numbers))?;
        let (message, record) = (part(connection, parts.next())?, part(connection, parts.next())?);
        jobs.push(taken(connection, (channel, token), &numbers, (message, record))?);
    }
    let next_due = u64::try_from(next_due).ok().map(Duration::from_millis);
    Ok(Reservation { jobs, reclaimed, waiting, next_due })
}

fn taken(
    connection: &Connection,
    (channel, token): (&Channel, &Token),
    numbers: &str,
    (message, record): (Vec<u8>, Vec<u8>),
) -> Result<Reserved, StoreError> {
    let mut of = numbers.split(' ').map(|text| (text != "-").then(|| number(connection, text)).transpose());
    let mut next = || of.next().unwrap_or(Ok(None));
    let mut required = || next()?.ok_or_else(|| connection.corrupt("a reply", format!("`{numbers}` lacks a number")));
    let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let (id, attempt, crashes, reserved_at) = (JobId(required()?), small(required()?), small(required()?), required()?);
    let (ready_at, first_reserved_at) = (next()?, next()?.unwrap_or(reserved_at));
    let record = job_record(channel, id, Some(record).filter(|record| !record.is_empty()));
    Ok(Reserved {
        lease: Lease { channel: channel.clone(), id, token: token.clone() },
        key: record.key,
        message: Message::parse(message),
        attempt,
        crashes,
        pushed_at: record.pushed_at,
        ready_at,
        first_reserved_at,
        reserved_at,
        metadata: record.metadata,
    })
}

/// The lines of a settlement's reply, merged with what was refused before the call.
pub(super) fn settled(
    connection: &Connection,
    reply: &str,
    refused: Vec<Option<String>>,
) -> Result<Vec<Settled>, StoreError> {
    let mut lines = reply.lines();
    refused
        .into_iter()
        .map(|why| match why {
            Some(why) => Ok(Settled::Refused(why)),
            None => settled_line(connection, lines.next().unwrap_or_default()),
        })
        .collect()
}

fn settled_line(connection: &Connection, line: &str) -> Result<Settled, StoreError> {
    if let Some(ids) = line.strip_prefix("yes") {
        return ids
            .split_ascii_whitespace()
            .map(|text| id(connection, text))
            .collect::<Result<_, _>>()
            .map(Settled::Yes);
    }
    if let Some((key, reason)) = line.strip_prefix("refused ").and_then(|why| why.split_once(' ')) {
        return Ok(Settled::Refused(format!("key `{key}`: {reason}")));
    }
    match line {
        "lost" => Ok(Settled::Lost),
        other => Err(connection.corrupt("a receipt", format!("`{other}` is no result"))),
    }
}

pub(super) fn sweep(
    connection: &Connection,
    (more, pruned, reclaimed, orphans): (bool, u64, Vec<String>, Vec<String>),
) -> Result<SweepReport, StoreError> {
    let reclaimed = reclaimed.iter().map(|text| id(connection, text));
    Ok(SweepReport {
        reclaimed: reclaimed.collect::<Result<_, _>>()?,
        // One that no counter gave has no number before it is reserved.
        orphans: orphans.iter().filter_map(|text| text.parse().ok()).collect(),
        pruned,
        more,
    })
}

pub(super) fn status(
    connection: &Connection,
    channel: &Channel,
    id: JobId,
    reply: Vec<Value>,
) -> Result<Option<JobStatus>, StoreError> {
    if reply.len() < 2 {
        return Ok(None);
    }
    let reply: StatusReply = part(connection, Some(Value::Array(reply)))?;
    let (place, due, attempts, crashes, message, record, worker, progress, last, over, output, reserved_at) = reply;
    let (ttr, body) = match message.map(Message::parse) {
        Some(Message::Readable { ttr, body }) => (Some(ttr), Some(body)),
        Some(Message::Malformed { raw, .. }) => (None, Some(raw)),
        None => (None, None),
    };
    let over = over.map(|kept| entry(connection, channel, id, &kept)).transpose()?;
    let mut status = JobStatus {
        id,
        state: state(connection, &place, due)?,
        attempts,
        crashes,
        ttr,
        body,
        pushed_at: None,
        ended_at: None,
        worker,
        reserved_at,
        key: None,
        metadata: Vec::new(),
        progress: progress.and_then(|json| serde_json::from_slice(&json).ok()),
        record: last.and_then(|json| serde_json::from_slice(&json).ok()),
        output,
    };
    let mut job = record.map(|kept| job_record(channel, id, Some(kept)));
    if let Some(entry) = over {
        status.attempts = entry.attempts;
        status.crashes = entry.crashes;
        status.ended_at = Some(entry.ended_at);
        status.progress = entry.progress;
        status.record = Some(entry.record);
        job = entry.job;
    }
    if let Some(job) = job {
        status.key = Some(job.key);
        status.pushed_at = job.pushed_at;
        status.metadata = job.metadata;
    }
    Ok(Some(status))
}

fn state(connection: &Connection, place: &str, due: Option<f64>) -> Result<JobState, StoreError> {
    match (place, due) {
        ("waiting", _) => Ok(JobState::Waiting),
        ("delayed", Some(due)) => Ok(JobState::Delayed { due_at: millis_of(due) }),
        ("reserved", _) => Ok(JobState::Reserved),
        ("done", _) => Ok(JobState::Done),
        ("failed", _) => Ok(JobState::Failed),
        _ => Err(connection.corrupt("a reply", format!("`{place}` is no state"))),
    }
}

pub(super) fn failed(
    connection: &Connection,
    channel: &Channel,
    reply: Vec<(u64, Vec<u8>, Vec<u8>)>,
) -> Result<Vec<FailedJob>, StoreError> {
    reply
        .into_iter()
        .map(|(id, kept, message)| {
            let entry = entry(connection, channel, JobId(id), &kept)?;
            let job = entry.job.unwrap_or_default();
            Ok(FailedJob {
                id: JobId(id),
                failed_at: entry.ended_at,
                attempts: entry.attempts,
                message: Message::parse(message),
                key: job.key,
                pushed_at: job.pushed_at,
                metadata: job.metadata,
                record: entry.record,
            })
        })
        .collect()
}

fn entry(connection: &Connection, channel: &Channel, id: JobId, kept: &[u8]) -> Result<Entry, StoreError> {
    serde_json::from_slice(kept).map_err(|error| {
        connection.corrupt(
            format!("the record of job {id} of channel `{channel}`"),
            format!("{error}; remove the job from the failed set, or wait for the end of its retention"),
        )
    })
}

/// The record beside a message. One that somebody spoiled does not keep its
/// job from running: the job then goes by its place.
fn job_record(channel: &Channel, id: JobId, kept: Option<Vec<u8>>) -> JobRecord {
    let spoiled = || JobRecord { key: format!("{channel}/{id}"), ..JobRecord::default() };
    let Some(kept) = kept else {
        return spoiled();
    };
    serde_json::from_slice(&kept).unwrap_or_else(|error| {
        tracing::warn!(%channel, %id, %error, "the record beside the message cannot be read");
        spoiled()
    })
}

fn part<T: FromRedisValue>(connection: &Connection, value: Option<Value>) -> Result<T, StoreError> {
    from_redis_value(value.unwrap_or(Value::Nil)).map_err(|error| connection.corrupt("a reply", error.to_string()))
}

/// Unix seconds of a score as milliseconds.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, which is what a wild score deserves"
)]
fn millis_of(score: f64) -> UnixMillis {
    (score * 1000.0).round() as UnixMillis
}
