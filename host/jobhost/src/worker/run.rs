//! The worker's loop: free slots, jobs to fill them, and the way out. One
//! attempt is `execute.rs`; `run` and `listen` differ in one word, [`Until`].

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use jobhost_queue::{Reserved, Settled, Settlement, Store, Verdict};
use jobhost_runtime::Engine;
use tokio::runtime::Handle;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::sleep_until;

use super::duties::Duties;
use super::error::WorkerError;
use super::events::{Event, Events, Subject};
use super::execute::{Attempt, AttemptScope};
use super::heartbeat::{Identity, Presence};
use super::lease::{Leases, bring_one, keep_leases};
use super::line_up::LineUp;
use super::outage::Outage;
use super::settle::Settler;
use super::slot::{TakenSlot, claim, share};
use super::stop::Stop;
use super::take::{Source, Suspects, Taken};
use super::tally::Tally;
use super::unusable::Unusable;
use crate::push::Pusher;
use crate::registry::{QueueInForce, Registry};

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
    /// What runs the plugins, on whose threads attempts run; none if there are no plugins.
    pub engine: Option<Engine>,
    /// The queues to serve.
    pub queues: Served,
    /// Jobs at once, at least 1.
    pub concurrency: u32,
    /// How long running jobs may go on after the worker was told to stop.
    pub grace: Duration,
    /// Who it is.
    pub identity: Identity,
    /// What its plugins did; it has to be among those who listen.
    pub tally: Arc<Tally>,
    /// What keeps the plugins in step with their files, if anything does. It never returns.
    pub swap: Option<BoxFuture>,
}

/// Something to do on the side.
pub type BoxFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The queues that a worker serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Served {
    /// All that are configured, also those that come to be while it works.
    All,
    /// Those of these names that are configured.
    Named(Vec<String>),
}

/// What the tasks of one run share.
pub(super) struct Shared {
    pub(super) store: Arc<dyn Store>,
    pub(super) registry: Arc<ArcSwap<Registry>>,
    pusher: Arc<Pusher>,
    pub(super) events: Events,
    identity: String,
    /// Where attempts run: with their guests, so that no call is handed from one thread to another and back.
    threads: Handle,
    pub(super) leases: Leases,
    settler: Settler,
    pub(super) suspects: Suspects,
    pub(super) tally: Arc<Tally>,
    /// Slots that have a job.
    pub(super) busy: AtomicU32,
    /// Rung when a job may wait, or one has ended.
    pub(super) bell: Arc<Notify>,
    /// Turns true when no more is to be taken.
    stop: watch::Receiver<bool>,
}

impl Shared {
    /// Whether no more is to be taken.
    pub(super) fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }
}

