//! Stores new jobs.

use std::time::Duration;

use super::failure::Done;
use super::lease;
use super::line::{Line, Lines, state};
use super::receipt::{self, Answer, millis};
use super::writer::Verb;
use crate::error::StoreError;
use crate::job::{Channel, JobId, Lease, NewJob, Token};
use crate::store::Pushed;

/// A push, with what it needs of its caller.
pub(super) struct Push {
    pub channel: Channel,
    pub token: Token,
    pub fence: Option<Lease>,
    pub jobs: Vec<NewJob>,
}

impl Push {
    pub(super) fn run(&self, verb: &mut Verb<'_>) -> Done<Pushed> {
        match receipt::find(verb, &self.token)? {
            None => {}
            Some(Answer::Pushed(ids)) => return Ok(Pushed::Stored(receipt::ids(ids))),
            Some(_) => return Err(receipt::of_another_call(&self.token).into()),
        }
        let mut lines = Lines::default();
        if let Some(fence) = &self.fence
            && !lease::holds(verb, &mut lines, fence)?
        {
            return Ok(Pushed::Lost);
        }
        let line = lines.of(verb, &self.channel)?;
        let ids = self.jobs.iter().map(|job| store(verb, line, job)).collect::<Done<Vec<JobId>>>()?;
        lines.save(verb)?;
        receipt::keep(verb, &self.token, &Answer::Pushed(receipt::numbers(&ids)))?;
        Ok(Pushed::Stored(ids))
    }
}

/// Puts one job, which was checked, at the end of a queue or among its delayed ones.
pub(super) fn store(verb: &Verb<'_>, line: &mut Line, job: &NewJob) -> Done<JobId> {
    let row = line.next_row()?;
    let spot = Spot::after(job.delay, verb.now, line);
    let metadata = match job.metadata.as_slice() {
        [] => None,
        some => Some(serde_json::to_string(some).map_err(StoreError::invalid)?),
    };
    verb.sql
        .prepare_cached(
            "INSERT INTO jobs (row, channel, state, position, at, ttr, pushed_at, ready_at, key, metadata)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, randomblob(16), ?9)",
        )?
        .execute((
            row,
            line.number,
            spot.state,
            spot.position,
            spot.at,
            job.ttr,
            millis(verb.now),
            spot.ready_at,
            metadata,
        ))?;
    verb.sql.prepare_cached("INSERT INTO bodies (row, body) VALUES (?1, ?2)")?.execute((row, &job.body))?;
    Ok(Line::id_of(row))
}

/// Where a job goes that can be taken after a delay.
pub(super) struct Spot {
    pub state: i64,
    pub position: i64,
    pub at: Option<i64>,
    pub ready_at: i64,
}

impl Spot {
    /// Takes a place in the queue, or among the delayed, and counts it there.
    pub(super) fn after(delay: Duration, now: u64, line: &mut Line) -> Self {
        let due = now.saturating_add(whole_seconds(delay).saturating_mul(1000));
        if delay.is_zero() {
            line.waiting += 1;
            return Self { state: state::WAITING, position: line.next_place(), at: None, ready_at: millis(now) };
        }
        line.delayed += 1;
        Self { state: state::DELAYED, position: 0, at: Some(millis(due)), ready_at: millis(due) }
    }
}

/// In whole seconds, rounded up.
fn whole_seconds(delay: Duration) -> u64 {
    delay.as_secs().saturating_add(u64::from(delay.subsec_nanos() > 0))
}
