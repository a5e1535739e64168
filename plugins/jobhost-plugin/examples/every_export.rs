//! A plugin that exports all there is: what each attribute takes and gives.

use std::time::Duration;

use jobhost_plugin::{
    AttemptReport, Draft, ExecDecision, FailureCause, HookError, Job, JobError, Json, PushDecision, RetryDecision,
    context, info, queue,
};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Order {
    number: u64,
    mail: String,
}

#[derive(Serialize)]
struct Receipt {
    number: u64,
    lines: Vec<String>,
}

#[jobhost_plugin::handler]
fn confirm(job: Job<Order>) -> Result<Receipt, JobError> {
    info!("attempt {} of {}", job.attempt, job.key);
    context::progress(0, 1, "confirming");
    if job.payload.number == 0 {
        return Err(JobError::permanent("no-number", "orders count from 1"));
    }
    if context::remaining() < Duration::from_secs(1) {
        let wait = Duration::from_secs(30);
        return Err(JobError::retry_after(wait, "late", "no time left").detail("queue", &job.queue));
    }
    // Any std error is a temporary one.
    let lines = std::fs::read_to_string("/orders/lines.txt")?;
    let mail = Draft::new("mail", "SendMail", &serde_json::json!({"to": job.payload.mail}))?
        .delay(Duration::from_mins(5))
        .metadata("order", job.payload.number.to_string());
    queue::push(mail)?;
    Ok(Receipt { number: job.payload.number, lines: lines.lines().map(str::to_owned).collect() })
}

#[jobhost_plugin::time_to_run]
fn time_to_run(draft: &Draft) -> Option<Duration> {
    let big = draft.payload.as_text().len() > 1 << 20;
    big.then_some(Duration::from_mins(30))
}

#[jobhost_plugin::retry_policy]
fn retry_policy(job: &Job, cause: &FailureCause) -> RetryDecision {
    match cause {
        FailureCause::TimedOut(_) if job.attempt < 5 => RetryDecision::Retry,
        FailureCause::Trapped(trap) => RetryDecision::GiveUp(trap.clone()),
        _ => RetryDecision::Unchanged,
    }
}

#[jobhost_plugin::before_push]
fn check_draft(draft: Draft) -> Result<PushDecision, HookError> {
    let order: Json = draft.payload.read()?;
    if order.as_text().contains("test@") {
        return Ok(PushDecision::Reject("test orders stay out".to_owned()));
    }
    Ok(PushDecision::Replace(draft.metadata("checked", "yes")))
}

#[jobhost_plugin::before_exec]
fn before(job: &Job<Order>) -> Result<ExecDecision, HookError> {
    Ok(match job.payload.number % 2 {
        0 => ExecDecision::Proceed,
        _ => ExecDecision::Postpone(Duration::from_secs(1)),
    })
}

#[jobhost_plugin::after_exec]
fn after(job: &Job, output: &Json, report: &AttemptReport) -> Result<(), HookError> {
    info!("{} took {:?}: {}", job.id, report.duration, output.as_text());
    Ok(())
}

#[jobhost_plugin::after_error]
fn after_failure(
    job: &Job,
    cause: &FailureCause,
    decision: &RetryDecision,
    _report: &AttemptReport,
) -> Result<RetryDecision, HookError> {
    jobhost_plugin::warn!("{}: {cause}, {decision:?}", job.id);
    Ok(RetryDecision::Unchanged)
}