impl Worker {
    /// Takes and runs jobs until `until`, or until `stop` turns true: then it
    /// takes no more, gives the running ones their grace, and hands the rest
    /// back. Returns when all are settled.
    ///
    /// An error is that of a queue whose data cannot be used; `Until::Told`
    /// logs it and goes on with the other queues. Or it is a panic in what a
    /// worker does beside its jobs: then running jobs are ended and handed back
    /// as far as that is still possible.
    pub async fn run(self, until: Until, stop: watch::Receiver<bool>) -> Result<(), WorkerError> {
        let began = Instant::now();
        let presence = Presence::new(self.identity.clone(), self.concurrency, self.queues.clone());
        let outage = Outage::new(self.events.clone());
        let bell = Arc::<Notify>::default();
        let unusable = Unusable::new(Arc::clone(&bell));
        let (settler, settling) = Settler::new(Arc::clone(&self.store), outage.clone(), unusable.clone());
        let (tell_takers, told) = watch::channel(false);
        let shared = Arc::new(Shared {
            store: self.store,
            registry: self.registry,
            pusher: self.pusher,
            events: self.events,
            identity: self.identity.to_string(),
            threads: self.engine.as_ref().and_then(Engine::threads).unwrap_or_else(Handle::current),
            leases: Leases::default(),
            settler,
            suspects: Suspects::default(),
            tally: self.tally,
            busy: AtomicU32::new(0),
            bell,
            stop: told,
        });
        let (tell_stopping, stopping) = watch::channel(false);
        let mut duties = Duties::default();
        duties.begin("its settling of jobs", settling);
        let leases = keep_leases(shared.leases.clone(), Arc::clone(&shared.store), outage.clone(), stopping);
        duties.begin("its keeping of leases", leases);
        if let Some(swap) = self.swap {
            duties.begin("its replacing of plugins", swap);
        }
        duties.begin("its heartbeat", Arc::clone(&presence).announce(Arc::clone(&shared)));
        let mut line_up = LineUp::new(self.queues, unusable);
        line_up.follow(&shared, &outage, &mut duties);
        shared.events.tell(&Event::WorkerStarted);

        let mut attempts = JoinSet::new();
        let slots = Arc::new(Semaphore::new(self.concurrency as usize));
        let mut stopping = Stop::new(&shared, self.grace, tell_takers, tell_stopping);
        let taken = loop {
            let look = Look { shared: &shared, outage: &outage, slots: &slots, until };
            let taking = take_jobs(look, &mut line_up, &mut attempts);
            match stopping.take_until(taking, &mut duties, stop.clone()).await {
                Ok(Why::Reconfigured) if !stopping.has_begun() => line_up.follow(&shared, &outage, &mut duties),
                taken => break taken.map(|_| ()),
            }
        };
        if taken.is_err() && !stopping.has_begun() {
            stopping.begin();
        }
        if stopping.has_begun() {
            stopping.drain(&mut attempts, &mut duties).await;
        }
        let broken = stopping.broken.take().or_else(|| duties.broken_already());
        duties.end().await;
        if !outage.lasts() {
            presence.withdraw(&*shared.store).await;
        }
        shared.events.tell(&Event::WorkerStopped { elapsed: began.elapsed() });
        broken.map_or(taken, Err)
    }
}

/// Why no more jobs are taken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// There is nothing more to do, or it was told to stop.
    Over,
    /// Another registry is in force: the queues may be others.
    Reconfigured,
}

/// Fills free slots until there is nothing more to do, or `stop`.
async fn take_jobs(look: Look<'_>, line_up: &mut LineUp, attempts: &mut JoinSet<()>) -> Result<Why, WorkerError> {
    let mut stopped = look.shared.stop.clone();
    loop {
        let slot = tokio::select! {
            biased;
            _ = stopped.wait_for(|stop| *stop) => return Ok(Why::Over),
            slot = Arc::clone(look.slots).acquire_owned() => slot.ok(),
        };
        if line_up.is_outdated(look.shared) {
            return Ok(Why::Reconfigured);
        }
        let sources = &mut line_up.sources;
        if look.until == Until::Empty {
            all_usable(sources)?;
        }
        // What runs now may push more; what has ended has already done so. A job
        // whose end cannot be stored has left its slot, but not its lease.
        let running = look.shared.leases.len() > 0;
        while attempts.try_join_next().is_some() {}
        let first = 1.min(sources.len());
        sources.rotate_left(first);
        let taken = look_at_all(look, sources, slot, attempts).await?;
        if taken == 0 {
            if look.until == Until::Empty && !running {
                return Ok(Why::Over);
            }
            tokio::select! {
                _ = stopped.wait_for(|stop| *stop) => return Ok(Why::Over),
                () = wait_for_work(look.shared, sources, look.until) => {}
            }
        }
    }
}

/// An error if the end of a job of one of the queues cannot be stored.
fn all_usable(sources: &[Source]) -> Result<(), WorkerError> {
    let broken = sources.iter().find_map(|source| Some((source.name().to_owned(), source.unusable()?)));
    broken.map_or(Ok(()), |(queue, reason)| Err(WorkerError::Queue { queue, reason }))
}

