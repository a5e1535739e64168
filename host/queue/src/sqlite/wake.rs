//! Tells those who wait that something may have come: pushes of this process
//! at once, another process's by watching the `-wal` file. It decides nothing;
//! who is woken looks for itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// One bell for each channel that somebody has waited on.
#[derive(Default)]
pub(super) struct Bell {
    channels: Mutex<HashMap<String, Arc<Notify>>>,
    /// How many transactions were committed.
    #[cfg(test)]
    pub commits: std::sync::atomic::AtomicU64,
}

impl Bell {
    /// What rings for this channel.
    pub(super) fn of(&self, channel: &str) -> Arc<Notify> {
        let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(channels.entry(channel.to_owned()).or_default())
    }

    /// Wakes those who wait for these channels.
    pub(super) fn ring(&self, channels: &[String]) {
        if channels.is_empty() {
            return;
        }
        let known = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        for notify in channels.iter().filter_map(|name| known.get(name)) {
            notify.notify_waiters();
        }
    }

    /// Wakes everybody: who wrote what is not known.
    pub(super) fn ring_all(&self) {
        let known = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        for notify in known.values() {
            notify.notify_waiters();
        }
    }
}
