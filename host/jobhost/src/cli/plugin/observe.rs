//! Runs a sample in the real sandbox, without a store, and notes all that comes of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jobhost_queue::envelope;
use jobhost_runtime::types::{
    AttemptReport, DelayedFailure, ExecDecision, Failure as Told, FailureCause, Job, JobDraft, JobError, Level,
    PushDecision, PushError, RetryDecision,
};
use jobhost_runtime::{Call, CallHost, Finished, Interrupt, Outcome, Plugin, Usage};
use serde_json::{Value, json};

use crate::cause;
use crate::exit::CliError;
use crate::project::sample::{
    Cause, CauseKind, Ending, Failure, HookCall, Line, Observed, Progress, Push, Question, Sample, SampleJob,
};

/// What a sample came to.
pub(super) struct Run {
    /// What is compared.
    pub(super) observed: Observed,
    /// What was refused, with the lines that would allow it.
    pub(super) refused: Vec<String>,
    /// What it cost.
    pub(super) usage: Usage,
    /// The guest's stack, where it was ended.
    pub(super) backtrace: Option<String>,
}

/// What the configuration says of the job.
pub(super) struct Setting<'a> {
    /// The name of jobs that say none.
    pub(super) name: &'a str,
    /// The queue of jobs that say none.
    pub(super) queue: &'a str,
    /// Of jobs that say none.
    pub(super) ttr: Duration,
}

/// Calls the plugin as the sample has it.
pub(super) async fn run(plugin: &Plugin, sample: &Sample, setting: &Setting<'_>) -> Result<Run, CliError> {
    let recorder = Arc::new(Recorder::default());
    let ttr = sample.ttr.unwrap_or(setting.ttr);
    let runs = sample.job.hook.is_none() && sample.job.ask.is_none();
    let budget = if runs { ttr } else { sample.ttr.unwrap_or_else(|| plugin.timeout()) };
    let call = Call { budget, host: recorder.clone(), interrupt: Interrupt::default() };
    let report =
        AttemptReport { waited: None, duration: 1, peak_memory: 1 << 20, plugin_digest: plugin.digest().to_owned() };
    let job = || job(&sample.job, setting, ttr);
    let draft = || draft(&sample.job, setting);
    let (observed, usage, backtrace) = match (&sample.job.hook, &sample.job.ask) {
        (None, None) => ended(plugin.execute(job()?, call).await, returned)?,
        (Some(HookCall::BeforePush { delay_ms }), _) => {
            let draft = JobDraft { delay: *delay_ms, ttr: sample.ttr.map(whole_seconds), ..draft() };
            ended(plugin.before_push(draft, call).await, |result| hooked(result.map(pushed).map(Some)))?
        }
        (Some(HookCall::BeforeExec {}), _) => {
            ended(plugin.before_exec(job()?, call).await, |result| hooked(result.map(begun).map(Some)))?
        }
        (Some(HookCall::AfterExec { output }), _) => {
            let output = output.as_ref().map(Value::to_string).unwrap_or_default();
            ended(plugin.after_exec(job()?, output, report, call).await, |result| hooked(result.map(|()| None)))?
        }
        (Some(HookCall::AfterError { cause }), _) => {
            let (cause, decision) = failed(cause, ttr);
            let finished = plugin.after_error(job()?, cause, decision, report, call).await;
            ended(finished, |result| hooked(result.map(decided).map(Some)))?
        }
        (None, Some(Question::GetTtr {})) => {
            ended(plugin.get_ttr(draft(), call).await, |ttr| hooked(Ok(Some(allowed(ttr)))))?
        }
        (None, Some(Question::CanRetry { cause })) => {
            let (cause, _) = failed(cause, ttr);
            ended(plugin.can_retry(job()?, cause, call).await, |decision| hooked(Ok(Some(decided(decision)))))?
        }
    };
    let heard = std::mem::take(&mut *recorder.0.lock().unwrap_or_else(PoisonError::into_inner));
    let observed = Observed {
        pushes: Some(heard.pushes),
        progress: Some(heard.progress),
        logs: Some(heard.logs),
        stdout: Some(usage.stdout.clone()),
        stderr: Some(usage.stderr.clone()),
        ..observed
    };
    Ok(Run { observed, refused: heard.refused, usage, backtrace })
}

