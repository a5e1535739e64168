//! Whether the store answers, told once when it stops and once when it is
//! back, and how long to wait between tries.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jobhost_queue::StoreError;

use super::chance;
use super::events::{Event, Events};

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// One worker's view of its store. Clones share it.
#[derive(Clone)]
pub(crate) struct Outage {
    since: Arc<Mutex<Option<Instant>>>,
    events: Events,
}

impl Outage {
    pub(crate) fn new(events: Events) -> Self {
        Self { since: Arc::default(), events }
    }

    /// A call has failed; tells it if it is the first.
    pub(crate) fn begins(&self, error: &StoreError) {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        if since.is_none() {
            *since = Some(Instant::now());
            drop(since);
            self.events.tell(&Event::StoreLost { reason: error.to_string() });
        }
    }

    /// A call was answered; tells it if that is news.
    pub(crate) fn is_over(&self) {
        let ended = self.since.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(since) = ended {
            self.events.tell(&Event::StoreBack { after: since.elapsed() });
        }
    }

    /// How long to wait after the `tries`th failure in a row: exponential with
    /// a ceiling and half jitter, so that a fleet does not return in step.
    #[expect(clippy::unused_self, reason = "callers need not know where the pause comes from")]
    pub(crate) fn pause(&self, tries: u32) -> Duration {
        let grown = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(tries.saturating_sub(1).min(16)));
        grown.min(LONGEST_PAUSE).mul_f64(0.5 + chance() / 2.0)
    }
}
