//! What a handler or a hook says when it fails.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::export::{millis, wit};
use crate::job::InvalidJson;

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

/// How a handler's attempt failed.
///
/// Through `?` any error becomes one, by one rule:
///
/// | error | becomes |
/// | --- | --- |
/// | a `JobError` | itself |
/// | [`InvalidJson`]: a part of the job's JSON is not what was expected | permanent, with the code `invalid-json` |
/// | any other: of `std`, serde or another crate, `anyhow::Error`, `Box<dyn Error>`, `String` | temporary, with the code `error` |
///
/// The message is the error's own, followed by its causes. What a job was pushed with stays the same in every attempt;
/// of everything else nobody but the handler knows whether it is worth another attempt, and the queue's `attempts` bounds
/// how many there are. [`ResultExt`] says it for one error:
///
/// ```
/// use jobhost_plugin::{JobError, ResultExt};
///
/// fn width(text: &str) -> Result<u32, JobError> {
///     Ok(text.parse::<u32>().permanent("bad-width")?)
/// }
///
/// fn settings() -> Result<String, JobError> {
///     Ok(std::fs::read_to_string("/nowhere/settings.json")?)
/// }
///
/// assert_eq!(width("x").unwrap_err().to_string(), "bad-width: invalid digit found in string");
/// assert!(width("x").unwrap_err().is_permanent());
/// assert!(!settings().unwrap_err().is_permanent());
/// ```
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

/// The rule of `?`.
impl<E: Into<Box<dyn Error>>> From<E> for JobError {
    fn from(error: E) -> Self {
        let error = error.into();
        match error.downcast_ref::<InvalidJson>() {
            Some(invalid) => Self::permanent("invalid-json", invalid.to_string())
                .detail("path", &invalid.path)
                .detail("reason", &invalid.reason),
            None => Self::temporary("error", with_causes(&*error)),
        }
    }
}

/// Says of an error what it means for the job, where the rule of `?` (see [`JobError`]) is not what is wanted.
///
/// ```no_run
/// use std::time::Duration;
///
/// use jobhost_plugin::{JobError, ResultExt};
///
/// # fn f(path: &str) -> Result<(), JobError> {
/// // Whoever pushed the job has named a file that will not be there later.
/// let picture = std::fs::read(path).permanent("no-picture")?;
/// // Another program holds the lock for a while.
/// std::fs::create_dir("/data/lock").retry_after(Duration::from_secs(30), "locked")?;
/// # Ok(())
/// # }
/// ```
pub trait ResultExt<T> {
    /// No attempt will succeed. The message is the error's own, with its causes.
    fn permanent(self, code: impl Into<String>) -> Result<T, JobError>;

    /// Another attempt may succeed. As `?` alone, with a code that tells this error from others.
    fn temporary(self, code: impl Into<String>) -> Result<T, JobError>;

    /// Another attempt may succeed, but not before this long, in whole milliseconds.
    fn retry_after(self, after: Duration, code: impl Into<String>) -> Result<T, JobError>;
}

impl<T, E: Into<Box<dyn Error>>> ResultExt<T> for Result<T, E> {
    fn permanent(self, code: impl Into<String>) -> Result<T, JobError> {
        self.map_err(|error| JobError::permanent(code, with_causes(&*error.into())))
    }

    fn temporary(self, code: impl Into<String>) -> Result<T, JobError> {
        self.map_err(|error| JobError::temporary(code, with_causes(&*error.into())))
    }

    fn retry_after(self, after: Duration, code: impl Into<String>) -> Result<T, JobError> {
        self.map_err(|error| JobError::retry_after(after, code, with_causes(&*error.into())))
    }
}

/// Why a hook could not do its work: the hook itself is broken, whatever became
/// of the job. Any error becomes one through `?`, with its causes.
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

impl<E: Into<Box<dyn Error>>> From<E> for HookError {
    fn from(error: E) -> Self {
        Self(with_causes(&*error.into()))
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
    use std::collections::HashMap;

    use super::*;
    use crate::job::Json;
    use crate::queue::PushError;

    fn asked<T, E>(result: Result<T, E>) -> JobError
    where
        JobError: From<E>,
    {
        let ask = || Ok(result?);
        ask().map(|_: T| ()).unwrap_err()
    }

    #[test]
    fn what_is_not_known_to_be_permanent_is_temporary_with_its_message_and_causes() {
        let number = "x".parse::<u32>().map_err(|cause| Outer { cause });
        for (error, message) in [
            (asked("x".parse::<u32>()), "invalid digit found in string"),
            (asked(number), "no width: invalid digit found in string"),
            (asked(serde_json::from_str::<u32>("x")), "expected value at line 1 column 1"),
            (asked(Err::<(), Box<dyn Error>>("boxed".into())), "boxed"),
            (asked(Err::<(), String>("said".to_owned())), "said"),
            (asked(Err::<(), anyhow::Error>(anyhow::anyhow!("deep").context("high"))), "high: deep"),
            (asked(Err::<(), _>(PushError::Denied("no grant".to_owned()))), "denied: no grant"),
        ] {
            assert_eq!(error, JobError::temporary("error", message));
        }
    }

    #[test]
    fn json_of_the_job_that_is_not_what_was_expected_is_permanent_and_named_by_its_place() {
        let error = asked(Json::from_text(r#"{"sizes":[1,"x"]}"#).read::<HashMap<String, Vec<u32>>>());
        assert!(error.is_permanent());
        assert_eq!(error.failure().code, "invalid-json");
        assert!(error.failure().message.starts_with("sizes[1]: invalid type"), "{error}");
        assert_eq!(error.failure().details[0], ("path".to_owned(), "sizes[1]".to_owned()));
    }

    #[test]
    fn a_handler_can_say_what_one_error_means() {
        let parsed = || "x".parse::<u32>();
        let message = "invalid digit found in string";
        assert_eq!(parsed().permanent("a"), Err(JobError::permanent("a", message)));
        assert_eq!(parsed().temporary("a"), Err(JobError::temporary("a", message)));
        let wait = Duration::from_secs(5);
        assert_eq!(parsed().retry_after(wait, "a"), Err(JobError::retry_after(wait, "a", message)));
        assert_eq!("7".parse::<u32>().permanent("a"), Ok(7));
        assert_eq!(asked(Err::<(), _>(JobError::permanent("b", "c"))), JobError::permanent("b", "c"));
    }

    #[derive(Debug)]
    struct Outer {
        cause: std::num::ParseIntError,
    }

    impl fmt::Display for Outer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("no width")
        }
    }

    impl Error for Outer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.cause)
        }
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
