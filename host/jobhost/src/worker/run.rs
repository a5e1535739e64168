//! The worker's loop: free slots, jobs to fill them, and the way out. One
//! attempt is `execute.rs`; `run` and `listen` differ in one word, [`Until`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use jobhost_queue::store::SWEEP_EVERY;
use jobhost_queue::{Reserved, Settled, Settlement, Store, StoreError, Verdict};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep_until, timeout};

use super::events::{Event, Events, Subject};
use super::execute::{Attempt, AttemptScope};
use super::lease::{Holding, Leases, bring_one, keep_leases};
use super::outage::Outage;
use super::settle::{LAST_SETTLEMENTS, Settler};
use super::take::{Source, Suspects};
use crate::push::Pusher;
use crate::registry::Registry;

/// When a worker stops by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// When nothing waits and nothing runs here. Delayed jobs and those of
    /// other workers are not waited for.
    Empty,
    /// Never: it is told to.
    Told,
}

/// What a worker is.
pub struct Worker {
    /// Where the jobs are.
    pub store: Arc<dyn Store>,
    /// What handles them.
    pub registry: Arc<ArcSwap<Registry>>,
    /// How follow-up jobs are prepared.
    pub pusher: Arc<Pusher>,
    /// Who listens.
    pub events: Events,
    /// The queues to serve, by their configured names.
    pub queues: Vec<String>,
    /// Jobs at once, at least 1.
    pub concurrency: u32,
    /// How long running jobs may go on after the worker was told to stop.
    pub grace: Duration,
    /// `host:pid`, for people to read.
    pub identity: String,
}

/// What the tasks of one run share.
struct Shared {
    store: Arc<dyn Store>,
    registry: Arc<ArcSwap<Registry>>,
    pusher: Arc<Pusher>,
    events: Events,
    identity: String,
    leases: Leases,
    settler: Settler,
    suspects: Suspects,
    /// Rung when a job may wait, or one has ended.
    bell: Arc<Notify>,
}

impl Worker {
    /// Takes and runs jobs until `until`, or until `stop` turns true: then it
    /// takes no more, gives the running ones their grace, and hands the rest
    /// back. Returns when all are settled.
    ///
    /// An error is that of a queue whose data cannot be used; `Until::Told`
    /// logs it and goes on with the other queues.
    pub async fn run(self, until: Until, stop: watch::Receiver<bool>) -> Result<(), StoreError> {
        let began = Instant::now();
        let outage = Outage::new(self.events.clone());
        let (settler, settling) = Settler::new(Arc::clone(&self.store), outage.clone());
        let shared = Arc::new(Shared {
            store: self.store,
            registry: self.registry,
            pusher: self.pusher,
            events: self.events,
            identity: self.identity,
            leases: Leases::default(),
            settler,
            suspects: Suspects::default(),
            bell: Arc::default(),
        });
        let mut sources = sources(&shared, &self.queues);
        let mut duties = JoinSet::new();
        let (tell_stopping, stopping) = watch::channel(false);
        duties.spawn(settling);
        duties.spawn(keep_leases(shared.leases.clone(), Arc::clone(&shared.store), outage.clone(), stopping));
        for source in &sources {
            duties.spawn(sweep(Arc::clone(&shared), source.name.clone(), source.channel().clone()));
            duties.spawn(source.watch(Arc::clone(&shared.store), Arc::clone(&shared.bell), outage.clone()));
        }
        shared.events.tell(&Event::WorkerStarted);

        let mut attempts = JoinSet::new();
        let taken = take_jobs(&shared, &mut sources, &outage, (self.concurrency, until, &stop), &mut attempts).await;
        if *stop.borrow() || taken.is_err() {
            let _ = tell_stopping.send(true);
            shared.events.tell(&Event::WorkerStopping { grace: self.grace });
            drain(&shared, &mut attempts, self.grace).await;
        }
        duties.shutdown().await;
        shared.events.tell(&Event::WorkerStopped { elapsed: began.elapsed() });
        taken
    }
}

fn sources(shared: &Shared, queues: &[String]) -> Vec<Source> {
    let registry = shared.registry.load();
    queues
        .iter()
        .filter_map(|name| registry.queue(name))
        .map(|queue| Source::new(queue, shared.suspects.clone()))
        .collect()
}

