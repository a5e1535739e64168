//! Brings settlements to the store: as many in one call as have finished, and
//! again until the store has answered. It decides nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jobhost_queue::{Channel, Settled, Settlement, Store, StoreError, Token, Verdict};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::outage::{Outage, Purpose};
use super::unusable::Unusable;

/// The most settlements in one call.
const BATCH: usize = 64;

/// And the most bytes in it, unless one job alone has more: a batch has to be
/// with the store, and answered, within a time, also on a slow link.
const BATCH_BYTES: usize = 4 << 20;

/// When a settlement that the store cannot take is tried again.
const STUCK_PAUSE: Duration = Duration::from_secs(5);

/// Where finished attempts go. Clones share it.
#[derive(Clone)]
pub(crate) struct Settler(mpsc::UnboundedSender<Finished>);

struct Finished {
    settlement: Settlement,
    rest: Rest,
}

/// What a settlement has with it on its way.
struct Rest {
    /// Takes the settlement back, too.
    answer: oneshot::Sender<(Settlement, Settled)>,
    /// Of the call that it was settled in alone: a later one is the same call.
    token: Option<Token>,
    /// Why the store could not take it.
    stuck: Option<String>,
    /// Who is told, once, when it cannot and its queue is out of use.
    held_up: Option<oneshot::Sender<()>>,
}

impl Settler {
    /// Settles; returns what was settled when the store has answered, however
    /// long that takes. `None` when the worker ends before. Calls `held_up` if the store does
    /// not take the settlement, when nothing more is taken from its queue.
    pub(crate) async fn settle(&self, settlement: Settlement, held_up: impl FnOnce()) -> Option<(Settlement, Settled)> {
        let (answer, mut answered) = oneshot::channel();
        let (tell, told) = oneshot::channel();
        let rest = Rest { answer, token: None, stuck: None, held_up: Some(tell) };
        self.0.send(Finished { settlement, rest }).ok()?;
        tokio::select! {
            biased;
            settled = &mut answered => return settled.ok(),
            Ok(()) = told => held_up(),
        }
        answered.await.ok()
    }

    /// A settler and the task that serves it. The queue is bounded
    /// by the worker's slots: a job is in one until it is settled or held up,
    /// and while one is held up no other is taken from its queue.
    pub(crate) fn new(store: Arc<dyn Store>, outage: Outage, unusable: Unusable) -> (Self, impl Future<Output = ()>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), serve(store, outage, unusable, receiver))
    }
}

async fn serve(
    store: Arc<dyn Store>,
    outage: Outage,
    unusable: Unusable,
    mut finished: mpsc::UnboundedReceiver<Finished>,
) {
    let mut batch = Vec::with_capacity(BATCH);
    let mut stuck = Vec::new();
    let mut again = Instant::now();
    loop {
        tokio::select! {
            received = finished.recv_many(&mut batch, BATCH) => if received == 0 { return },
            () = sleep_until(again), if !stuck.is_empty() => batch.append(&mut stuck),
        }
        if stuck.is_empty() {
            again = Instant::now() + STUCK_PAUSE;
        }
        while !batch.is_empty() {
            let channel = batch[0].settlement.lease.channel.clone();
            let (same, others) = batch.drain(..).partition(|one| one.settlement.lease.channel == channel);
            batch = others;
            for part in parts(same) {
                stuck.extend(settle_batch(&*store, &outage, part).await);
            }
        }
        unusable.are(reasons(&stuck));
        // After that: a slot that is freed before would take another job of the queue.
        for tell in stuck.iter_mut().filter_map(|one| one.rest.held_up.take()) {
            let _ = tell.send(());
        }
    }
}

/// Which queues cannot be used because of these.
fn reasons(stuck: &[Finished]) -> HashMap<Channel, String> {
    let reason = |one: &Finished| {
        let why = one.rest.stuck.as_deref().unwrap_or_default();
        format!("the end of job {} cannot be stored: {why}", one.settlement.lease.id)
    };
    stuck.iter().map(|one| (one.settlement.lease.channel.clone(), reason(one))).collect()
}

/// The batch in its order, cut into as few parts as [`BATCH`] and
/// [`BATCH_BYTES`] allow.
fn parts(batch: Vec<Finished>) -> Vec<Vec<Finished>> {
    let mut parts: Vec<Vec<Finished>> = Vec::new();
    let mut bytes = 0_usize;
    for finished in batch {
        let more = weight(&finished.settlement);
        bytes = bytes.saturating_add(more);
        match parts.last_mut() {
            Some(part) if bytes <= BATCH_BYTES && part.len() < BATCH => part.push(finished),
            _ => {
                bytes = more;
                parts.push(vec![finished]);
            }
        }
    }
    parts
}

fn weight(settlement: &Settlement) -> usize {
    let output = match &settlement.verdict {
        Verdict::Done { output: Some(output) } => output.len(),
        _ => 0,
    };
    let cause = settlement.record.cause.iter().flat_map(|cause| {
        let texts = [Some(&cause.message), cause.backtrace.as_ref(), cause.stderr.as_ref(), cause.given_up.as_ref()];
        let details = cause.details.iter().flat_map(|(name, text)| [name, text]);
        texts.into_iter().flatten().chain(details).map(String::len)
    });
    let follow_ups = settlement.follow_ups.iter().map(|follow_up| follow_up.job.body.len());
    cause.chain(follow_ups).fold(output, usize::saturating_add)
}

