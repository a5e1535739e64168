//! Announces greetings and gives up on what will never work: hooks to change into your own.

use jobhost_plugin::{AttemptReport, Draft, FailureCause, HookError, Job, RetryDecision, info, queue, warn};
use serde::{Deserialize, Serialize};

/// The output of the jobs that are done.
#[derive(Deserialize, Serialize)]
struct Greeting {
    text: String,
}

/// Hears of every job that is done. With `Json` in place of `Greeting` it would take any output.
#[jobhost_plugin::after_exec]
fn announce(job: &Job, greeting: &Greeting, _report: &AttemptReport) -> Result<(), HookError> {
    info!("{} is done", job.name);
    // Stored in the step that settles the job, or not at all.
    queue::push(Draft::new("follow-up", "announce", greeting)?)?;
    Ok(())
}

/// Hears of every attempt that has failed, and has the last word on what becomes of the job.
#[jobhost_plugin::after_error]
fn decide(
    job: &Job,
    cause: &FailureCause,
    _decision: &RetryDecision,
    _report: &AttemptReport,
) -> Result<RetryDecision, HookError> {
    warn!("{} has failed: {}", job.name, cause.code());
    if cause.code() == "no-name" {
        return Ok(RetryDecision::GiveUp("nobody will have a name later".to_owned()));
    }
    Ok(RetryDecision::Unchanged)
}
