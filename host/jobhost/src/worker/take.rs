//! Takes jobs from the queues, as many as there are free slots, and says when
//! there are none. What becomes of them is not known here.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jobhost_queue::{Channel, JobId, Lease, Reservation, ReserveOptions, Reserved, Store, StoreError, Token, Wake};
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use super::chance;
use super::lease::boot_time;
use super::outage::{Outage, Purpose};
use super::unusable::Unusable;
use crate::registry::QueueInForce;

/// How long one wait for a new job lasts at most; then the queue is looked at.
/// A wait does not end for a job that was stored with a delay, whoever did so;
/// delays being whole seconds, a look a second learns of each before it is due.
const WAIT_AT_MOST: Duration = Duration::from_secs(1);

/// How often a look that found nothing although jobs wait is repeated at once:
/// others have their turn even if the store counts wrongly.
const EMPTY_LOOKS: u32 = 10;

/// When a queue whose data cannot be used is looked at again.
const BROKEN_PAUSE: Duration = Duration::from_secs(10);

/// A queue as the worker's loop sees it.
pub(crate) struct Source {
    /// As it was configured when this was made.
    pub(crate) queue: Arc<QueueInForce>,
    channel: Channel,
    ready: Arc<AtomicBool>,
    wanted: Arc<Notify>,
    /// Whether the last look found nothing to take.
    fruitless: Arc<AtomicBool>,
    due: Option<Instant>,
    suspects: Suspects,
    unusable: Unusable,
    /// What is wrong with it, as it was told.
    broken: Option<String>,
}

/// What one look at a queue came to.
#[derive(Default)]
pub(crate) struct Taken {
    /// The jobs taken.
    pub(crate) jobs: Vec<Reserved>,
    /// Jobs of dead workers that it put back, of which some may be among them.
    pub(crate) reclaimed: Vec<JobId>,
    /// When the call began that took them, by [`boot_time`].
    pub(crate) asked_at: Duration,
}

/// The jobs with a crash behind them that run here: at most one at a time.
#[derive(Clone, Default)]
pub(crate) struct Suspects(Arc<Mutex<HashSet<Lease>>>);

impl Suspects {
    /// It is settled, or lost.
    pub(crate) fn forget(&self, lease: &Lease) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(lease)
    }

    fn add(&self, lease: &Lease) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(lease.clone());
    }

    fn none(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}

impl Source {
    /// A queue that is looked at first of all.
    pub(crate) fn new(queue: &Arc<QueueInForce>, suspects: Suspects, unusable: Unusable) -> Self {
        Self {
            queue: Arc::clone(queue),
            channel: queue.config.channel.clone(),
            ready: Arc::new(AtomicBool::new(true)),
            wanted: Arc::default(),
            fruitless: Arc::default(),
            due: None,
            suspects,
            unusable,
            broken: None,
        }
    }

    /// The queue's configured name.
    pub(crate) fn name(&self) -> &str {
        &self.queue.config.name
    }

    /// The queue's channel.
    pub(crate) fn channel(&self) -> &Channel {
        &self.channel
    }

    /// Why nothing is to be taken from it, if a job of it cannot be settled.
    pub(crate) fn unusable(&self) -> Option<String> {
        self.unusable.why(&self.channel)
    }

    /// Whether it is worth a look now.
    pub(crate) fn is_ready(&self) -> bool {
        let wanted = self.ready.load(Ordering::Acquire) || self.due.is_some_and(|due| due <= Instant::now());
        wanted && self.unusable().is_none()
    }

    /// Looks at it again, whatever it said before.
    pub(crate) fn look_again(&self) {
        self.ready.store(true, Ordering::Release);
    }

