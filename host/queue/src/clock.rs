//! Where a store takes its time from.
//!
//! Leases, delays and retention compare times that one clock wrote, the
//! store's own: the Redis server's `TIME`, or this machine's for a SQLite
//! file. A test injects a clock that stands still until it is moved.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Milliseconds since 1970-01-01 UTC.
pub type UnixMillis = u64;

/// The time by which a store decides.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The store's own: Redis `TIME`, or the system's clock for SQLite.
    #[default]
    Store,
    /// A test's.
    Manual(ManualClock),
}

impl Clock {
    /// The time that overrides the store's own, if there is one.
    pub fn overridden(&self) -> Option<UnixMillis> {
        match self {
            Self::Store => None,
            Self::Manual(clock) => Some(clock.now()),
        }
    }
}

/// A clock that moves only when it is told to. Clones share the time.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<AtomicU64>);

impl ManualClock {
    /// A clock that stands at `now`.
    pub fn at(now: UnixMillis) -> Self {
        Self(Arc::new(AtomicU64::new(now)))
    }

    /// The time it stands at.
    pub fn now(&self) -> UnixMillis {
        self.0.load(Ordering::SeqCst)
    }

    /// Moves it forward.
    pub fn advance(&self, by: Duration) {
        let by = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.0.fetch_add(by, Ordering::SeqCst);
    }

    /// Sets it back, as an operator or NTP may do to a server's.
    pub fn set_back(&self, by: Duration) {
        let by = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.0.fetch_sub(by.min(self.now()), Ordering::SeqCst);
    }
}

/// The system's time. The only place of this crate that reads it.
#[expect(clippy::disallowed_methods, reason = "this is the clock that everything else is given")]
pub(crate) fn system_now() -> UnixMillis {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}
