//! What stands between an annotated function and the component's export:
//! conversions and JSON. The attributes call it; plugins do not.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::context::{self, Level};
use crate::draft::{Draft, whole_seconds};
use crate::error::{HookError, JobError};
use crate::hook::{AttemptReport, ExecDecision, FailureCause, PushDecision, RetryDecision};
use crate::job::{InvalidJson, Job, Json};

/// The types of the interface as they were generated.
pub mod wit {
    pub use crate::bindings::before_exec::exports::jobhost::plugin::before_exec::ExecDecision;
    pub use crate::bindings::before_push::exports::jobhost::plugin::before_push::PushDecision;
    pub use crate::bindings::imports::jobhost::plugin::types::*;
}

/// What comes before every call; `own` is the module with the function.
pub fn begin(own: &'static str) {
    #[cfg(feature = "tracing")]
    crate::traced::start(own);
    #[cfg(not(feature = "tracing"))]
    let _ = own;
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
        JobError::permanent("invalid-payload", unreadable("payload", &name, &error))
            .detail("path", error.path)
            .detail("reason", error.reason)
    })?;
    let output = run(job)?;
    let text = serde_json::to_string(&output)
        .map_err(|error| JobError::permanent("invalid-output", format!("the output of {name}: {error}")))?;
    // A handler that returns () has no output, which is not the same as null.
    Ok(if text == "null" { String::new() } else { text })
}

pub fn time_to_run<P: DeserializeOwned + 'static>(
    ask: impl FnOnce(&Draft<P>) -> Option<Duration>,
    draft: wit::JobDraft,
) -> Option<u32> {
    let name = draft.name.clone();
    match Draft::from_wit(draft).read_for() {
        Ok(draft) => ask(&draft).map(whole_seconds),
        Err(error) => {
            let line = format!("{}; its time to run is left to the queue", unreadable("payload", &name, &error));
            context::log(Level::Warn, &line);
            None
        }
    }
}

pub fn retry_policy<P: DeserializeOwned + 'static>(
    ask: impl FnOnce(&Job<P>, &FailureCause) -> RetryDecision,
    job: wit::Job,
    cause: wit::FailureCause,
) -> wit::RetryDecision {
    let name = job.name.clone();
    match Job::from_wit(job).read_for() {
        Ok(job) => ask(&job, &FailureCause::from_wit(cause)),
        Err(error) => {
            let line =
                format!("{}; whether it is tried again is left to the queue", unreadable("payload", &name, &error));
            context::log(Level::Warn, &line);
            RetryDecision::Unchanged
        }
    }
    .into_wit()
}

pub fn before_push<P: DeserializeOwned + 'static>(
    hear: impl FnOnce(Draft<P>) -> Result<PushDecision, HookError>,
    draft: wit::JobDraft,
) -> Result<wit::PushDecision, String> {
    let name = draft.name.clone();
    let draft = Draft::from_wit(draft).read_for();
    let draft = draft.map_err(|error| HookError::new(unreadable("payload", &name, &error)));
    draft.and_then(hear).map(PushDecision::into_wit).map_err(|error| error.to_string())
}

pub fn before_exec<P: DeserializeOwned + 'static>(
    hear: impl FnOnce(&Job<P>) -> Result<ExecDecision, HookError>,
    job: wit::Job,
) -> Result<wit::ExecDecision, String> {
    let heard = heard(job).and_then(|job| hear(&job));
    heard.map(ExecDecision::into_wit).map_err(|error| error.to_string())
}

pub fn after_exec<P: DeserializeOwned + 'static, O: DeserializeOwned + 'static>(
    hear: impl FnOnce(&Job<P>, &O, &AttemptReport) -> Result<(), HookError>,
    job: wit::Job,
    output: String,
    report: wit::AttemptReport,
) -> Result<(), String> {
    let report = AttemptReport::from_wit(report);
    let output =
        Json::from_text(output).read_for().map_err(|error| HookError::new(unreadable("output", &job.name, &error)));
    let heard = output.and_then(|output| hear(&heard(job)?, &output, &report));
    heard.map_err(|error| error.to_string())
}

