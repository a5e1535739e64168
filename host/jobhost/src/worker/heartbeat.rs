//! Keeps the registry of workers told of this one, for people to look at. Nothing depends on it: what the store does not
//! take is left out, and no job waits for it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use jobhost_queue::workers::{HEARTBEAT_EVERY, IDLE_HEARTBEAT_EVERY, WorkerRecord};
use jobhost_queue::{Store, Token};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::decide::millis;
use super::run::{Served, Shared};

/// How long the end of a worker waits until the registry has heard of it.
const WITHDRAWN_WITHIN: Duration = Duration::from_secs(1);

/// Who a worker is, for people to read: `host:pid`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The machine's name.
    pub host: String,
    /// The process.
    pub pid: u32,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.pid)
    }
}

/// A worker's place in the registry.
pub(super) struct Presence {
    /// Names it among those of the same machine and process, dead ones and containers.
    id: Token,
    identity: Identity,
    slots: u32,
    served: Served,
    began: Instant,
    announced: AtomicBool,
}

impl Presence {
    /// It begins to work now.
    pub(super) fn new(identity: Identity, slots: u32, served: Served) -> Arc<Self> {
        let (id, announced) = (Token::random(), AtomicBool::new(false));
        Arc::new(Self { id, identity, slots, served, began: Instant::now(), announced })
    }

    /// Announces it until it is dropped: at once, then every few seconds, and more seldom while there is no news.
    pub(super) async fn announce(self: Arc<Self>, shared: Arc<Shared>) {
        let mut ticks = interval(HEARTBEAT_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut said = None;
        let mut complaint = String::new();
        loop {
            let at = ticks.tick().await;
            let record = self.record(&shared);
            let news = record.clone().without_ages();
            if said.as_ref().is_some_and(|(before, since)| *before == news && at - *since < IDLE_HEARTBEAT_EVERY) {
                continue;
            }
            self.announced.store(true, Ordering::Relaxed);
            match shared.store.announce(&record).await {
                Ok(()) => {
                    said = Some((news, at));
                    complaint.clear();
                }
                // Whoever needs the store tells of that.
                Err(error) if error.is_transient() => tracing::debug!(%error, "the heartbeat was not taken"),
                Err(error) => {
                    let told = error.to_string();
                    if told != complaint {
                        tracing::warn!(%error, "`jobhost workers` does not show this worker");
                        complaint = told;
                    }
                }
            }
        }
    }

    /// Takes it out of the registry, unless it never was in it.
    pub(super) async fn withdraw(&self, store: &dyn Store) {
        if !self.announced.load(Ordering::Relaxed) {
            return;
        }
        match timeout(WITHDRAWN_WITHIN, store.withdraw(self.id.as_str())).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the worker is still in the registry"),
            Err(_) => tracing::debug!("the worker may still be in the registry"),
        }
    }

    fn record(&self, shared: &Shared) -> WorkerRecord {
        let registry = shared.registry.load();
        let queues = registry.queues().into_iter().map(|queue| queue.config.name.clone());
        let now = Instant::now();
        let record = WorkerRecord {
            id: self.id.as_str().to_owned(),
            host: self.identity.host.clone(),
            pid: self.identity.pid,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            age_ms: millis(now.duration_since(self.began)),
            stopping: shared.is_stopping(),
            slots: self.slots,
            busy: shared.busy.load(Ordering::Relaxed),
            queues: queues.filter(|queue| self.served.includes(queue)).collect(),
            plugins: shared.tally.report(now),
            ..WorkerRecord::default()
        };
        record.bounded()
    }
}
