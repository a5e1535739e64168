//! Queues with a job that has run and whose end the store does not take. More
//! jobs of them would only run in vain, so none is taken until it does.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jobhost_queue::Channel;
use tokio::sync::Notify;

/// Which queues those are, and why. Clones share it.
#[derive(Clone)]
pub(crate) struct Unusable {
    why: Arc<Mutex<HashMap<Channel, String>>>,
    bell: Arc<Notify>,
}

impl Unusable {
    /// None yet. `bell` is rung when one is added or taken out.
    pub(crate) fn new(bell: Arc<Notify>) -> Self {
        Self { why: Arc::default(), bell }
    }

    /// Why nothing is to be taken from this one.
    pub(crate) fn why(&self, channel: &Channel) -> Option<String> {
        self.why.lock().unwrap_or_else(PoisonError::into_inner).get(channel).cloned()
    }

    /// Exactly these are unusable from now on.
    pub(crate) fn are(&self, now: HashMap<Channel, String>) {
        let mut why = self.why.lock().unwrap_or_else(PoisonError::into_inner);
        if *why == now {
            return;
        }
        for channel in why.keys().filter(|channel| !now.contains_key(channel)) {
            tracing::info!(%channel, "the queue is served again");
        }
        *why = now;
        drop(why);
        self.bell.notify_one();
    }
}
