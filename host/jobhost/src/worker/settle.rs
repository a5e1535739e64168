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

/// And the most bytes of follow-ups and outputs in it, unless one job alone
/// has more: a store must not choke on many large ones that end together.
const BATCH_BYTES: usize = 16 << 20;

/// When a settlement that the store cannot take is tried again.
const STUCK_PAUSE: Duration = Duration::from_secs(5);

/// Where finished attempts go. Clones share it.
#[derive(Clone)]
pub(crate) struct Settler(mpsc::UnboundedSender<Finished>);

struct Finished {
    settlement: Settlement,
    answer: oneshot::Sender<Settled>,
    /// For when it is settled alone.
    token: Token,
    /// Why the store could not take it.
    stuck: Option<String>,
}

impl Settler {
    /// Settles; returns when the store has answered, however long that takes.
    /// `None` when the worker ends before.
    pub(crate) async fn settle(&self, settlement: Settlement) -> Option<Settled> {
        let (answer, answered) = oneshot::channel();
        self.0.send(Finished { settlement, answer, token: Token::random(), stuck: None }).ok()?;
        answered.await.ok()
    }

    /// A settler and the task that serves it. The queue is as long as there
    /// are worker slots: a slot is free only after its settlement.
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
    }
}

/// Which queues cannot be used because of these.
fn reasons(stuck: &[Finished]) -> HashMap<Channel, String> {
    let reason = |one: &Finished| {
        let Finished { settlement, stuck, .. } = one;
        let why = stuck.as_deref().unwrap_or_default();
        format!("the end of job {} cannot be stored: {why}", settlement.lease.id)
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
    settlement.follow_ups.iter().map(|follow_up| follow_up.job.body.len()).fold(output, usize::saturating_add)
}

/// Settles jobs of one channel; returns those that the store cannot take. An
/// error that is not the weather's is that of one job among them, or of the
/// queue: they are then settled one by one.
async fn settle_batch(store: &dyn Store, outage: &Outage, batch: Vec<Finished>) -> Vec<Finished> {
    let settlements: Vec<_> = batch.iter().map(|one| one.settlement.clone()).collect();
    let token = match batch.as_slice() {
        [alone] => alone.token.clone(),
        _ => Token::random(),
    };
    let mut stuck = Vec::new();
    match until_answered(store, outage, token, &settlements).await {
        Ok(settled) => {
            for (one, settled) in batch.into_iter().zip(settled) {
                let _ = one.answer.send(settled);
            }
        }
        Err(error) if batch.len() == 1 => stuck.extend(batch.into_iter().map(|one| held_up(one, &error))),
        Err(_) => {
            for one in batch {
                stuck.extend(Box::pin(settle_batch(store, outage, vec![one])).await);
            }
        }
    }
    stuck
}

/// Tells, once, of a job whose end cannot be stored.
fn held_up(one: Finished, error: &StoreError) -> Finished {
    if one.stuck.is_none() {
        let lease = &one.settlement.lease;
        tracing::error!(job.id = %lease.id, channel = %lease.channel, %error,
            "the job has run, but its end cannot be stored; mend what the error names: until then this worker keeps the job, tries again every {} s and takes no other from its queue",
            STUCK_PAUSE.as_secs());
    }
    Finished { stuck: Some(error.to_string()), ..one }
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
    use jobhost_queue::{AttemptRecord, Channel, FollowUp, JobId, Lease, NewJob, Retain};

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
        Finished { settlement, answer: oneshot::channel().0, token: Token::random(), stuck: None }
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
}
