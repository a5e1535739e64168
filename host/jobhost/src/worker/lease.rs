//! Keeps the leases of running attempts: extends them, ends attempts whose
//! lease is lost, and brings their progress to the store. It settles nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jobhost_queue::store::EXTEND_EVERY;
use jobhost_queue::{Channel, Held, Lease, Progress, Store};
use jobhost_runtime::Interrupt;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::outage::{Outage, Purpose};

/// Without a successful extension for this long, by a clock that runs through
/// suspend, another worker may soon have the job: the attempt ends here first.
const DISTRUST_AFTER: Duration = Duration::from_secs(8);

/// How often progress goes to the store.
const PROGRESS_EVERY: Duration = Duration::from_millis(250);

/// The leases that this worker holds. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Leases(Arc<Mutex<HashMap<Lease, Arc<Holding>>>>);

/// One attempt, from its reservation to its settlement.
pub(crate) struct Holding {
    /// The proof.
    pub(crate) lease: Lease,
    /// Ends the attempt's guests.
    pub(crate) interrupt: Interrupt,
    progress: Mutex<Option<Progress>>,
    extended: Mutex<Duration>,
}

impl Holding {
    /// Keeps the latest word on progress for the next visit to the store.
    pub(crate) fn note_progress(&self, progress: Progress) {
        *lock(&self.progress) = Some(progress);
    }

    /// The word that is not stored yet.
    pub(crate) fn take_progress(&self) -> Option<Progress> {
        lock(&self.progress).take()
    }
}

impl Leases {
    /// Starts to keep a lease that was just given.
    pub(crate) fn keep(&self, lease: &Lease) -> Arc<Holding> {
        let holding = Arc::new(Holding {
            lease: lease.clone(),
            interrupt: Interrupt::default(),
            progress: Mutex::default(),
            extended: Mutex::new(boot_time()),
        });
        lock(&self.0).insert(lease.clone(), Arc::clone(&holding));
        holding
    }

    /// Ends keeping it: it is settled, or lost.
    pub(crate) fn forget(&self, lease: &Lease) {
        lock(&self.0).remove(lease);
    }

    /// How many attempts hold one.
    pub(crate) fn len(&self) -> usize {
        lock(&self.0).len()
    }

    /// Shrinks what running guests are told of the time they have left.
    pub(crate) fn grace_ends_in(&self, grace: Duration) {
        self.all().iter().for_each(|holding| holding.interrupt.grace_ends_in(grace));
    }

    /// Ends every running guest.
    pub(crate) fn cancel_all(&self) {
        self.all().iter().for_each(|holding| holding.interrupt.cancel());
    }

    fn all(&self) -> Vec<Arc<Holding>> {
        lock(&self.0).values().cloned().collect()
    }

    fn by_channel(&self) -> HashMap<Channel, Vec<Arc<Holding>>> {
        let mut channels: HashMap<Channel, Vec<Arc<Holding>>> = HashMap::new();
        for holding in self.all() {
            channels.entry(holding.lease.channel.clone()).or_default().push(holding);
        }
        channels
    }

    /// Tells the store once that the leases are held. An error that is not the
    /// weather's is told where it is not in `told` already.
    async fn extend(&self, store: &dyn Store, outage: &Outage, stopping: bool, told: &mut HashMap<Channel, String>) {
        let channels = self.by_channel();
        if channels.is_empty() {
            outage.is_over(Purpose::Extend);
        }
        for (channel, holdings) in channels {
            for chunk in holdings.chunks(1000) {
                let leases: Vec<Lease> = chunk.iter().map(|holding| holding.lease.clone()).collect();
                let asked_at = boot_time();
                match store.extend(&leases, stopping).await {
                    Ok(answers) => {
                        outage.is_over(Purpose::Extend);
                        told.remove(&channel);
                        for (holding, held) in chunk.iter().zip(answers) {
                            match held {
                                Held::Yes => *lock(&holding.extended) = asked_at,
                                Held::Lost => holding.interrupt.cancel(),
                            }
                        }
                    }
                    // With long jobs in all slots nobody else talks to the store.
                    Err(error) if error.is_transient() => outage.begins(Purpose::Extend, &error),
                    Err(error) => {
                        let news = Some(error.to_string());
                        if told.insert(channel.clone(), error.to_string()) != news {
                            tracing::warn!(%channel, %error, "leases could not be extended");
                        }
                    }
                }
            }
        }
        self.distrust();
    }

    /// Ends attempts whose lease may have died unseen.
    fn distrust(&self) {
        let now = boot_time();
        for holding in self.all() {
            if now.saturating_sub(*lock(&holding.extended)) >= DISTRUST_AFTER {
                holding.interrupt.cancel();
            }
        }
    }

    async fn bring_progress(&self, store: &dyn Store) {
        for holding in self.all() {
            if let Some(progress) = holding.take_progress() {
                bring_one(store, &holding, progress).await;
            }
        }
    }
}

/// Stores one word of progress. One that cannot be stored is not worth a
/// retry: the next one, or the settlement, tells more.
pub(crate) async fn bring_one(store: &dyn Store, holding: &Holding, progress: Progress) {
    match store.progress(&holding.lease, &progress).await {
        Ok(Held::Yes) => {}
        Ok(Held::Lost) => holding.interrupt.cancel(),
        Err(error) => tracing::debug!(job.id = %holding.lease.id, %error, "progress was not stored"),
    }
}

/// Keeps the leases until it is dropped. `stopping` turns true when the worker
/// stops: the store hears of it at once.
pub(crate) async fn keep_leases(
    leases: Leases,
    store: Arc<dyn Store>,
    outage: Outage,
    mut stopping: watch::Receiver<bool>,
) {
    let extending = async {
        let mut ticks = interval(EXTEND_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut told = *stopping.borrow_and_update();
        let mut complaints = HashMap::new();
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                changed = stopping.changed(), if !told => told = changed.is_err() || *stopping.borrow(),
            }
            // A call that hangs must not keep the distrust from coming.
            let _ = tokio::time::timeout(EXTEND_EVERY, leases.extend(&*store, &outage, told, &mut complaints)).await;
            leases.distrust();
        }
    };
    let progressing = async {
        let mut ticks = interval(PROGRESS_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            leases.bring_progress(&*store).await;
        }
    };
    tokio::join!(extending, progressing);
}

/// Time since the machine started, suspend included.
fn boot_time() -> Duration {
    nix::time::clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
