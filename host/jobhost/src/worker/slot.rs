//! The worker's slots: how many a look at a queue may fill, and what a job
//! holds while it is in one.

use std::sync::Arc;

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

/// A slot with the job that was taken into it: the lease is kept and the slot
/// is not free until this is dropped, by a panic too.
pub(super) struct TakenSlot {
    pub(super) shared: Arc<Shared>,
    pub(super) holding: Arc<Holding>,
    slot: Option<OwnedSemaphorePermit>,
}

impl TakenSlot {
    pub(super) fn new(shared: Arc<Shared>, reserved: &Reserved, slot: OwnedSemaphorePermit) -> Self {
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
