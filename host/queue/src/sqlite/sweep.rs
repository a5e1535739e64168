//! What every worker does every two seconds: returns the jobs of dead workers
//! and drops what is past its retention.

use super::failure::Done;
use super::lease;
use super::line::{Line, Lines, state};
use super::receipt::{self, millis};
use super::writer::Verb;
use crate::job::Channel;
use crate::store::{OUTAGE_AFTER, OUTAGE_GRACE, SweepReport};

/// The most of each kind that one sweep does.
const CHUNK: i64 = 1000;
/// Sweeps of several workers need not all be noted; in milliseconds.
const NOTED_EVERY: i64 = 500;

pub(super) fn sweep(verb: &mut Verb<'_>, channel: &Channel) -> Done<SweepReport> {
    let mut lines = Lines::default();
    let line = lines.of(verb, channel)?;
    note(millis(verb.now), line);
    lease::heed_set_back(verb, line)?;
    let reclaimed = lease::reclaim(verb, line, CHUNK)?;
    let pruned = prune(verb, line)?;
    lines.save(verb)?;
    let receipts = receipt::prune(verb, CHUNK)?;
    let full = |n: usize| i64::try_from(n).is_ok_and(|n| n >= CHUNK);
    Ok(SweepReport {
        more: full(reclaimed.len()) || full(pruned) || full(receipts),
        reclaimed,
        orphans: Vec::new(),
        pruned: u64::try_from(pruned).unwrap_or_default(),
    })
}

/// Notes that somebody sweeps. If for long nobody did, no lease can have been
/// extended either, which says nothing about who is alive.
fn note(now: i64, line: &mut Line) {
    if now > line.swept_at.saturating_add(lease::span(OUTAGE_AFTER)) {
        line.grace_until = now.saturating_add(lease::span(OUTAGE_GRACE));
    }
    // Where the clock was set back, neither may last until it has caught up.
    line.grace_until = line.grace_until.min(now.saturating_add(lease::span(OUTAGE_GRACE)));
    if (now - line.swept_at).abs() >= NOTED_EVERY {
        line.swept_at = now;
    }
}

/// Drops done and failed jobs whose time is over; returns how many.
fn prune(verb: &Verb<'_>, line: &mut Line) -> Done<usize> {
    let mut pruned = 0;
    for ended in [state::DONE, state::FAILED] {
        let rows: Vec<i64> = verb
            .sql
            .prepare_cached(
                "SELECT row FROM jobs WHERE channel = ?1 AND state = ?2 AND at <= ?3
                 ORDER BY at LIMIT ?4",
            )?
            .query_map((line.number, ended, millis(verb.now), CHUNK), |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        for row in &rows {
            drop_row(verb, *row)?;
        }
        pruned += rows.len();
        if ended == state::FAILED {
            line.failed -= i64::try_from(rows.len()).unwrap_or_default();
        }
    }
    Ok(pruned)
}

/// Removes every trace of a job.
pub(super) fn drop_row(verb: &Verb<'_>, row: i64) -> Done<()> {
    for statement in ["DELETE FROM jobs WHERE row = ?1", "DELETE FROM bodies WHERE row = ?1"] {
        verb.sql.prepare_cached(statement)?.execute([row])?;
    }
    Ok(())
}
