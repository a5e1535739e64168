//! How the caller of a guest ends it early, or tells it that little time is left.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

/// The caller's hand on running calls. Clones act on the same calls, and one may be given to several.
#[derive(Clone, Debug)]
pub struct Interrupt(Arc<watch::Sender<State>>);

#[derive(Clone, Copy, Debug, Default)]
struct State {
    cancelled: bool,
    grace_ends: Option<Instant>,
}

impl Default for Interrupt {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(State::default())))
    }
}

impl Interrupt {
    /// From now on `context.remaining` answers at most what is left of this grace period. It ends nothing by itself.
    pub fn grace_ends_in(&self, grace: Duration) {
        let ends = Instant::now().checked_add(grace);
        self.0.send_modify(|state| state.grace_ends = ends);
    }

    /// Ends every call that holds this interrupt as `Cancelled`: a busy guest at the next tick, a waiting one at
    /// once. Calls that have not begun never do.
    pub fn cancel(&self) {
        self.0.send_modify(|state| state.cancelled = true);
    }

    /// Whether [`Self::cancel`] was called.
    pub fn is_cancelled(&self) -> bool {
        self.0.borrow().cancelled
    }

    /// Comes back when [`Self::cancel`] has been called.
    pub(crate) async fn cancelled(&self) {
        let mut state = self.0.subscribe();
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = state.wait_for(|state| state.cancelled).await;
    }

    pub(crate) fn grace_ends(&self) -> Option<Instant> {
        self.0.borrow().grace_ends
    }
}
