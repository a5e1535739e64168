//! Brings settlements to the store: as many in one call as have finished, and
//! again until the store has answered. It decides nothing.

use std::sync::Arc;
use std::time::Duration;

use jobhost_queue::{Settled, Settlement, Store, StoreError, Token, Verdict};
use tokio::sync::{mpsc, oneshot};

use super::outage::{Duty, Outage};

/// The most settlements in one call.
const BATCH: usize = 64;

/// And the most bytes of follow-ups and outputs in it, unless one job alone
/// has more: a store must not choke on many large ones that end together.
const BATCH_BYTES: usize = 16 << 20;

/// Where finished attempts go. Clones share it.
#[derive(Clone)]
pub(crate) struct Settler(mpsc::UnboundedSender<Finished>);

struct Finished {
    settlement: Settlement,
    answer: oneshot::Sender<Settled>,
}

impl Settler {
    /// Settles; returns when the store has answered, however long that takes.
    /// `None` when the worker ends before.
    pub(crate) async fn settle(&self, settlement: Settlement) -> Option<Settled> {
        let (answer, answered) = oneshot::channel();
        self.0.send(Finished { settlement, answer }).ok()?;
        answered.await.ok()
    }

    /// A settler and the task that serves it. The queue is as long as there
    /// are worker slots: a slot is free only after its settlement.
    pub(crate) fn new(store: Arc<dyn Store>, outage: Outage) -> (Self, impl Future<Output = ()>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), serve(store, outage, receiver))
    }
}

async fn serve(store: Arc<dyn Store>, outage: Outage, mut finished: mpsc::UnboundedReceiver<Finished>) {
    let mut batch = Vec::with_capacity(BATCH);
    while finished.recv_many(&mut batch, BATCH).await > 0 {
        while !batch.is_empty() {
            let channel = batch[0].settlement.lease.channel.clone();
            let (same, others) = batch.drain(..).partition(|one| one.settlement.lease.channel == channel);
            batch = others;
            for part in parts(same) {
                settle_batch(&*store, &outage, part).await;
            }
        }
    }
}

/// The batch in its order, cut into as few parts as [`BATCH_BYTES`] allows.
fn parts(batch: Vec<Finished>) -> Vec<Vec<Finished>> {
    let mut parts: Vec<Vec<Finished>> = Vec::new();
    let mut bytes = 0_usize;
    for finished in batch {
        let more = weight(&finished.settlement);
        bytes = bytes.saturating_add(more);
        match parts.last_mut() {
            Some(part) if bytes <= BATCH_BYTES => part.push(finished),
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

/// Settles jobs of one channel. An error that is not the weather's is that of
/// one job among them: they are then settled one by one.
async fn settle_batch(store: &dyn Store, outage: &Outage, batch: Vec<Finished>) {
    let (settlements, answers): (Vec<_>, Vec<_>) = batch.into_iter().map(|one| (one.settlement, one.answer)).unzip();
    match until_answered(store, outage, &settlements).await {
        Ok(settled) => {
            for (answer, settled) in answers.into_iter().zip(settled) {
                let _ = answer.send(settled);
            }
        }
        Err(error) if settlements.len() == 1 => {
            tracing::error!(job.id = %settlements[0].lease.id, channel = %settlements[0].lease.channel, %error,
                "the job cannot be settled; it will run again when its lease has expired");
            let _ = answers.into_iter().next().map(|answer| answer.send(Settled::Lost));
        }
        Err(_) => {
            for (settlement, answer) in settlements.into_iter().zip(answers) {
                Box::pin(settle_batch(store, outage, vec![Finished { settlement, answer }])).await;
            }
        }
    }
}

async fn until_answered(
    store: &dyn Store,
    outage: &Outage,
    settlements: &[Settlement],
) -> Result<Vec<Settled>, StoreError> {
    // One token for all tries: a reply that was lost is not a second settlement.
    let token = Token::random();
    let mut tries = 0;
    loop {
        match store.settle(token.clone(), settlements).await {
            Err(error) if error.is_transient() => {
                outage.begins(Duty::Settle, &error);
                tries += 1;
                tokio::time::sleep(outage.pause(tries)).await;
            }
            answer => {
                outage.is_over(Duty::Settle);
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
        Finished { settlement, answer: oneshot::channel().0 }
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