/// Fills free slots until there is nothing more to do, or `stop`. A reserve
/// that is under way is never given up: its jobs would be nobody's.
async fn take_jobs(
    shared: &Arc<Shared>,
    sources: &mut [Source],
    outage: &Outage,
    (concurrency, until, stop): (u32, Until, &watch::Receiver<bool>),
    attempts: &mut JoinSet<()>,
) -> Result<(), StoreError> {
    let slots = Arc::new(Semaphore::new(concurrency as usize));
    let mut stopped = stop.clone();
    loop {
        let slot = tokio::select! {
            biased;
            _ = stopped.wait_for(|stop| *stop) => return Ok(()),
            slot = Arc::clone(&slots).acquire_owned() => slot.ok(),
        };
        // What runs now may push more; what has ended has already done so.
        let running = slots.available_permits() + 1 < concurrency as usize;
        while attempts.try_join_next().is_some() {}
        sources.rotate_left(1.min(sources.len()));
        let look = Look { shared, outage, slots: &slots, until, stop };
        let taken = look_at_all(look, sources, slot, attempts).await?;
        if taken == 0 {
            if until == Until::Empty && !running {
                return Ok(());
            }
            tokio::select! {
                _ = stopped.wait_for(|stop| *stop) => return Ok(()),
                () = wait_for_work(shared, sources, until) => {}
            }
        }
    }
}

/// One look at each queue that is worth it; returns how many jobs were taken.
async fn look_at_all(
    look: Look<'_>,
    sources: &mut [Source],
    mut in_hand: Option<OwnedSemaphorePermit>,
    attempts: &mut JoinSet<()>,
) -> Result<usize, StoreError> {
    let mut taken = 0;
    let count = sources.len();
    for (index, source) in sources.iter_mut().enumerate() {
        if *look.stop.borrow() {
            break;
        }
        if !source.is_ready() && look.until == Until::Told {
            continue;
        }
        let mut slots = claim(&mut in_hand, look.slots, share(look.slots.available_permits(), count - index));
        if slots.is_empty() {
            source.look_again();
            break;
        }
        let limit = u32::try_from(slots.len()).unwrap_or(1);
        let shared = look.shared;
        let jobs = match source.take(&*shared.store, look.outage, &shared.identity, (limit, look.stop)).await {
            Ok(jobs) => jobs,
            Err(error) if look.until == Until::Empty => return Err(error),
            Err(error) => {
                if source.is_news(&error) {
                    tracing::error!(queue = source.name, %error, "no jobs can be taken from this queue");
                }
                Vec::new()
            }
        };
        taken += jobs.len();
        for reserved in jobs {
            if let Some(slot) = slots.pop() {
                let slot = TakenSlot::new(Arc::clone(shared), &reserved, slot);
                attempts.spawn(attempt(slot, source.name.clone(), reserved));
            }
        }
        in_hand = slots.pop();
    }
    Ok(taken)
}

/// What a look needs.
#[derive(Clone, Copy)]
struct Look<'a> {
    shared: &'a Arc<Shared>,
    outage: &'a Outage,
    slots: &'a Arc<Semaphore>,
    until: Until,
    stop: &'a watch::Receiver<bool>,
}

/// A queue's share of the free slots, so that a long one leaves some to the others.
fn share(available: usize, queues_left: usize) -> usize {
    available.div_ceil(queues_left.max(1))
}

/// The slot in hand and up to `more` others.
fn claim(in_hand: &mut Option<OwnedSemaphorePermit>, slots: &Arc<Semaphore>, more: usize) -> Vec<OwnedSemaphorePermit> {
    let mut permits: Vec<_> = in_hand.take().into_iter().collect();
    while permits.len() <= more.min(999) {
        match Arc::clone(slots).try_acquire_owned() {
            Ok(permit) => permits.push(permit),
            Err(_) => break,
        }
    }
    permits
}

/// Until a bell rings or a delayed job is due.
async fn wait_for_work(shared: &Shared, sources: &[Source], until: Until) {
    if until == Until::Told && sources.iter().any(Source::is_ready) {
        return;
    }
    let due = sources.iter().filter_map(Source::due).min().filter(|_| until == Until::Told);
    tokio::select! {
        () = shared.bell.notified() => {}
        () = sleep_until(due.unwrap_or_else(Instant::now).into()), if due.is_some() => {}
    }
}

/// A slot with the job that was taken into it: the lease is kept and the slot
/// is not free until this is dropped, by a panic too.
struct TakenSlot {
    shared: Arc<Shared>,
    holding: Arc<Holding>,
    slot: Option<OwnedSemaphorePermit>,
}

