//! The way out of a worker: what begins it, its clock, and what becomes of the
//! jobs that still run.

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::duties::Duties;
use super::error::WorkerError;
use super::events::Event;
use super::run::{Shared, Why};
use super::settle::LAST_SETTLEMENTS;

/// A worker's stop, begun or not.
pub(super) struct Stop<'s> {
    shared: &'s Shared,
    grace: Duration,
    /// Told that no more is to be taken.
    takers: watch::Sender<bool>,
    /// Told that the death of this worker does not count as a crash.
    leases: watch::Sender<bool>,
    /// When running jobs are ended, once it has begun.
    at: Option<Instant>,
    /// The duty that broke, if one did.
    pub(super) broken: Option<WorkerError>,
}

impl<'s> Stop<'s> {
    pub(super) fn new(
        shared: &'s Shared,
        grace: Duration,
        takers: watch::Sender<bool>,
        leases: watch::Sender<bool>,
    ) -> Self {
        Self { shared, grace, takers, leases, at: None, broken: None }
    }

    pub(super) fn has_begun(&self) -> bool {
        self.at.is_some()
    }

    /// Begins, unless it has: from now on the grace runs. With a broken duty
    /// there is none, also if it breaks later.
    pub(super) fn begin(&mut self) {
        let grace = if self.broken.is_none() { self.grace } else { Duration::ZERO };
        if !self.has_begun() {
            // With a broken duty a death counts: if settling is what broke, nothing can be handed
            // back, and a job that breaks it must not do so to each worker for ever.
            let _ = self.leases.send(self.broken.is_none());
            self.shared.events.tell(&Event::WorkerStopping { grace });
        }
        let at = Instant::now() + grace;
        self.at = Some(self.at.map_or(at, |before| before.min(at)));
        self.takers.send_replace(true);
        self.shared.leases.grace_ends_in(self.left());
    }

    /// Takes jobs until that ends by itself, or because of `told`, or because a
    /// duty is broken. The takers are told, not dropped: a reserve that is under
    /// way is never given up, its jobs would be nobody's. The grace does not wait
    /// for it.
    pub(super) async fn take_until(
        &mut self,
        taking: impl Future<Output = Result<Why, WorkerError>>,
        duties: &mut Duties,
        mut told: watch::Receiver<bool>,
    ) -> Result<Why, WorkerError> {
        let mut over = false;
        tokio::pin!(taking);
        loop {
            tokio::select! {
                biased;
                found = duties.broken(), if self.broken.is_none() => {
                    self.broken = Some(found);
                    self.begin();
                }
                _ = told.wait_for(|told| *told), if !self.has_begun() => self.begin(),
                () = sleep_until(self.at.unwrap_or_else(Instant::now)), if self.has_begun() && !over => {
                    over = true;
                    self.shared.leases.cancel_all();
                }
                taken = &mut taking => return taken,
            }
        }
    }

    /// Lets running attempts end within the grace, then has the rest handed
    /// back. A duty that breaks meanwhile ends the grace.
    pub(super) async fn drain(&mut self, attempts: &mut JoinSet<()>, duties: &mut Duties) {
        // Those that the last reserve took have not heard of it.
        self.shared.leases.grace_ends_in(self.left());
        tokio::select! {
            biased;
            found = duties.broken(), if self.broken.is_none() => self.broken = Some(found),
            () = all_ended(attempts) => return,
            () = sleep_until(self.at.unwrap_or_else(Instant::now)) => {}
        }
        self.shared.leases.cancel_all();
        if timeout(LAST_SETTLEMENTS, all_ended(attempts)).await.is_err() {
            tracing::warn!(
                jobs = self.shared.leases.len(),
                "the store did not take the end of these jobs while the worker stopped; it gives them to others when their leases have expired"
            );
        }
    }

    fn left(&self) -> Duration {
        self.at.map_or(self.grace, |at| at.saturating_duration_since(Instant::now()))
    }
}

async fn all_ended(attempts: &mut JoinSet<()>) {
    while attempts.join_next().await.is_some() {}
}
