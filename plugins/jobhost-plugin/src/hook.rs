//! What hooks and policies are told, and what they may answer.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use crate::draft::Draft;
use crate::error::{Failure, JobError};
use crate::export::{millis, wit};

/// What a before-push hook answers.
#[derive(Clone, Debug)]
pub enum PushDecision {
    /// Store the draft as it is.
    Accept,
    /// Store this draft instead. Its queue must be the same.
    Replace(Draft),
    /// Store nothing; the pusher is told why.
    Reject(String),
}

/// What a before-exec hook answers.
#[derive(Clone, Debug)]
pub enum ExecDecision {
    /// Run the job.
    Proceed,
    /// Do not run it: it is done, and this is why.
    Skip(String),
    /// Do not run it now; the attempt is not counted.
    Postpone(Duration),
    /// Do not run it: the attempt has failed.
    Fail(Failure),
}

/// What becomes of a failed job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RetryDecision {
    /// As it stands: what the host, or the link before this one, decided.
    Unchanged,
    /// Another attempt, after the queue's own backoff.
    Retry,
    /// Another attempt, after this long, in whole milliseconds.
    RetryAfter(Duration),
    /// No further attempt, and why.
    GiveUp(String),
}

/// Why an attempt ended badly: the handler's own error, or the host's finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FailureCause {
    /// The handler's error.
    Returned(JobError),
    /// It took longer than this.
    TimedOut(Duration),
    /// Bytes the guest held when it was refused more.
    OutOfMemory(u64),
    /// The fuel that it used up.
    OutOfFuel(u64),
    /// Trap name and message.
    Trapped(String),
    /// The guest ended itself with this status.
    Exited(u32),
    /// It took its worker down this many times.
    Crashed(u32),
    /// Another limit was passed; which one, and how far.
    Limit(String),
    /// No plugin handles this name.
    Unhandled,
    /// The stored message cannot be read; why.
    Undecodable(String),
    /// A hook that must not fail did; which one, and why.
    HookFailed(String),
    /// `kind: text`
    Other(String),
}

impl FailureCause {
    /// The handler's own code, or a stable word for what the host found, such as `timed-out`.
    pub fn code(&self) -> &str {
        match self {
            Self::Returned(error) => &error.failure().code,
            Self::TimedOut(_) => "timed-out",
            Self::OutOfMemory(_) => "out-of-memory",
            Self::OutOfFuel(_) => "out-of-fuel",
            Self::Trapped(_) => "trapped",
            Self::Exited(_) => "exited",
            Self::Crashed(_) => "crashed",
            Self::Limit(_) => "limit",
            Self::Unhandled => "unhandled",
            Self::Undecodable(_) => "undecodable",
            Self::HookFailed(_) => "hook-failed",
            Self::Other(_) => "other",
        }
    }

    /// The handler's own message, or a sentence about what the host found.
    pub fn message(&self) -> Cow<'_, str> {
        match self {
            Self::Returned(error) => (&*error.failure().message).into(),
            Self::TimedOut(after) => format!("it took longer than {} s", after.as_secs_f64()).into(),
            Self::OutOfMemory(bytes) => format!("it needed more memory than {bytes} bytes").into(),
            Self::OutOfFuel(fuel) => format!("it used up {fuel} units of fuel").into(),
            Self::Exited(status) => format!("it ended itself with status {status}").into(),
            Self::Crashed(times) => format!("its worker died {times} times").into(),
            Self::Unhandled => "no plugin handles a job of this name".into(),
            Self::Trapped(text)
            | Self::Limit(text)
            | Self::Undecodable(text)
            | Self::HookFailed(text)
            | Self::Other(text) => (&**text).into(),
        }
    }

    pub(crate) fn from_wit(cause: wit::FailureCause) -> Self {
        use wit::FailureCause as Wit;
        match cause {
            Wit::Returned(error) => Self::Returned(JobError::from_wit(error)),
            Wit::TimedOut(after) => Self::TimedOut(Duration::from_millis(after)),
            Wit::OutOfMemory(bytes) => Self::OutOfMemory(bytes),
            Wit::OutOfFuel(fuel) => Self::OutOfFuel(fuel),
            Wit::Trapped(text) => Self::Trapped(text),
            Wit::Exited(status) => Self::Exited(status),
            Wit::Crashed(times) => Self::Crashed(times),
            Wit::Limit(text) => Self::Limit(text),
            Wit::Unhandled => Self::Unhandled,
            Wit::Undecodable(text) => Self::Undecodable(text),
            Wit::HookFailed(text) => Self::HookFailed(text),
            Wit::Other(text) => Self::Other(text),
        }
    }
}

impl fmt::Display for FailureCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code(), self.message())
    }
}

/// What an attempt cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptReport {
    /// Time from push to reservation, where it is known.
    pub waited: Option<Duration>,
    /// Time that the attempt took.
    pub duration: Duration,
    /// Bytes of linear memory at its highest.
    pub peak_memory: u64,
    /// The version that ran, such as `sha256:…`.
    pub plugin_digest: String,
}

impl AttemptReport {
    pub(crate) fn from_wit(report: wit::AttemptReport) -> Self {
        Self {
            waited: report.waited.map(Duration::from_millis),
            duration: Duration::from_millis(report.duration),
            peak_memory: report.peak_memory,
            plugin_digest: report.plugin_digest,
        }
    }
}

impl PushDecision {
    pub(crate) fn into_wit(self) -> wit::PushDecision {
        match self {
            Self::Accept => wit::PushDecision::Accept,
            Self::Replace(draft) => wit::PushDecision::Replace(draft.into_wit()),
            Self::Reject(reason) => wit::PushDecision::Reject(reason),
        }
    }
}

impl ExecDecision {
    pub(crate) fn into_wit(self) -> wit::ExecDecision {
        match self {
            Self::Proceed => wit::ExecDecision::Proceed,
            Self::Skip(reason) => wit::ExecDecision::Skip(reason),
            Self::Postpone(delay) => wit::ExecDecision::Postpone(millis(delay)),
            Self::Fail(failure) => wit::ExecDecision::Fail(failure.into_wit()),
        }
    }
}

impl RetryDecision {
    pub(crate) fn into_wit(self) -> wit::RetryDecision {
        match self {
            Self::Unchanged => wit::RetryDecision::Unchanged,
            Self::Retry => wit::RetryDecision::Retry,
            Self::RetryAfter(delay) => wit::RetryDecision::RetryAfter(millis(delay)),
            Self::GiveUp(reason) => wit::RetryDecision::GiveUp(reason),
        }
    }

    pub(crate) fn from_wit(decision: wit::RetryDecision) -> Self {
        match decision {
            wit::RetryDecision::Unchanged => Self::Unchanged,
            wit::RetryDecision::Retry => Self::Retry,
            wit::RetryDecision::RetryAfter(delay) => Self::RetryAfter(Duration::from_millis(delay)),
            wit::RetryDecision::GiveUp(reason) => Self::GiveUp(reason),
        }
    }
}
