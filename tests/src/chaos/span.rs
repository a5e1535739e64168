//! A stretch of time that may not be over.

use std::time::{Duration, Instant};

/// From a time until another, or until now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) from: Instant,
    pub(crate) until: Option<Instant>,
}

impl Span {
    pub(crate) fn since(from: Instant) -> Self {
        Self { from, until: None }
    }

    /// How much of it lies between these times.
    pub(crate) fn overlap(&self, from: Instant, until: Instant) -> Duration {
        let end = self.until.unwrap_or_else(Instant::now).min(until);
        end.saturating_duration_since(self.from.max(from))
    }

    pub(crate) fn length(&self) -> Duration {
        self.overlap(self.from, self.until.unwrap_or_else(Instant::now))
    }
}