impl TakenSlot {
    fn new(shared: Arc<Shared>, reserved: &Reserved, slot: OwnedSemaphorePermit) -> Self {
        let holding = shared.leases.keep(&reserved.lease);
        Self { shared, holding, slot: Some(slot) }
    }
}

impl Drop for TakenSlot {
    fn drop(&mut self) {
        self.shared.leases.forget(&self.holding.lease);
        self.shared.suspects.forget(&self.holding.lease);
        drop(self.slot.take());
        // Last: who hears it looks for a free slot.
        self.shared.bell.notify_one();
    }
}

/// One job in its slot, from here to its settlement.
async fn attempt(taken: TakenSlot, queue: String, reserved: Reserved) {
    let (shared, holding) = (&taken.shared, &taken.holding);
    let registry = shared.registry.load_full();
    let Some(queue) = registry.queue(&queue).cloned() else { return };
    let scope = AttemptScope {
        pusher: Arc::clone(&shared.pusher),
        store: Arc::clone(&shared.store),
        holding: Arc::clone(holding),
    };
    let mut attempt = Attempt::new(scope, registry, queue, reserved, &shared.identity);
    let settlement = attempt.execute(|subject| shared.events.tell(&Event::Started(subject))).await;
    if let Some(progress) = holding.take_progress() {
        bring_one(&*shared.store, holding, progress).await;
    }
    settle(shared, &mut attempt, settlement).await;
}

/// Settles, and again as failed where the store refuses a follow-up.
async fn settle(shared: &Shared, attempt: &mut Attempt, mut settlement: Settlement) {
    let mut refusals = 0;
    loop {
        match shared.settler.settle(settlement.clone()).await {
            None => return,
            Some(Settled::Yes(_)) => {
                let event = event_of(attempt.subject(), settlement, attempt.reason());
                return shared.events.tell(&event);
            }
            Some(Settled::Lost) => return shared.events.tell(&Event::Lost(attempt.subject())),
            Some(Settled::Refused(why)) => {
                refusals += 1;
                settlement = attempt.refused(why).await;
                if refusals > 1 {
                    // The follow-ups of the hooks that heard of it are no better.
                    settlement.follow_ups.clear();
                }
            }
        }
    }
}

fn event_of(job: Subject, settlement: Settlement, reason: &str) -> Event {
    let record = Box::new(settlement.record);
    match settlement.verdict {
        Verdict::Done { output } => Event::Done { job, record, output: output.unwrap_or_default() },
        Verdict::Retry { delay } => Event::Failed { job, record, retry_after: Some(delay) },
        Verdict::Failed => Event::Failed { job, record, retry_after: None },
        Verdict::Postponed { delay } => Event::Postponed { job, delay, reason: reason.to_owned() },
        Verdict::HandedBack => Event::HandedBack(job),
    }
}

/// Returns jobs of dead workers and drops what is past its time, every few
/// seconds, for as long as the worker runs.
async fn sweep(shared: Arc<Shared>, queue: String, channel: jobhost_queue::Channel) {
    let mut ticks = interval(SWEEP_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        loop {
            match shared.store.sweep(&channel).await {
                Ok(report) => {
                    if !report.reclaimed.is_empty() {
                        let event = Event::Reclaimed { queue: queue.clone(), ids: report.reclaimed };
                        shared.events.tell(&event);
                    }
                    if !report.more {
                        break;
                    }
                }
                Err(error) => {
                    tracing::debug!(queue, %error, "the queue was not swept");
                    break;
                }
            }
        }
    }
}

/// Lets running attempts end within the grace, then has the rest handed back.
async fn drain(shared: &Shared, attempts: &mut JoinSet<()>, grace: Duration) {
    shared.leases.grace_ends_in(grace);
    let ended = timeout(grace, async { while attempts.join_next().await.is_some() {} }).await;
    if ended.is_ok() {
        return;
    }
    shared.leases.cancel_all();
    let settled = timeout(LAST_SETTLEMENTS, async { while attempts.join_next().await.is_some() {} }).await;
    if settled.is_err() {
        tracing::warn!(
            jobs = shared.leases.len(),
            "the store did not answer while the worker stopped; it gives these jobs to others when their leases have expired"
        );
    }
}

#[cfg(test)]
mod tests;
