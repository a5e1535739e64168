//! What a handler or a hook says when it fails.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::export::{millis, wit};

/// Why a job failed, for machines and for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Short and stable, such as `35020` or `upstream-503`.
    pub code: String,
    /// A sentence for people.
    pub message: String,
    /// More, by name.
    pub details: Vec<(String, String)>,
}

/// How a handler's attempt failed. Any `std` error becomes a temporary one with
/// the code `error` through `?`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobError {
    kind: Kind,
    failure: Failure,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Temporary,
    RetryAfter(Duration),
    Permanent,
}

impl JobError {
    /// Another attempt may succeed.
    pub fn temporary(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Kind::Temporary, code.into(), message.into())
    }

    /// Another attempt may succeed, but not before this long (HTTP 429 and the like).
    /// It is handed over in whole milliseconds.
    pub fn retry_after(after: Duration, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Kind::RetryAfter(after), code.into(), message.into())
    }

    /// No attempt will succeed.
    pub fn permanent(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Kind::Permanent, code.into(), message.into())
    }

    /// Adds a detail.
    #[must_use]
    pub fn detail(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.failure.details.push((name.into(), value.into()));
        self
    }

    /// The code, message and details.
    pub fn failure(&self) -> &Failure {
        &self.failure
    }

    /// Whether no attempt will succeed.
    pub fn is_permanent(&self) -> bool {
        self.kind == Kind::Permanent
    }

    fn new(kind: Kind, code: String, message: String) -> Self {
        let failure = Failure { code, message, details: Vec::new() };
        Self { kind, failure }
    }

    pub(crate) fn into_wit(self) -> wit::JobError {
        let failure = self.failure.into_wit();
        match self.kind {
            Kind::Temporary => wit::JobError::Temporary(failure),
            Kind::Permanent => wit::JobError::Permanent(failure),
            Kind::RetryAfter(after) => wit::JobError::RetryAfter(wit::DelayedFailure { failure, after: millis(after) }),
        }
    }

    pub(crate) fn from_wit(error: wit::JobError) -> Self {
        let (kind, failure) = match error {
            wit::JobError::Temporary(failure) => (Kind::Temporary, failure),
            wit::JobError::Permanent(failure) => (Kind::Permanent, failure),
            wit::JobError::RetryAfter(delayed) => {
                (Kind::RetryAfter(Duration::from_millis(delayed.after)), delayed.failure)
            }
        };
        let failure = Failure { code: failure.code, message: failure.message, details: failure.details };
        Self { kind, failure }
    }
}

impl Failure {
    pub(crate) fn into_wit(self) -> wit::Failure {
        wit::Failure { code: self.code, message: self.message, details: self.details }
    }
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.failure.code, self.failure.message)
    }
}

impl<E: Error> From<E> for JobError {
    fn from(error: E) -> Self {
        Self::temporary("error", with_causes(&error))
    }
}

/// Why a hook could not do its work: the hook itself is broken, whatever became
/// of the job. Any `std` error becomes one through `?`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookError(String);

impl HookError {
    /// One with this message.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// The message.
    pub fn message(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HookError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<E: Error> From<E> for HookError {
    fn from(error: E) -> Self {
        Self(with_causes(&error))
    }
}

fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<u32, JobError> {
        Ok(text.parse::<u32>()?)
    }

    #[test]
    fn a_std_error_becomes_a_temporary_one_with_its_message() {
        let error = parse("x").unwrap_err();
        assert!(!error.is_permanent());
        assert_eq!(error.failure().code, "error");
        assert_eq!(error.failure().message, "invalid digit found in string");
    }

    #[test]
    fn every_kind_survives_the_way_to_the_host_and_back() {
        for error in [
            JobError::temporary("a", "b").detail("c", "d"),
            JobError::permanent("a", "b"),
            JobError::retry_after(Duration::from_millis(1500), "a", "b"),
        ] {
            assert_eq!(JobError::from_wit(error.clone().into_wit()), error);
        }
    }
}
