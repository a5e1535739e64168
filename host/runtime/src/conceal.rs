//! Keeps secrets out of what a guest answers, wherever that has text in it. Drafts of jobs stay as they are: what a plugin
//! hands on is its own decision, and another text would be another job.

use crate::capabilities::secrets::Secrets;
use crate::outcome::Outcome;
use crate::types::{ExecDecision, Failure, FailureCause, JobError, PushDecision, RetryDecision};

/// Something that holds text.
pub(crate) trait Conceal {
    /// Puts the names of secrets in the place of their values.
    fn conceal(&mut self, secrets: &Secrets);
}

impl<T: Conceal> Conceal for Outcome<T> {
    fn conceal(&mut self, secrets: &Secrets) {
        match self {
            Self::Returned(value) => value.conceal(secrets),
            Self::Faulted(fault) => fault.cause.conceal(secrets),
            Self::Cancelled | Self::Unavailable(_) => {}
        }
    }
}

impl<T: Conceal, E: Conceal> Conceal for Result<T, E> {
    fn conceal(&mut self, secrets: &Secrets) {
        match self {
            Ok(value) => value.conceal(secrets),
            Err(error) => error.conceal(secrets),
        }
    }
}

impl<T: Conceal> Conceal for Option<T> {
    fn conceal(&mut self, secrets: &Secrets) {
        if let Some(value) = self {
            value.conceal(secrets);
        }
    }
}

impl Conceal for String {
    fn conceal(&mut self, secrets: &Secrets) {
        secrets.hide(self);
    }
}

impl Conceal for () {
    fn conceal(&mut self, _secrets: &Secrets) {}
}

impl Conceal for u32 {
    fn conceal(&mut self, _secrets: &Secrets) {}
}

impl Conceal for Failure {
    fn conceal(&mut self, secrets: &Secrets) {
        self.code.conceal(secrets);
        self.message.conceal(secrets);
        for (name, value) in &mut self.details {
            name.conceal(secrets);
            value.conceal(secrets);
        }
    }
}

impl Conceal for JobError {
    fn conceal(&mut self, secrets: &Secrets) {
        match self {
            Self::Temporary(failure) | Self::Permanent(failure) => failure.conceal(secrets),
            Self::RetryAfter(delayed) => delayed.failure.conceal(secrets),
        }
    }
}

impl Conceal for FailureCause {
    fn conceal(&mut self, secrets: &Secrets) {
        match self {
            Self::Returned(error) => error.conceal(secrets),
            Self::Trapped(text)
            | Self::Limit(text)
            | Self::Undecodable(text)
            | Self::HookFailed(text)
            | Self::Other(text) => text.conceal(secrets),
            Self::TimedOut(_)
            | Self::OutOfMemory(_)
            | Self::OutOfFuel(_)
            | Self::Exited(_)
            | Self::Crashed(_)
            | Self::Unhandled => {}
        }
    }
}

impl Conceal for RetryDecision {
    fn conceal(&mut self, secrets: &Secrets) {
        match self {
            Self::GiveUp(reason) => reason.conceal(secrets),
            Self::Unchanged | Self::Retry | Self::RetryAfter(_) => {}
        }
    }
}

impl Conceal for PushDecision {
    fn conceal(&mut self, secrets: &Secrets) {
        match self {
            Self::Reject(reason) => reason.conceal(secrets),
            Self::Accept | Self::Replace(_) => {}
        }
    }
}

impl Conceal for ExecDecision {
    fn conceal(&mut self, secrets: &Secrets) {
        match self {
            Self::Skip(reason) => reason.conceal(secrets),
            Self::Fail(failure) => failure.conceal(secrets),
            Self::Proceed | Self::Postpone(_) => {}
        }
    }
}
