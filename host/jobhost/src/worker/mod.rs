//! The worker: takes jobs, runs each in its plugin, decides, settles.
//! What a guest may do is the runtime's business, how jobs are kept the store's.

pub mod decide;
pub mod error;
pub mod events;
pub mod run;

mod duties;
mod execute;
pub(crate) mod heartbeat;
mod lease;
mod line_up;
pub(crate) mod outage;
mod settle;
mod slot;
mod stop;
mod sweep;
mod take;
pub(crate) mod tally;
mod tried;
mod unusable;

#[cfg(test)]
pub(crate) mod faulty;

pub(crate) use execute::AttemptScope;
pub(crate) use lease::Holding;
#[cfg(test)]
pub(crate) use lease::Leases;

/// A random number from 0 up to, not including, 1.
pub(crate) fn chance() -> f64 {
    // 53 bits, as many as a double's fraction holds.
    let bits = getrandom::u64().unwrap_or(1 << 63) >> 11;
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    let chance = bits as f64 / (1_u64 << 53) as f64;
    chance
}