/// Settles jobs of one channel; returns those that the store cannot take. An
/// error that is not the weather's is that of one job among them, or of the
/// queue: they are then settled one by one.
async fn settle_batch(store: &dyn Store, outage: &Outage, batch: Vec<Finished>) -> Vec<Finished> {
    let (settlements, mut rests): (Vec<_>, Vec<_>) = batch.into_iter().map(|one| (one.settlement, one.rest)).unzip();
    let token = match rests.as_mut_slice() {
        [alone] => alone.token.get_or_insert_with(Token::random).clone(),
        _ => Token::random(),
    };
    let answer = until_answered(store, outage, token, &settlements).await;
    let batch = settlements.into_iter().zip(rests);
    let mut stuck = Vec::new();
    match answer {
        Ok(settled) => {
            for ((settlement, rest), settled) in batch.zip(settled) {
                let _ = rest.answer.send((settlement, settled));
            }
        }
        Err(error) if batch.len() == 1 => {
            stuck.extend(batch.map(|(settlement, rest)| held_up(Finished { settlement, rest }, &error)));
        }
        Err(_) => {
            for (settlement, rest) in batch {
                stuck.extend(Box::pin(settle_batch(store, outage, vec![Finished { settlement, rest }])).await);
            }
        }
    }
    stuck
}

/// Tells, once, of a job whose end cannot be stored.
fn held_up(mut one: Finished, error: &StoreError) -> Finished {
    if one.rest.stuck.is_none() {
        let lease = &one.settlement.lease;
        tracing::error!(job.id = %lease.id, channel = %lease.channel, %error,
            "the job has run, but its end cannot be stored; mend what the error names: until then this worker keeps trying, every {} s, and takes no other from its queue",
            STUCK_PAUSE.as_secs());
    }
    one.rest.stuck = Some(error.to_string());
    one
}

/// One token for all tries: a reply that was lost is not a second settlement.
async fn until_answered(
    store: &dyn Store,
    outage: &Outage,
    token: Token,
    settlements: &[Settlement],
) -> Result<Vec<Settled>, StoreError> {
    let mut tries = 0;
    loop {
        match store.settle(token.clone(), settlements).await {
            Err(error) if error.is_transient() => {
                outage.begins(Purpose::Settle, &error);
                tries += 1;
                tokio::time::sleep(outage.pause(tries)).await;
            }
            answer => {
                outage.is_over(Purpose::Settle);
                return answer;
            }
        }
    }
}

/// How long a stopping worker waits for the last settlements, beyond the
/// grace, when the store is away.
pub(crate) const LAST_SETTLEMENTS: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use jobhost_queue::{AttemptRecord, Cause, Channel, FollowUp, JobId, Lease, NewJob, Retain};

    use super::*;

    fn finished(id: u64, bytes: usize) -> Finished {
        let channel = Channel::new("q").unwrap();
        let settlement = Settlement {
            lease: Lease { channel: channel.clone(), id: JobId(id), token: Token::random() },
            verdict: Verdict::Done { output: None },
            record: AttemptRecord::default(),
            follow_ups: vec![FollowUp { channel, job: NewJob::new(vec![b' '; bytes], 1) }],
            retain: Retain { done: Duration::ZERO, failed: Duration::ZERO, output: 0 },
        };
        let rest = Rest { answer: oneshot::channel().0, token: None, stuck: None, held_up: None };
        Finished { settlement, rest }
    }

    #[test]
    fn a_batch_is_cut_where_it_would_be_too_large_and_keeps_its_order() {
        let sizes = [1, BATCH_BYTES - 1, 1, BATCH_BYTES + 1, 1, 1];
        let batch = sizes.iter().zip(1..).map(|(bytes, id)| finished(id, *bytes)).collect();
        let ids = |part: Vec<Finished>| part.iter().map(|one| one.settlement.lease.id.0).collect();
        let cut: Vec<Vec<u64>> = parts(batch).into_iter().map(ids).collect();
        assert_eq!(cut, [vec![1, 2], vec![3], vec![4], vec![5, 6]]);
        assert!(parts(Vec::new()).is_empty());
    }

    #[test]
    fn what_a_failure_tells_counts_for_the_size_of_a_batch() {
        let text = || "x".repeat(BATCH_BYTES / 2);
        let causes = [
            Cause { stderr: Some(text()), ..Cause::default() },
            Cause { backtrace: Some(text()), ..Cause::default() },
            Cause { message: text(), ..Cause::default() },
            Cause { details: vec![(String::new(), text())], ..Cause::default() },
        ];
        let failed = causes.into_iter().map(|cause| {
            let mut one = finished(1, 1);
            one.settlement.record.cause = Some(cause);
            one
        });
        assert_eq!(parts(failed.collect()).len(), 4);
    }
}