/// One look at each queue that is worth it; returns how many jobs were taken.
async fn look_at_all(
    look: Look<'_>,
    sources: &mut [Source],
    mut in_hand: Option<OwnedSemaphorePermit>,
    attempts: &mut JoinSet<()>,
) -> Result<usize, WorkerError> {
    let mut taken = 0;
    let count = sources.len();
    for (index, source) in sources.iter_mut().enumerate() {
        if look.shared.is_stopping() {
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
        let Taken { jobs, reclaimed, asked_at } =
            match source.take(&*shared.store, look.outage, &shared.identity, (limit, &look.shared.stop)).await {
                Ok(taken) => taken,
                Err(error) if look.until == Until::Empty => return Err(error.into()),
                Err(error) => {
                    if source.is_news(&error) {
                        tracing::error!(queue = source.name(), %error, "no jobs can be taken from this queue");
                    }
                    Taken::default()
                }
            };
        if !reclaimed.is_empty() {
            shared.events.tell(&Event::Reclaimed { queue: source.name().to_owned(), ids: reclaimed });
        }
        taken += jobs.len();
        for reserved in jobs {
            if let Some(slot) = slots.pop() {
                let slot = TakenSlot::new(Arc::clone(shared), &reserved, asked_at, slot);
                attempts.spawn_on(attempt(slot, Arc::clone(&source.queue), reserved), &shared.threads);
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

/// One job in its slot, from here to its settlement.
async fn attempt(taken: TakenSlot, queue: Arc<QueueInForce>, reserved: Reserved) {
    let (shared, holding) = (&taken.shared, &taken.holding);
    let registry = shared.registry.load_full();
    // It may just have been taken out of the configuration.
    let queue = registry.queue(&queue.config.name).cloned().unwrap_or(queue);
    let scope = AttemptScope {
        pusher: Arc::clone(&shared.pusher),
        store: Arc::clone(&shared.store),
        holding: Arc::clone(holding),
        tally: Arc::clone(&shared.tally),
    };
    let mut attempt = Attempt::new(scope, registry, queue, reserved, &shared.identity);
    let settlement = attempt.execute(|subject| shared.events.tell(&Event::Started(subject))).await;
    // A worker that stops has no time for what the settlement tells better.
    if let Some(progress) = holding.take_progress()
        && !shared.is_stopping()
    {
        bring_one(&*shared.store, holding, progress).await;
    }
    settle(&taken, &mut attempt, settlement).await;
}

/// Settles. A job that is done but whose follow-ups the store refuses has
/// failed, which is settled anew. Of one that had failed before only the
/// follow-ups are given up: its cause is worth more than they are.
async fn settle(taken: &TakenSlot, attempt: &mut Attempt, mut settlement: Settlement) {
    let shared = &taken.shared;
    loop {
        let Some((came_back, settled)) = shared.settler.settle(settlement, || taken.leave()).await else {
            return;
        };
        settlement = came_back;
        match settled {
            Settled::Yes(_) => {
                attempt.tried.count(&settlement.verdict);
                let event = event_of(attempt.subject(), settlement, attempt.reason());
                return shared.events.tell(&event);
            }
            Settled::Lost => return shared.events.tell(&Event::Lost(attempt.subject())),
            Settled::Refused(why) if matches!(settlement.verdict, Verdict::Done { .. }) => {
                settlement = attempt.refused(why).await;
            }
            Settled::Refused(why) if settlement.follow_ups.is_empty() => {
                tracing::error!(job.id = %settlement.lease.id, reason = why, "the store refused follow-ups where there are none");
                return;
            }
            Settled::Refused(why) => {
                let (id, lost) = (settlement.lease.id, settlement.follow_ups.len());
                tracing::error!(job.id = %id, reason = why, lost, "follow-up jobs of a failed job cannot be stored and are dropped");
                settlement.follow_ups.clear();
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

#[cfg(test)]
mod tests;
