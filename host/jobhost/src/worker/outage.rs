//! Whether the store answers, told once when it stops and once when it is
//! back, and how long to wait between tries.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jobhost_queue::StoreError;

use super::chance;
use super::events::{Event, Events};

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// What a worker asks of its store. A server without memory answers some of it
/// and refuses the rest: the store is back when nothing is in trouble any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Purpose {
    /// To give jobs.
    Take,
    /// To say when there may be one.
    Wait,
    /// To keep leases.
    Extend,
    /// To settle.
    Settle,
}

/// One worker's view of its store. Clones share it.
#[derive(Clone)]
pub(crate) struct Outage {
    state: Arc<Mutex<State>>,
    events: Events,
}

#[derive(Default)]
struct State {
    since: Option<Instant>,
    in_trouble: HashSet<Purpose>,
}

impl Outage {
    pub(crate) fn new(events: Events) -> Self {
        Self { state: Arc::default(), events }
    }

    /// A call has failed; tells it if it is the first.
    pub(crate) fn begins(&self, purpose: Purpose, error: &StoreError) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.in_trouble.insert(purpose);
        if state.since.is_none() {
            state.since = Some(Instant::now());
            drop(state);
            self.events.tell(&Event::StoreLost { reason: error.to_string() });
        }
    }

    /// A call was answered, or there is nothing to call for; tells it if with
    /// that nothing is in trouble any more.
    pub(crate) fn is_over(&self, purpose: Purpose) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.in_trouble.remove(&purpose);
        let ended = if state.in_trouble.is_empty() { state.since.take() } else { None };
        drop(state);
        if let Some(since) = ended {
            self.events.tell(&Event::StoreBack { after: since.elapsed() });
        }
    }

    /// Whether the store was lost and is not back.
    pub(crate) fn lasts(&self) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).since.is_some()
    }

    /// How long to wait after the `tries`th failure in a row: exponential with
    /// a ceiling and half jitter, so that a fleet does not return in step.
    #[expect(clippy::unused_self, reason = "callers need not know where the pause comes from")]
    pub(crate) fn pause(&self, tries: u32) -> Duration {
        let grown = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(tries.saturating_sub(1).min(16)));
        grown.min(LONGEST_PAUSE).mul_f64(0.5 + chance() / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::events::Listener;

    #[derive(Default)]
    struct Heard(Mutex<Vec<&'static str>>);

    impl Listener for Heard {
        fn hear(&self, event: &Event) {
            let word = if matches!(event, Event::StoreLost { .. }) { "lost" } else { "back" };
            self.0.lock().unwrap().push(word);
        }
    }

    #[test]
    fn an_outage_is_told_once_and_lasts_until_nothing_is_in_trouble() {
        let heard = Arc::new(Heard::default());
        let outage = Outage::new(Events::to(vec![Arc::clone(&heard) as _]));
        let error = StoreError::invalid("away");
        outage.is_over(Purpose::Take);
        assert!(heard.0.lock().unwrap().is_empty());
        outage.begins(Purpose::Settle, &error);
        outage.begins(Purpose::Wait, &error);
        // A look at an empty queue is answered although nothing can be written.
        outage.is_over(Purpose::Take);
        outage.is_over(Purpose::Wait);
        assert_eq!(*heard.0.lock().unwrap(), ["lost"]);
        outage.is_over(Purpose::Settle);
        outage.is_over(Purpose::Settle);
        assert_eq!(*heard.0.lock().unwrap(), ["lost", "back"]);
    }
}
