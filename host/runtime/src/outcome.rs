//! What became of a call, in the runtime's own words. No wasmtime type appears here.

use std::time::Duration;

use crate::types::FailureCause;

/// A call that is over: how it ended, and what it cost.
#[derive(Clone, Debug)]
pub struct Finished<T> {
    /// How the call ended.
    pub outcome: Outcome<T>,
    /// What it cost, however it ended.
    pub usage: Usage,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome<T> {
    /// The guest came back with this. A handler's own failure is an answer too.
    Returned(T),
    /// The guest was ended, by a trap, a limit, its deadline or itself.
    Faulted(Fault),
    /// The caller's [`Interrupt`](crate::Interrupt) ended the call.
    Cancelled,
    /// The host could not do it and the guest is not to blame. The text says why.
    Unavailable(String),
}

/// Why a guest was ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// The cause, one of `timed-out`, `out-of-memory`, `out-of-fuel`, `trapped`, `exited`, `limit` and `other`.
    pub cause: FailureCause,
    /// The guest's stack, innermost frame first, one frame a line; for the operator, not for other guests.
    pub backtrace: Option<String>,
}

/// What a call cost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// From just before instantiation to the end; waiting for a slot is not in it.
    pub duration: Duration,
    /// Bytes of linear memory at their highest.
    pub peak_memory: u64,
    /// Units of fuel that were burnt; none for a plugin without a fuel limit.
    pub fuel: Option<u64>,
    /// Bytes of text handed to the guest as arguments; an entry of a list counts for a few more.
    pub bytes_in: u64,
    /// Bytes of text that the guest returned, counted likewise.
    pub bytes_out: u64,
    /// The end of stdout, as text without control characters.
    pub stdout: String,
    /// The end of stderr, as text without control characters. Uncaught exceptions leave their message here.
    pub stderr: String,
    /// Whether the beginning of either was dropped.
    pub stdio_cut: bool,
}

impl<T> Finished<T> {
    /// A call that never began, and so cost nothing.
    pub(crate) fn unbegun(outcome: Outcome<T>) -> Self {
        Self { outcome, usage: Usage::default() }
    }
}

impl<T> Outcome<T> {
    /// The outcome of a guest that was ended for `cause`, without a backtrace.
    pub(crate) fn fault(cause: FailureCause) -> Self {
        Self::Faulted(Fault { cause, backtrace: None })
    }
}