    /// When a delayed job is due, if one is known and may be taken.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due.filter(|_| self.unusable().is_none())
    }

    /// Takes up to `limit` jobs. Waits out an outage of the store unless `stop`
    /// is true, with one token for all tries, so that a reply that was lost
    /// takes nothing twice. An error is that of this queue alone; it is looked
    /// at again after [`BROKEN_PAUSE`].
    pub(crate) async fn take(
        &mut self,
        store: &dyn Store,
        outage: &Outage,
        worker: &str,
        (limit, stop): (u32, &watch::Receiver<bool>),
    ) -> Result<Taken, StoreError> {
        let options = ReserveOptions { limit, suspects: self.suspects.none(), worker: worker.to_owned() };
        let mut token = Token::random();
        // Cleared before the look: a push during it sets it again.
        self.ready.store(false, Ordering::Release);
        let (mut tries, mut empty_looks) = (0, 0);
        let mut reclaimed = Vec::new();
        loop {
            let asked_at = boot_time();
            match store.reserve(&self.channel, token.clone(), &options).await {
                Ok(mut reservation) => {
                    outage.is_over(Purpose::Take);
                    if !reservation.jobs.is_empty() {
                        // While jobs come nobody waits for them.
                        outage.is_over(Purpose::Wait);
                    }
                    self.broken = None;
                    reclaimed.append(&mut reservation.reclaimed);
                    // All that this look had time for were ids without a job, which it dropped.
                    let empty = reservation.jobs.is_empty() && reservation.waiting && options.suspects;
                    if empty && empty_looks < EMPTY_LOOKS && !*stop.borrow() {
                        empty_looks += 1;
                        token = Token::random();
                        continue;
                    }
                    self.note(&reservation, limit);
                    return Ok(Taken { jobs: reservation.jobs, reclaimed, asked_at });
                }
                Err(error) if !error.is_transient() => {
                    outage.is_over(Purpose::Take);
                    self.due = Some(Instant::now() + BROKEN_PAUSE);
                    return Err(error);
                }
                Err(_) if *stop.borrow() => return Ok(Taken { reclaimed, ..Taken::default() }),
                Err(error) => {
                    outage.begins(Purpose::Take, &error);
                    tries += 1;
                    let mut stopped = stop.clone();
                    let _ = timeout(outage.pause(tries), stopped.wait_for(|stop| *stop)).await;
                }
            }
        }
    }

    /// Whether this error is news, so that it is told once and not at every look.
    pub(crate) fn is_news(&mut self, error: &StoreError) -> bool {
        let error = Some(error.to_string());
        let news = self.broken != error;
        self.broken = error;
        news
    }

    fn note(&mut self, reservation: &Reservation, limit: u32) {
        for job in reservation.jobs.iter().filter(|job| job.crashes > 0) {
            self.suspects.add(&job.lease);
        }
        self.fruitless.store(reservation.jobs.is_empty(), Ordering::Release);
        let full = u32::try_from(reservation.jobs.len()).is_ok_and(|taken| taken >= limit);
        if full || (!reservation.jobs.is_empty() && reservation.waiting) {
            self.look_again();
        } else {
            self.wanted.notify_one();
        }
        self.due = reservation.next_due.map(|until| Instant::now() + until);
    }

    /// Waits for jobs in the background, whenever the last look found none,
    /// and rings `bell` when there may be one. Ends when it is dropped.
    pub(crate) fn watch(
        &self,
        store: Arc<dyn Store>,
        bell: Arc<Notify>,
        outage: Outage,
    ) -> impl Future<Output = ()> + use<> {
        let (channel, ready, wanted) = (self.channel.clone(), Arc::clone(&self.ready), Arc::clone(&self.wanted));
        let fruitless = Arc::clone(&self.fruitless);
        async move {
            let mut tries = 0;
            let mut woken = false;
            loop {
                wanted.notified().await;
                if woken && fruitless.load(Ordering::Acquire) {
                    // Woken for nothing: another worker was faster, or the job is a
                    // suspect that has to wait. Do not spin on it.
                    tokio::time::sleep(Duration::from_millis(1).mul_f64(1.0 + 49.0 * chance())).await;
                }
                let wake = store.wait(&channel, WAIT_AT_MOST).await;
                woken = matches!(wake, Ok(Wake::Ready));
                match wake {
                    Ok(_) => {
                        outage.is_over(Purpose::Wait);
                        tries = 0;
                    }
                    Err(error) => {
                        tries += 1;
                        if error.is_transient() {
                            outage.begins(Purpose::Wait, &error);
                            // The next look may be a whole job away, and the end of the outage is news.
                            wanted.notify_one();
                        } else {
                            outage.is_over(Purpose::Wait);
                        }
                        tokio::time::sleep(outage.pause(tries)).await;
                    }
                }
                ready.store(true, Ordering::Release);
                bell.notify_one();
            }
        }
    }
}