pub fn after_error<P: DeserializeOwned + 'static>(
    hear: impl FnOnce(&Job<P>, &FailureCause, &RetryDecision, &AttemptReport) -> Result<RetryDecision, HookError>,
    job: wit::Job,
    cause: wit::FailureCause,
    decision: wit::RetryDecision,
    report: wit::AttemptReport,
) -> Result<wit::RetryDecision, String> {
    let cause = FailureCause::from_wit(cause);
    let decision = RetryDecision::from_wit(decision);
    let report = AttemptReport::from_wit(report);
    let heard = heard(job).and_then(|job| hear(&job, &cause, &decision, &report));
    heard.map(RetryDecision::into_wit).map_err(|error| error.to_string())
}

/// The job as a hook takes it.
fn heard<P: DeserializeOwned + 'static>(job: wit::Job) -> Result<Job<P>, HookError> {
    let name = job.name.clone();
    Job::from_wit(job).read_for().map_err(|error| HookError::new(unreadable("payload", &name, &error)))
}

fn unreadable(what: &str, name: &str, error: &InvalidJson) -> String {
    format!("the {what} of {name}: {error}")
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

    fn draft(payload: &str) -> wit::JobDraft {
        wit::JobDraft {
            queue: "q".into(),
            name: "Resize".into(),
            payload: payload.into(),
            delay: None,
            ttr: None,
            metadata: Vec::new(),
        }
    }

    #[test]
    fn what_is_asked_about_a_draft_takes_its_payload_as_its_type() {
        let ask = |draft: &Draft<Resize>| Some(Duration::from_secs(draft.payload.width.into()));
        assert_eq!(time_to_run(ask, draft(r#"{"width":20}"#)), Some(20));
        let nothing = |draft: &Draft<std::collections::HashMap<String, u32>>| {
            draft.payload.is_empty().then_some(Duration::from_secs(1))
        };
        assert_eq!(time_to_run(nothing, draft("")), Some(1));
        let hear = |draft: Draft<Resize>| Ok(PushDecision::Reject(format!("{} pixels", draft.payload.width)));
        let decision = before_push(hear, draft(r#"{"width":20}"#)).unwrap();
        assert!(matches!(&decision, wit::PushDecision::Reject(why) if why == "20 pixels"), "{decision:?}");
        let told = before_push(hear, draft(r#"{"width":"x"}"#)).unwrap_err();
        assert!(told.starts_with("the payload of Resize: width: invalid type"), "{told}");
        let any = |draft: Draft| Ok(PushDecision::Replace(draft));
        let decision = before_push(any, draft("no JSON")).unwrap();
        assert!(matches!(&decision, wit::PushDecision::Replace(draft) if draft.payload == "no JSON"), "{decision:?}");
    }

    fn report() -> wit::AttemptReport {
        wit::AttemptReport { waited: None, duration: 1, peak_memory: 1, plugin_digest: "sha256:0".to_owned() }
    }

    #[test]
    fn a_hook_takes_payload_and_output_as_its_types() {
        let hear = |job: &Job<Resize>, output: &Option<Resize>, _: &AttemptReport| {
            assert_eq!((job.payload.width, output.as_ref().map(|output| output.width)), (20, None));
            Ok(())
        };
        assert_eq!(after_exec(hear, job(r#"{"width":20}"#), String::new(), report()), Ok(()));
        let ask = |job: &Job<Resize>, _: &FailureCause| {
            RetryDecision::RetryAfter(Duration::from_secs(job.payload.width.into()))
        };
        let decision = retry_policy(ask, job(r#"{"width":20}"#), wit::FailureCause::Crashed(1));
        assert!(matches!(decision, wit::RetryDecision::RetryAfter(20_000)), "{decision:?}");
    }

    #[test]
    fn a_hook_fails_on_what_it_cannot_read_and_takes_json_as_it_is() {
        let typed = |_: &Job<Resize>| Ok(ExecDecision::Proceed);
        let told = before_exec(typed, job(r#"{"width":"x"}"#)).unwrap_err();
        assert!(told.starts_with("the payload of Resize: width: invalid type"), "{told}");
        let any = |job: &Job, output: &Json, _: &AttemptReport| {
            assert_eq!((job.payload.as_text(), output.as_text()), ("{} ", "no JSON"));
            Ok(())
        };
        assert_eq!(after_exec(any, job("{} "), "no JSON".to_owned(), report()), Ok(()));
        let typed = |_: &Job, _: &u32, _: &AttemptReport| Ok(());
        let told = after_exec(typed, job("{}"), "no JSON".to_owned(), report()).unwrap_err();
        assert!(told.starts_with("the output of Resize: .: expected ident"), "{told}");
    }
}
