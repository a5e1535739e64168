//! How the caller of a guest ends it early, or tells it that little time is left.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// The caller's hand on running calls. Clones act on the same calls, and one may be given to several.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<State>);

/// Every attempt has one: a channel would cost more to make than to wait on this.
#[derive(Debug, Default)]
struct State {
    cancelled: AtomicBool,
    /// Rung after it is cancelled.
    bell: Notify,
    grace_ends: Mutex<Option<Instant>>,
}

impl Interrupt {
    /// From now on `context.remaining` answers at most what is left of this grace period. It ends nothing by itself.
    pub fn grace_ends_in(&self, grace: Duration) {
        let ends = Instant::now().checked_add(grace);
        *self.0.grace_ends.lock().unwrap_or_else(PoisonError::into_inner) = ends;
    }

    /// Ends every call that holds this interrupt as `Cancelled`: a busy guest at the next tick, a waiting one at
    /// once. Calls that have not begun never do.
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::Release);
        self.0.bell.notify_waiters();
    }

    /// Whether [`Self::cancel`] was called.
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::Acquire)
    }

    /// Comes back when [`Self::cancel`] has been called.
    pub(crate) async fn cancelled(&self) {
        // It hears every ring from here on, so that none is missed between the look and the wait.
        let rung = self.0.bell.notified();
        if !self.is_cancelled() {
            rung.await;
        }
    }

    pub(crate) fn grace_ends(&self) -> Option<Instant> {
        *self.0.grace_ends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
