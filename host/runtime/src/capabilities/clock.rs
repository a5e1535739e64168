//! What a plugin's clocks show. The deadline of its calls is always measured on the host's.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtxBuilder};

/// Nanoseconds by which a monotonic clock that counts its readings advances.
const STEP: u64 = 1_000;

/// The clocks of a plugin. Other than the host's they are for tests and for runs that shall repeat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Clock {
    /// The host's.
    #[default]
    System,
    /// The wall clock is this far ahead of the host's.
    Ahead(Duration),
    /// The wall clock is this far behind the host's, and never before 1970.
    Behind(Duration),
    /// The wall clock stands still, this long after the beginning of 1970. The monotonic clock begins at 0 in each instance
    /// and advances by a microsecond whenever it is read, so that whoever waits by reading it comes to an end. Who sleeps
    /// does so by the host's time.
    Fixed(Duration),
}

/// Gives a call its clocks.
pub(super) fn set_up(builder: &mut WasiCtxBuilder, clock: Clock, monotonic: &Monotonic) {
    builder.monotonic_clock(monotonic.clone());
    match clock {
        Clock::System => {}
        Clock::Ahead(_) | Clock::Behind(_) | Clock::Fixed(_) => {
            builder.wall_clock(Wall(clock));
        }
    }
}

/// The monotonic clock of an instance, which goes on from call to call: a guest may rely on that. Clones are the same.
#[derive(Clone)]
pub(crate) enum Monotonic {
    /// Begins here.
    Host(Instant),
    /// Counts its readings.
    Steps(Arc<AtomicU64>),
}

impl Monotonic {
    /// One that begins now.
    pub(crate) fn new(clock: Clock) -> Self {
        match clock {
            Clock::Fixed(_) => Self::Steps(Arc::default()),
            Clock::System | Clock::Ahead(_) | Clock::Behind(_) => Self::Host(Instant::now()),
        }
    }
}

struct Wall(Clock);

impl HostWallClock for Wall {
    fn resolution(&self) -> Duration {
        Duration::from_micros(1)
    }

    #[expect(clippy::disallowed_methods, reason = "it is the guest's own clock")]
    fn now(&self) -> Duration {
        let system = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        match self.0 {
            Clock::System => system(),
            Clock::Ahead(by) => system().saturating_add(by),
            Clock::Behind(by) => system().saturating_sub(by),
            Clock::Fixed(at) => at,
        }
    }
}

impl HostMonotonicClock for Monotonic {
    fn resolution(&self) -> u64 {
        match self {
            Self::Host(_) => 1,
            Self::Steps(_) => STEP,
        }
    }

    fn now(&self) -> u64 {
        match self {
            Self::Host(since) => u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX),
            Self::Steps(readings) => readings.fetch_add(STEP, Ordering::Relaxed),
        }
    }
}
