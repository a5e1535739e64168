//! The numbers that decide a chaos run: the same seed gives the same ones. Not
//! for secrets.

use std::time::Duration;

/// A xorshift64* generator.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        // Spread, so that neighbouring seeds differ at once; 0 would stay 0.
        Self(seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number below `end`, which is at least 1.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) % end
    }

    /// Whether something of this likelihood happens.
    pub(crate) fn percent(&mut self, likelihood: u64) -> bool {
        self.below(100) < likelihood
    }

    /// From the first number of milliseconds up to, but without the second.
    pub(crate) fn millis(&mut self, from: u64, end: u64) -> Duration {
        Duration::from_millis(from + self.below(end - from))
    }
}