fn job(sample: &SampleJob, setting: &Setting<'_>, ttr: Duration) -> Result<Job, CliError> {
    let name = sample.name.as_deref().unwrap_or(setting.name).to_owned();
    let text = Value::from(sample.payload.clone()).to_string();
    let body = envelope::encode(&name, &text).map_err(|error| CliError::Usage(error.to_string()))?;
    Ok(Job {
        id: "1".to_owned(),
        key: "sample".to_owned(),
        queue: sample.queue.as_deref().unwrap_or(setting.queue).to_owned(),
        name,
        payload: String::from_utf8(body).map_err(|error| CliError::Bug(error.to_string()))?,
        attempt: sample.attempt.unwrap_or(1),
        max_attempts: sample.max_attempts,
        ttr: whole_seconds(ttr),
        pushed_at: None,
        metadata: sample.metadata.clone().into_iter().collect(),
    })
}

/// What the job was before it was stored.
fn draft(sample: &SampleJob, setting: &Setting<'_>) -> JobDraft {
    JobDraft {
        queue: sample.queue.as_deref().unwrap_or(setting.queue).to_owned(),
        name: sample.name.as_deref().unwrap_or(setting.name).to_owned(),
        payload: Value::from(sample.payload.clone()).to_string(),
        delay: None,
        ttr: None,
        metadata: sample.metadata.clone().into_iter().collect(),
    }
}

/// Rounded up, at least 1, as a time to run is stored.
fn whole_seconds(ttr: Duration) -> u32 {
    let whole = ttr.as_secs().saturating_add(u64::from(ttr.subsec_nanos() > 0));
    u32::try_from(whole).unwrap_or(u32::MAX).max(1)
}

/// The cause that a hook is told, and what would become of the job without it.
fn failed(cause: &Cause, ttr: Duration) -> (FailureCause, RetryDecision) {
    let told = || Told { code: cause.code.clone(), message: cause.message.clone(), details: Vec::new() };
    let again = RetryDecision::RetryAfter(1000);
    match cause.outcome {
        CauseKind::Temporary => (FailureCause::Returned(JobError::Temporary(told())), again),
        CauseKind::Permanent => {
            (FailureCause::Returned(JobError::Permanent(told())), RetryDecision::GiveUp(cause.message.clone()))
        }
        CauseKind::TimedOut => (FailureCause::TimedOut(u64::try_from(ttr.as_millis()).unwrap_or(u64::MAX)), again),
        CauseKind::Trapped => (FailureCause::Trapped(cause.message.clone()), again),
    }
}

type Ended = (Observed, Usage, Option<String>);

/// How the call ended; `returned` says what the guest's answer means.
fn ended<T>(finished: Finished<T>, returned: impl FnOnce(T) -> Observed) -> Result<Ended, CliError> {
    let Finished { outcome, usage } = finished;
    match outcome {
        Outcome::Returned(answer) => Ok((returned(answer), usage, None)),
        Outcome::Faulted(fault) => {
            let error = Failure { message: Some(cause::message(&fault.cause)), ..Failure::default() };
            let observed = Observed { outcome: Some(ending(&fault.cause)), error: Some(error), ..Observed::default() };
            Ok((observed, usage, fault.backtrace))
        }
        Outcome::Cancelled => Err(CliError::Bug("the call was cancelled, which nobody asked for".to_owned())),
        Outcome::Unavailable(why) => Err(CliError::NotSo(why)),
    }
}

fn returned(result: Result<String, JobError>) -> Observed {
    let (outcome, failure, after_ms) = match result {
        Ok(output) => {
            let output = if output.is_empty() { Value::Null } else { json_or_text(&output) };
            return Observed { outcome: Some(Ending::Done), output: Some(output), ..Observed::default() };
        }
        Err(JobError::Temporary(failure)) => (Ending::Temporary, failure, None),
        Err(JobError::Permanent(failure)) => (Ending::Permanent, failure, None),
        Err(JobError::RetryAfter(DelayedFailure { failure, after })) => (Ending::RetryAfter, failure, Some(after)),
    };
    let error = Failure { after_ms, ..failure_of(failure) };
    Observed { outcome: Some(outcome), error: Some(error), ..Observed::default() }
}

fn failure_of(failure: Told) -> Failure {
    let details: BTreeMap<_, _> = failure.details.into_iter().collect();
    Failure {
        code: Some(failure.code),
        message: Some(failure.message),
        details: (!details.is_empty()).then_some(details),
        after_ms: None,
    }
}

