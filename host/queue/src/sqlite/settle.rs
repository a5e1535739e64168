//! Applies verdicts, with their follow-ups.

use super::failure::Done;
use super::lease;
use super::line::{Line, Lines, state};
use super::push::{self, Spot};
use super::receipt::{self, Answer, millis};
use super::writer::Verb;
use crate::error::StoreError;
use crate::job::{JobId, Token};
use crate::store::{FollowUp, Settled, Settlement, Verdict};

/// A batch of settlements of one channel.
pub(super) struct Settle {
    pub token: Token,
    pub batch: Vec<Settlement>,
}

impl Settle {
    pub(super) fn run(&self, verb: &mut Verb<'_>) -> Done<Vec<Settled>> {
        match receipt::find(verb, &self.token)? {
            None => {}
            Some(Answer::Settled(all)) => return Ok(all.into_iter().map(Settled::from).collect()),
            Some(_) => return Err(receipt::of_another_call(&self.token).into()),
        }
        let mut lines = Lines::default();
        let settled = self.batch.iter().map(|one| settle(verb, &mut lines, one)).collect::<Done<Vec<Settled>>>()?;
        lines.save(verb)?;
        let kept = settled.iter().map(Into::into).collect();
        receipt::keep(verb, &self.token, &Answer::Settled(kept))?;
        Ok(settled)
    }
}

fn settle(verb: &Verb<'_>, lines: &mut Lines, one: &Settlement) -> Done<Settled> {
    if let Err(why) = check(&one.follow_ups) {
        let held = lease::holds(verb, lines, &one.lease)?;
        return Ok(if held { Settled::Refused(why.to_string()) } else { Settled::Lost });
    }
    let Some(line) = lines.known(verb, &one.lease.channel)? else {
        return Ok(Settled::Lost);
    };
    if !apply(verb, line, one)? {
        return Ok(Settled::Lost);
    }
    let pushed = one.follow_ups.iter().map(|follow_up| {
        let line = lines.of(verb, &follow_up.channel)?;
        push::store(verb, line, &follow_up.job)
    });
    Ok(Settled::Yes(pushed.collect::<Done<Vec<JobId>>>()?))
}

fn check(follow_ups: &[FollowUp]) -> Result<(), StoreError> {
    for FollowUp { channel, job } in follow_ups {
        job.check().map_err(|why| StoreError::Invalid(format!("a follow-up to {channel}: {why}")))?;
    }
    Ok(())
}

/// Does what the verdict says if the lease holds; answers whether it did.
fn apply(verb: &Verb<'_>, line: &mut Line, one: &Settlement) -> Done<bool> {
    let Some(row) = line.row(one.lease.id) else {
        return Ok(false);
    };
    let holder = Holder { verb, row, token: one.lease.token.as_str() };
    let record = serde_json::to_string(&one.record).map_err(StoreError::invalid)?;
    let before = line.clone();
    let applied = match &one.verdict {
        Verdict::Done { output } => {
            line.done += 1;
            let fits = |output: &&String| output.len() as u64 <= one.retain.output;
            let output = output.as_ref().filter(fits);
            holder.end(state::DONE, 0, one.retain.done, (&record, output))
        }
        Verdict::Failed => {
            line.failed += i64::from(!one.retain.failed.is_zero());
            let place = line.next_place();
            holder.end(state::FAILED, place, one.retain.failed, (&record, None))
        }
        Verdict::Retry { delay } => {
            let spot = Spot::after(*delay, verb.now, line);
            holder.put(&spot, 0, &record)
        }
        Verdict::Postponed { delay } => {
            let spot = Spot::after(*delay, verb.now, line);
            holder.put(&spot, 1, &record)
        }
        Verdict::HandedBack => {
            line.waiting += 1;
            holder.hand_back(&record)
        }
    }?;
    if applied {
        line.reserved -= 1;
    } else {
        *line = before;
    }
    Ok(applied)
}

/// The statements that change a job only for who holds it.
struct Holder<'v> {
    verb: &'v Verb<'v>,
    row: i64,
    token: &'v str,
}

impl Holder<'_> {
    /// Done or failed: kept as long as it is retained, a done one without its body.
    fn end(
        &self,
        state: i64,
        position: i64,
        retain: std::time::Duration,
        (record, output): (&str, Option<&String>),
    ) -> Done<bool> {
        let sql = self.verb.sql;
        let now = millis(self.verb.now);
        let changed = if retain.is_zero() {
            sql.prepare_cached("DELETE FROM jobs WHERE row = ?1 AND state = 2 AND token = ?2")?
                .execute((self.row, self.token))?
        } else {
            sql.prepare_cached(
                "UPDATE jobs SET state = ?3, position = ?4, at = ?5, ended_at = ?6, record = ?7,
                 output = ?8, token = NULL, worker = NULL
                 WHERE row = ?1 AND state = 2 AND token = ?2",
            )?
            .execute((
                self.row,
                self.token,
                state,
                position,
                now.saturating_add(lease::span(retain)),
                now,
                record,
                output,
            ))?
        };
        if changed > 0 && (state == state::DONE || retain.is_zero()) {
            sql.prepare_cached("DELETE FROM bodies WHERE row = ?1")?.execute([self.row])?;
        }
        Ok(changed > 0)
    }

    /// Back into the queue or among the delayed.
    fn put(&self, spot: &Spot, uncounted: u32, record: &str) -> Done<bool> {
        let changed = self
            .verb
            .sql
            .prepare_cached(
                "UPDATE jobs SET state = ?3, position = ?4, at = ?5, ready_at = ?6,
                 attempts = attempts - ?7, record = ?8, token = NULL, worker = NULL
                 WHERE row = ?1 AND state = 2 AND token = ?2",
            )?
            .execute((self.row, self.token, spot.state, spot.position, spot.at, spot.ready_at, uncounted, record))?;
        Ok(changed > 0)
    }

    /// To the place it was taken from.
    fn hand_back(&self, record: &str) -> Done<bool> {
        let changed = self
            .verb
            .sql
            .prepare_cached(
                "UPDATE jobs SET state = 0, at = NULL, attempts = attempts - 1, record = ?3,
                 token = NULL, worker = NULL WHERE row = ?1 AND state = 2 AND token = ?2",
            )?
            .execute((self.row, self.token, record))?;
        Ok(changed > 0)
    }
}
