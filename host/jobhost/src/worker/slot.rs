//! The worker's slots: how many a look at a queue may fill, and what a job
//! holds while it is in one.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jobhost_queue::Reserved;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::lease::Holding;
use super::run::Shared;

/// A queue's share of the free slots, so that a long one leaves some to the others.
pub(super) fn share(available: usize, queues_left: usize) -> usize {
    available.div_ceil(queues_left.max(1))
}

/// The slot in hand and up to `more` others.
pub(super) fn claim(
    in_hand: &mut Option<OwnedSemaphorePermit>,
    slots: &Arc<Semaphore>,
    more: usize,
) -> Vec<OwnedSemaphorePermit> {
    let mut permits: Vec<_> = in_hand.take().into_iter().collect();
    while permits.len() <= more.min(999) {
        match Arc::clone(slots).try_acquire_owned() {
            Ok(permit) => permits.push(permit),
            Err(_) => break,
        }
    }
    permits
}

/// A slot with the job that was taken into it. The lease is kept until this is
/// dropped, by a panic too; so is the slot, unless the job leaves it before.
pub(super) struct TakenSlot {
    pub(super) shared: Arc<Shared>,
    pub(super) holding: Arc<Holding>,
    slot: Mutex<Option<OwnedSemaphorePermit>>,
}

impl TakenSlot {
    /// `asked_at` is when the call began that took it, by `boot_time`.
    pub(super) fn new(
        shared: Arc<Shared>,
        reserved: &Reserved,
        asked_at: Duration,
        slot: OwnedSemaphorePermit,
    ) -> Self {
        let holding = shared.leases.keep(&reserved.lease, asked_at);
        shared.busy.fetch_add(1, Ordering::Relaxed);
        Self { shared, holding, slot: Mutex::new(Some(slot)) }
    }

    /// Frees the slot and keeps the lease: the job has run, and the store does
    /// not take its end. Its queue has to be out of use by then, or such jobs
    /// would become ever more.
    pub(super) fn leave(&self) {
        self.shared.suspects.forget(&self.holding.lease);
        if self.slot.lock().unwrap_or_else(PoisonError::into_inner).take().is_some() {
            self.shared.busy.fetch_sub(1, Ordering::Relaxed);
        }
        self.shared.bell.notify_one();
    }
}

impl Drop for TakenSlot {
    fn drop(&mut self) {
        self.shared.leases.forget(&self.holding.lease);
        // Last: who hears the bell looks for a free slot.
        self.leave();
    }
}