fn hooked(result: Result<Option<Value>, String>) -> Observed {
    match result {
        Ok(decision) => Observed { outcome: Some(Ending::Done), decision, ..Observed::default() },
        Err(message) => {
            let error = Failure { message: Some(message), ..Failure::default() };
            Observed { outcome: Some(Ending::Failed), error: Some(error), ..Observed::default() }
        }
    }
}

fn pushed(decision: PushDecision) -> Value {
    match decision {
        PushDecision::Accept => "accept".into(),
        PushDecision::Replace(draft) => json!({ "replace": push_of(draft, false) }),
        PushDecision::Reject(why) => json!({ "reject": why }),
    }
}

fn begun(decision: ExecDecision) -> Value {
    match decision {
        ExecDecision::Proceed => "proceed".into(),
        ExecDecision::Skip(why) => json!({ "skip": why }),
        ExecDecision::Postpone(by) => json!({ "postpone_ms": by }),
        ExecDecision::Fail(failure) => json!({ "fail": failure_of(failure) }),
    }
}

fn allowed(ttr: Option<u32>) -> Value {
    ttr.map_or_else(|| "no_opinion".into(), |seconds| json!({ "ttr": seconds }))
}

fn decided(decision: RetryDecision) -> Value {
    match decision {
        RetryDecision::Unchanged => "unchanged".into(),
        RetryDecision::Retry => "retry".into(),
        RetryDecision::RetryAfter(after) => json!({ "retry_after_ms": after }),
        RetryDecision::GiveUp(why) => json!({ "give_up": why }),
    }
}

fn ending(cause: &FailureCause) -> Ending {
    match cause {
        FailureCause::TimedOut(_) => Ending::TimedOut,
        FailureCause::OutOfMemory(_) => Ending::OutOfMemory,
        FailureCause::OutOfFuel(_) => Ending::OutOfFuel,
        FailureCause::Trapped(_) => Ending::Trapped,
        FailureCause::Exited(_) => Ending::Exited,
        FailureCause::Limit(_) => Ending::Limit,
        _ => Ending::Other,
    }
}

fn json_or_text(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}

/// Notes what a call does.
#[derive(Default)]
struct Recorder(Mutex<Heard>);

#[derive(Default)]
struct Heard {
    pushes: Vec<Push>,
    progress: Vec<Progress>,
    logs: Vec<Line>,
    refused: Vec<String>,
}

impl Recorder {
    fn note(&self, note: impl FnOnce(&mut Heard)) {
        note(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

fn push_of(draft: JobDraft, now: bool) -> Push {
    Push {
        queue: draft.queue,
        name: draft.name,
        payload: if draft.payload.is_empty() { json!({}) } else { json_or_text(&draft.payload) },
        now,
        delay_ms: draft.delay,
        ttr: draft.ttr,
        metadata: draft.metadata.into_iter().collect(),
    }
}

#[async_trait]
impl CallHost for Recorder {
    async fn push(&self, drafts: Vec<JobDraft>) -> Result<(), PushError> {
        self.note(|heard| heard.pushes.extend(drafts.into_iter().map(|draft| push_of(draft, false))));
        Ok(())
    }

    async fn push_now(&self, draft: JobDraft) -> Result<String, PushError> {
        let mut id = String::new();
        self.note(|heard| {
            id = format!("{}/{}", draft.queue, heard.pushes.len() + 1);
            heard.pushes.push(push_of(draft, true));
        });
        Ok(id)
    }

    fn progress(&self, done: u32, total: Option<u32>, note: &str) {
        self.note(|heard| heard.progress.push(Progress { done, total, note: note.to_owned() }));
    }

    fn log(&self, level: Level, message: &str) {
        let level = match level {
            Level::Trace => "trace",
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        };
        self.note(|heard| heard.logs.push(Line { level: level.to_owned(), message: message.to_owned() }));
    }

    fn refused(&self, advice: &str) {
        self.note(|heard| heard.refused.push(advice.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_told_its_time_to_run_as_a_stored_job_is() {
        for (ttr, told) in [(1, 1), (1000, 1), (1001, 2), (1500, 2), (300_000, 300)] {
            assert_eq!(whole_seconds(Duration::from_millis(ttr)), told, "{ttr} ms");
        }
    }
}
