//! Asks the hook plugins of a queue, in their order, and weighs their answers.
//! A hook that fails is as if it had not been there, or, `closed`, fails what
//! it guards; either way its pushes are dropped.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jobhost_queue::FollowUp;
use jobhost_runtime::types::{AttemptReport, ExecDecision, FailureCause, Job, RetryDecision};
use jobhost_runtime::{Call, Exports, Finished, Outcome, Plugin};

use crate::calls::AttemptCalls;
use crate::cause;
use crate::config::OnFailure;
use crate::registry::Hook;
use crate::worker::AttemptScope;

/// What the hooks of one moment came to.
pub(crate) struct Asked<T> {
    /// Their answer.
    pub(crate) answer: T,
    /// What they pushed.
    pub(crate) pushes: Vec<FollowUp>,
    /// How long they ran together.
    pub(crate) took: Duration,
}

/// The answer of the before-exec hooks: the first that is not "proceed".
pub(crate) enum BeforeExec {
    /// All said so.
    Proceed,
    /// One of them decided.
    Decided {
        /// Which hook.
        hook: String,
        /// What.
        decision: ExecDecision,
    },
    /// A closed hook failed.
    Broken(String),
    /// The attempt was cancelled meanwhile.
    Cancelled,
}

/// The answer of one after-error hook.
pub(crate) enum AfterError {
    /// It said this.
    Says(RetryDecision),
    /// A closed hook failed.
    Broken(String),
    /// The attempt was cancelled while a closed hook ran.
    Cancelled,
}

pub(crate) async fn before_exec(scope: &AttemptScope, hooks: &[Hook], job: &Job) -> Asked<BeforeExec> {
    let mut asked = Asked { answer: BeforeExec::Proceed, pushes: Vec::new(), took: Duration::ZERO };
    for hook in having(hooks, |exports| exports.before_exec) {
        let calls = calls(scope, &hook.plugin);
        let finished = hook.plugin.before_exec(job.clone(), call(&calls, &hook.plugin)).await;
        asked.took += finished.usage.duration;
        match answer_of(hook, finished) {
            Answer::Said(ExecDecision::Proceed) => asked.pushes.extend(calls.take_staged()),
            Answer::Said(decision) => {
                asked.pushes.extend(calls.take_staged());
                asked.answer = BeforeExec::Decided { hook: hook.plugin.name().into(), decision };
                return asked;
            }
            Answer::NotThere => {}
            Answer::Broken(which) => {
                asked.answer = BeforeExec::Broken(which);
                return asked;
            }
            Answer::Cancelled => {
                asked.answer = BeforeExec::Cancelled;
                return asked;
            }
        }
    }
    asked
}

pub(crate) async fn after_exec(
    scope: &AttemptScope,
    hooks: &[Hook],
    job: &Job,
    output: &str,
    report: &AttemptReport,
) -> Asked<()> {
    let mut asked = Asked { answer: (), pushes: Vec::new(), took: Duration::ZERO };
    for hook in having(hooks, |exports| exports.after_exec) {
        let calls = calls(scope, &hook.plugin);
        let call = call(&calls, &hook.plugin);
        let finished = hook.plugin.after_exec(job.clone(), output.to_owned(), report.clone(), call).await;
        asked.took += finished.usage.duration;
        // The job did run: whatever becomes of the hook, it stays done.
        if let Answer::Said(()) = answer_of(hook, finished) {
            asked.pushes.extend(calls.take_staged());
        }
    }
    asked
}

/// Asks one hook, since each is given the decision of those before it.
pub(crate) async fn after_error(
    scope: &AttemptScope,
    hook: &Hook,
    job: &Job,
    failure: (&FailureCause, RetryDecision),
    report: &AttemptReport,
) -> Asked<AfterError> {
    let calls = calls(scope, &hook.plugin);
    let call = call(&calls, &hook.plugin);
    let (cause, so_far) = failure;
    let finished = hook.plugin.after_error(job.clone(), cause.clone(), so_far, report.clone(), call).await;
    let took = finished.usage.duration;
    let (answer, pushes) = match answer_of(hook, finished) {
        Answer::Said(decision) => (AfterError::Says(decision), calls.take_staged()),
        Answer::NotThere => (AfterError::Says(RetryDecision::Unchanged), Vec::new()),
        Answer::Broken(which) => (AfterError::Broken(which), Vec::new()),
        Answer::Cancelled => (AfterError::Cancelled, Vec::new()),
    };
    Asked { answer, pushes, took }
}

/// The hooks that export one.
pub(crate) fn having(hooks: &[Hook], which: impl Fn(&Exports) -> bool) -> impl Iterator<Item = &Hook> {
    hooks.iter().filter(move |hook| which(hook.plugin.exports()))
}

enum Answer<T> {
    Said(T),
    NotThere,
    Broken(String),
    Cancelled,
}

fn answer_of<T>(hook: &Hook, finished: Finished<Result<T, String>>) -> Answer<T> {
    let why = match finished.outcome {
        Outcome::Returned(Ok(answer)) => return Answer::Said(answer),
        Outcome::Cancelled if hook.on_failure == OnFailure::Closed => return Answer::Cancelled,
        Outcome::Cancelled => return Answer::NotThere,
        Outcome::Returned(Err(why)) | Outcome::Unavailable(why) => why,
        Outcome::Faulted(fault) => cause::message(&fault.cause),
    };
    let name = hook.plugin.name();
    tracing::warn!(plugin = name, reason = why, stderr = finished.usage.stderr, "a hook has failed");
    match hook.on_failure {
        OnFailure::Open => Answer::NotThere,
        OnFailure::Closed => Answer::Broken(format!("{name}: {why}")),
    }
}

/// A call's own host: what a failing hook pushed is dropped with it.
pub(crate) fn calls(scope: &AttemptScope, plugin: &Plugin) -> Arc<AttemptCalls> {
    Arc::new(AttemptCalls {
        plugin: plugin.name().to_owned(),
        pusher: Arc::clone(&scope.pusher),
        store: Arc::clone(&scope.store),
        holding: Arc::clone(&scope.holding),
        staged: Mutex::default(),
    })
}

fn call(calls: &Arc<AttemptCalls>, plugin: &Plugin) -> Call {
    Call { budget: plugin.timeout(), host: calls.clone(), interrupt: calls.holding.interrupt.clone() }
}
