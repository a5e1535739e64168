//! What stands between an annotated function and the component's export:
//! conversions and JSON. The attributes call it; plugins do not.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::draft::{Draft, whole_seconds};
use crate::error::{HookError, JobError};
use crate::hook::{AttemptReport, ExecDecision, FailureCause, PushDecision, RetryDecision};
use crate::job::{Job, Json};

/// The types of the interface as they were generated.
pub mod wit {
    pub use crate::bindings::before_exec::exports::jobhost::plugin::before_exec::ExecDecision;
    pub use crate::bindings::before_push::exports::jobhost::plugin::before_push::PushDecision;
    pub use crate::bindings::imports::jobhost::plugin::types::*;
}

pub fn handler<P: DeserializeOwned, O: Serialize>(
    run: impl FnOnce(Job<P>) -> Result<O, JobError>,
    job: wit::Job,
) -> Result<String, wit::JobError> {
    execute(run, Job::from_wit(job)).map_err(JobError::into_wit)
}

fn execute<P: DeserializeOwned, O: Serialize>(
    run: impl FnOnce(Job<P>) -> Result<O, JobError>,
    job: Job,
) -> Result<String, JobError> {
    let name = job.name.clone();
    let job = job.read().map_err(|error| {
        JobError::permanent("invalid-payload", format!("the payload of {name}: {error}"))
            .detail("path", error.path)
            .detail("reason", error.reason)
    })?;
    let output = run(job)?;
    let text = serde_json::to_string(&output)
        .map_err(|error| JobError::permanent("invalid-output", format!("the output of {name}: {error}")))?;
    // A handler that returns () has no output, which is not the same as null.
    Ok(if text == "null" { String::new() } else { text })
}

pub fn time_to_run(ask: impl FnOnce(&Draft) -> Option<Duration>, draft: wit::JobDraft) -> Option<u32> {
    ask(&Draft::from_wit(draft)).map(whole_seconds)
}

pub fn retry_policy(
    ask: impl FnOnce(&Job, &FailureCause) -> RetryDecision,
    job: wit::Job,
    cause: wit::FailureCause,
) -> wit::RetryDecision {
    ask(&Job::from_wit(job), &FailureCause::from_wit(cause)).into_wit()
}

pub fn before_push(
    hear: impl FnOnce(Draft) -> Result<PushDecision, HookError>,
    draft: wit::JobDraft,
) -> Result<wit::PushDecision, String> {
    hear(Draft::from_wit(draft)).map(PushDecision::into_wit).map_err(|error| error.to_string())
}

pub fn before_exec(
    hear: impl FnOnce(&Job) -> Result<ExecDecision, HookError>,
    job: wit::Job,
) -> Result<wit::ExecDecision, String> {
    hear(&Job::from_wit(job)).map(ExecDecision::into_wit).map_err(|error| error.to_string())
}

pub fn after_exec(
    hear: impl FnOnce(&Job, &Json, &AttemptReport) -> Result<(), HookError>,
    job: wit::Job,
    output: String,
    report: wit::AttemptReport,
) -> Result<(), String> {
    let output = Json::from_text(output);
    let report = AttemptReport::from_wit(report);
    hear(&Job::from_wit(job), &output, &report).map_err(|error| error.to_string())
}

pub fn after_error(
    hear: impl FnOnce(&Job, &FailureCause, &RetryDecision, &AttemptReport) -> Result<RetryDecision, HookError>,
    job: wit::Job,
    cause: wit::FailureCause,
    decision: wit::RetryDecision,
    report: wit::AttemptReport,
) -> Result<wit::RetryDecision, String> {
    let cause = FailureCause::from_wit(cause);
    let decision = RetryDecision::from_wit(decision);
    let report = AttemptReport::from_wit(report);
    hear(&Job::from_wit(job), &cause, &decision, &report)
        .map(RetryDecision::into_wit)
        .map_err(|error| error.to_string())
}

/// Whole milliseconds, and the longest time there is for a longer one.
pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(payload: &str) -> wit::Job {
        wit::Job {
            id: "1".into(),
            key: "k".into(),
            queue: "q".into(),
            name: "Resize".into(),
            payload: payload.into(),
            attempt: 1,
            max_attempts: Some(1),
            ttr: 60,
            pushed_at: None,
            metadata: Vec::new(),
        }
    }

    #[derive(Debug, serde::Deserialize, serde::Serialize)]
    struct Resize {
        width: u32,
    }

    fn area(job: Job<Resize>) -> Result<Resize, JobError> {
        match job.payload.width {
            0 => Err(JobError::permanent("no-width", "0 pixels")),
            _ => Ok(job.payload),
        }
    }

    #[test]
    fn a_payload_is_read_and_the_output_written_as_json() {
        let payload = r#"{"width":20}"#;
        assert_eq!(handler(area, job(payload)).unwrap(), payload);
        let nothing = |_: Job<Json>| Ok(());
        assert_eq!(handler(nothing, job("{}")).unwrap(), "");
    }

    #[test]
    fn an_unreadable_payload_is_permanent_and_names_path_and_expectation() {
        let Err(wit::JobError::Permanent(failure)) = handler(area, job(r#"{"width":"x"}"#)) else {
            panic!("not permanent");
        };
        assert_eq!(failure.code, "invalid-payload");
        assert!(
            failure.message.starts_with("the payload of Resize: width: invalid type: string \"x\", expected u32"),
            "{}",
            failure.message
        );
        assert_eq!(failure.details[0], ("path".into(), "width".into()));
    }
}
