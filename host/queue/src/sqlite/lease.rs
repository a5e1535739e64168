//! Who holds a job: extending, the death of workers, and what a holder may say.

use std::time::Duration;

use rusqlite::OptionalExtension;

use super::failure::Done;
use super::line::{Line, Lines, state};
use super::receipt::millis;
use super::writer::Verb;
use crate::error::StoreError;
use crate::job::{JobId, Lease};
use crate::record::Progress;
use crate::store::{Held, LEASE_DEAD_AFTER, OUTAGE_AFTER};

/// Whether the lease still holds.
pub(super) fn holds(verb: &Verb<'_>, lines: &mut Lines, lease: &Lease) -> Done<bool> {
    let Some(row) = row(verb, lines, lease)? else {
        return Ok(false);
    };
    Ok(verb
        .sql
        .prepare_cached("SELECT 1 FROM jobs WHERE row = ?1 AND state = 2 AND token = ?2")?
        .exists((row, lease.token.as_str()))?)
}

/// The row of the job that a lease is about, if its queue was ever used.
pub(super) fn row(verb: &Verb<'_>, lines: &mut Lines, lease: &Lease) -> Done<Option<i64>> {
    let line = lines.known(verb, &lease.channel)?;
    Ok(line.and_then(|line| line.row(lease.id)))
}

/// Until when a lease lives that is held now.
pub(super) fn alive_until(now: u64) -> i64 {
    millis(now).saturating_add(span(LEASE_DEAD_AFTER))
}

pub(super) fn extend(verb: &mut Verb<'_>, leases: &[Lease], stopping: bool) -> Done<Vec<Held>> {
    let mut lines = Lines::default();
    let mut extend = verb.sql.prepare_cached(
        "UPDATE jobs SET at = ?3, stopping = max(stopping, ?4) WHERE row = ?1 AND state = 2 AND token = ?2",
    )?;
    let until = alive_until(verb.now);
    leases
        .iter()
        .map(|lease| {
            let Some(row) = row(verb, &mut lines, lease)? else {
                return Ok(Held::Lost);
            };
            let changed = extend.execute((row, lease.token.as_str(), until, stopping))?;
            Ok(held(changed))
        })
        .collect()
}

pub(super) fn progress(verb: &mut Verb<'_>, lease: &Lease, said: &Progress) -> Done<Held> {
    let Some(row) = row(verb, &mut Lines::default(), lease)? else {
        return Ok(Held::Lost);
    };
    let said = Progress { at: verb.now, ..said.clone() };
    let said = serde_json::to_string(&said).map_err(StoreError::invalid)?;
    let changed = verb
        .sql
        .prepare_cached("UPDATE jobs SET progress = ?3 WHERE row = ?1 AND state = 2 AND token = ?2")?
        .execute((row, lease.token.as_str(), said))?;
    Ok(held(changed))
}

/// A lease that an earlier, faster clock wrote lives as if extended now.
pub(super) fn heed_set_back(verb: &Verb<'_>, line: &Line) -> Done<()> {
    verb.sql
        .prepare_cached("UPDATE jobs SET at = ?2 WHERE channel = ?1 AND state = 2 AND at > ?2")?
        .execute((line.number, alive_until(verb.now)))?;
    Ok(())
}

/// Returns up to `limit` jobs of dead workers to their places in the queue,
/// unless an outage may have kept the workers from extending their leases.
pub(super) fn reclaim(verb: &Verb<'_>, line: &mut Line, limit: i64) -> Done<Vec<JobId>> {
    let now = millis(verb.now);
    let outage = now > line.swept_at.saturating_add(span(OUTAGE_AFTER)) || now < line.grace_until;
    if outage || line.reserved == 0 {
        return Ok(Vec::new());
    }
    let dead: Vec<i64> = verb
        .sql
        .prepare_cached(
            "SELECT row FROM jobs WHERE channel = ?1 AND state = 2 AND at <= ?2
             ORDER BY at LIMIT ?3",
        )?
        .query_map((line.number, now, limit), |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let mut reclaim = verb.sql.prepare_cached(
        "UPDATE jobs SET state = ?2, at = NULL, token = NULL, worker = NULL,
         attempts = attempts - 1, crashes = crashes + 1 - stopping, stopping = 0
         WHERE row = ?1",
    )?;
    for row in &dead {
        reclaim.execute((row, state::WAITING))?;
        line.reserved -= 1;
        line.waiting += 1;
    }
    Ok(dead.into_iter().map(Line::id_of).collect())
}

/// The token of a job's lease, for a repeat of the reserve that made it.
pub(super) fn token_of(verb: &Verb<'_>, row: i64) -> Done<Option<String>> {
    Ok(verb
        .sql
        .prepare_cached("SELECT token FROM jobs WHERE row = ?1 AND state = 2")?
        .query_one([row], |row| row.get(0))
        .optional()?)
}

pub(super) fn span(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn held(changed: usize) -> Held {
    if changed == 0 { Held::Lost } else { Held::Yes }
}
