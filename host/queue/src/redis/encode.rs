//! Arguments of the scripts: checking them and bringing them into the order
//! that the scripts' headers name.

use std::time::Duration;

use redis::ScriptInvocation;

use crate::error::StoreError;
use crate::job::{Channel, Lease, NewJob, Token};
use crate::store::{Settlement, Verdict};

/// The longest delay kept, in seconds: longer ones are cut to 300 years.
const MAX_DELAY: u64 = 10_000_000_000;

pub(super) fn check_count(count: usize, most: usize) -> Result<(), StoreError> {
    if count > most {
        return Err(StoreError::Invalid(format!("{count} at once are too many; the limit of this call is {most}")));
    }
    Ok(())
}

/// Tokens are parts of records whose fields are separated by spaces.
pub(super) fn check_token(token: &Token) -> Result<(), StoreError> {
    let text = token.as_str();
    if text.is_empty() || text.len() > 64 || !text.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(StoreError::Invalid(format!(
            "`{}` is not a token; it is 1 to 64 letters and digits",
            text.escape_debug().take(80).collect::<String>()
        )));
    }
    Ok(())
}

/// The channel of all these leases; `None` if there are none.
pub(super) fn one_channel<'l>(mut leases: impl Iterator<Item = &'l Lease>) -> Result<Option<&'l Channel>, StoreError> {
    let Some(first) = leases.next() else {
        return Ok(None);
    };
    match leases.find(|lease| lease.channel != first.channel) {
        None => Ok(Some(&first.channel)),
        Some(other) => Err(StoreError::Invalid(format!(
            "one call takes leases of one channel, not of `{}` and `{}`",
            first.channel, other.channel
        ))),
    }
}

pub(super) fn add_lease(call: &mut ScriptInvocation<'_>, lease: &Lease) {
    call.arg(lease.id.0).arg(lease.token.as_str());
}

/// Message, delay, metadata.
pub(super) fn add_job(call: &mut ScriptInvocation<'_>, job: &NewJob) -> Result<(), StoreError> {
    let mut message = format!("{};", job.ttr).into_bytes();
    message.extend_from_slice(&job.body);
    call.arg(message).arg(whole_seconds(job.delay)).arg(json(&job.metadata)?);
    Ok(())
}

/// The channels of a batch, the settling one first.
pub(super) fn channels_of<'b>(own: &'b Channel, batch: &'b [Settlement]) -> Vec<&'b Channel> {
    let mut channels = vec![own];
    for follow_up in batch.iter().flat_map(|settlement| &settlement.follow_ups) {
        if !channels.contains(&&follow_up.channel) {
            channels.push(&follow_up.channel);
        }
    }
    channels
}

/// Why a follow-up cannot be stored, if that can be said without the store.
pub(super) fn unfit(settlement: &Settlement) -> Option<String> {
    settlement.follow_ups.iter().find_map(|follow_up| {
        let error = follow_up.job.check().err()?;
        Some(format!("follow-up for `{}`: {error}", follow_up.channel))
    })
}

pub(super) fn add_settlement(
    call: &mut ScriptInvocation<'_>,
    settlement: &Settlement,
    channels: &[&Channel],
) -> Result<(), StoreError> {
    let retain = settlement.retain;
    let (verdict, delay, output) = match &settlement.verdict {
        Verdict::Done { output } => ("done", Duration::ZERO, output.as_deref()),
        Verdict::Retry { delay } => ("retry", *delay, None),
        Verdict::Failed => ("failed", Duration::ZERO, None),
        Verdict::Postponed { delay } => ("postponed", *delay, None),
        Verdict::HandedBack => ("back", Duration::ZERO, None),
    };
    let output = output.filter(|output| output.len() as u64 <= retain.output);
    add_lease(call, &settlement.lease);
    let (delay, done, failed) = (whole_seconds(delay), millis(retain.done), millis(retain.failed));
    call.arg(format!("{verdict} {delay} {done} {failed} {}", settlement.follow_ups.len()))
        .arg(json(&settlement.record)?)
        .arg(output.unwrap_or_default());
    for follow_up in &settlement.follow_ups {
        let block = channels.iter().position(|channel| **channel == follow_up.channel);
        call.arg(block.map_or(1, |at| at + 1));
        add_job(call, &follow_up.job)?;
    }
    Ok(())
}

pub(super) fn json<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(StoreError::invalid)
}

/// Milliseconds, cut to what a script can count with.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).min(MAX_DELAY * 1000)
}

/// Whole seconds, rounded up.
fn whole_seconds(delay: Duration) -> u64 {
    let up = u64::from(delay.subsec_nanos() > 0);
    delay.as_secs().saturating_add(up).min(MAX_DELAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_whole_seconds_rounded_up_and_bounded() {
        assert_eq!(whole_seconds(Duration::ZERO), 0);
        assert_eq!(whole_seconds(Duration::from_millis(1)), 1);
        assert_eq!(whole_seconds(Duration::from_secs(2)), 2);
        assert_eq!(whole_seconds(Duration::MAX), MAX_DELAY);
    }

    #[test]
    fn a_token_that_would_break_a_record_is_refused() {
        assert!(check_token(&Token::random()).is_ok());
        for bad in ["", "a b", "a\n", "é"] {
            let refusal = check_token(&Token::from_stored(bad)).unwrap_err();
            assert!(refusal.to_string().contains("is not a token"), "{refusal}");
        }
    }
}
