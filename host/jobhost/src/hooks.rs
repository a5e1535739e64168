//! Asks the hook plugins of a queue, in their order, and weighs their answers.
//! A hook that fails is as if it had not been there, or, `closed`, fails what
//! it guards; either way its pushes are dropped. One that the worker itself
//! ends has not failed: the job is to be handed back, and it is asked again.

use std::sync::atomic::AtomicBool;
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
use crate::worker::tally::Running;

/// What the hooks of one moment came to.
pub(crate) struct Asked<T> {
    /// Their answer.
    pub(crate) answer: T,
    /// What they pushed.
    pub(crate) pushes: Vec<FollowUp>,
    /// Those that ran, and whether they failed.
    pub(crate) ran: Vec<(Plugin, bool)>,
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
    /// The attempt was cancelled meanwhile.
    Cancelled,
}

/// The answer of the after-exec hooks.
pub(crate) enum AfterExec {
    /// All have heard of it, or have failed to.
    Told,
    /// The attempt was cancelled meanwhile.
    Cancelled,
}

pub(crate) async fn before_exec(scope: &AttemptScope, hooks: &[Hook], job: &Job) -> Asked<BeforeExec> {
    let mut asked = Asked { answer: BeforeExec::Proceed, pushes: Vec::new(), ran: Vec::new(), took: Duration::ZERO };
    for hook in having(hooks, |exports| exports.before_exec) {
        let calls = calls(scope, &hook.plugin);
        let running = scope.tally.begin(&hook.plugin);
        let finished = hook.plugin.before_exec(job.clone(), call(&calls, &hook.plugin)).await;
        asked.took += finished.usage.duration;
        asked.ran.extend(ran(hook, &finished));
        match answer_of(hook, "before-exec", job, (finished, running)) {
            Answer::Said(ExecDecision::Proceed) => asked.pushes.extend(calls.take_staged()),
            Answer::Said(decision) => {
                asked.pushes.extend(calls.take_staged());
                asked.answer = BeforeExec::Decided { hook: hook.plugin.name().into(), decision };
                return asked;
            }
            Answer::NotThere(_) => {}
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
) -> Asked<AfterExec> {
    let mut asked = Asked { answer: AfterExec::Told, pushes: Vec::new(), ran: Vec::new(), took: Duration::ZERO };
    for hook in having(hooks, |exports| exports.after_exec) {
        let calls = calls(scope, &hook.plugin);
        let call = call(&calls, &hook.plugin);
        let running = scope.tally.begin(&hook.plugin);
        let finished = hook.plugin.after_exec(job.clone(), output.to_owned(), report.clone(), call).await;
        asked.took += finished.usage.duration;
        asked.ran.extend(ran(hook, &finished));
        match answer_of(hook, "after-exec", job, (finished, running)) {
            Answer::Said(()) => asked.pushes.extend(calls.take_staged()),
            // The job did run: when a hook fails, it stays done.
            Answer::NotThere(_) | Answer::Broken(_) => {}
            Answer::Cancelled => {
                asked.answer = AfterExec::Cancelled;
                return asked;
            }
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
    let running = scope.tally.begin(&hook.plugin);
    let finished = hook.plugin.after_error(job.clone(), cause.clone(), so_far, report.clone(), call).await;
    let (took, ran) = (finished.usage.duration, ran(hook, &finished).into_iter().collect());
    let (answer, pushes) = match answer_of(hook, "after-error", job, (finished, running)) {
        Answer::Said(decision) => (AfterError::Says(decision), calls.take_staged()),
        Answer::NotThere(_) => (AfterError::Says(RetryDecision::Unchanged), Vec::new()),
        Answer::Broken(which) => (AfterError::Broken(which), Vec::new()),
        Answer::Cancelled => (AfterError::Cancelled, Vec::new()),
    };
    Asked { answer, pushes, ran, took }
}

/// The hooks that export one.
pub(crate) fn having(hooks: &[Hook], which: impl Fn(&Exports) -> bool) -> impl Iterator<Item = &Hook> {
    hooks.iter().filter(move |hook| which(hook.plugin.exports()))
}

enum Answer<T> {
    Said(T),
    /// An open hook failed, and why.
    NotThere(String),
    /// A closed one did.
    Broken(String),
    Cancelled,
}

fn answer_of<T>(
    hook: &Hook,
    function: &str,
    job: &Job,
    (finished, running): (Finished<Result<T, String>>, Running),
) -> Answer<T> {
    running.ended(&finished);
    let stderr = finished.usage.stderr.clone();
    let answer = weighed(hook.plugin.name(), hook.on_failure, finished);
    if let Answer::NotThere(why) | Answer::Broken(why) = &answer {
        tracing::warn!(queue = job.queue, job.id = job.id, reason = why, stderr, "a hook has failed in {function}");
    }
    answer
}

/// The hook and whether it failed, unless that is nothing of its own.
fn ran<T>(hook: &Hook, finished: &Finished<Result<T, String>>) -> Option<(Plugin, bool)> {
    let failed = match &finished.outcome {
        Outcome::Returned(answer) => answer.is_err(),
        Outcome::Faulted(_) => true,
        Outcome::Cancelled | Outcome::Unavailable(_) => return None,
    };
    Some((hook.plugin.clone(), failed))
}

fn weighed<T>(name: &str, on_failure: OnFailure, finished: Finished<Result<T, String>>) -> Answer<T> {
    let why = match finished.outcome {
        Outcome::Returned(Ok(answer)) => return Answer::Said(answer),
        // Not even an open one: what it would have pushed would be lost.
        Outcome::Cancelled => return Answer::Cancelled,
        Outcome::Returned(Err(why)) | Outcome::Unavailable(why) => why,
        Outcome::Faulted(fault) => cause::message(&fault.cause),
    };
    let why = format!("{name}: {why}");
    match on_failure {
        OnFailure::Open => Answer::NotThere(why),
        OnFailure::Closed => Answer::Broken(why),
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
        store_failed: AtomicBool::default(),
    })
}

fn call(calls: &Arc<AttemptCalls>, plugin: &Plugin) -> Call {
    Call { budget: plugin.timeout(), host: calls.clone(), interrupt: calls.holding.interrupt.clone() }
}

#[cfg(test)]
mod tests {
    use jobhost_runtime::Usage;

    use super::*;

    fn answer(on_failure: OnFailure, outcome: Outcome<Result<(), String>>) -> &'static str {
        match weighed("h", on_failure, Finished { outcome, usage: Usage::default() }) {
            Answer::Said(()) => "said",
            Answer::NotThere(_) => "not there",
            Answer::Broken(_) => "broken",
            Answer::Cancelled => "cancelled",
        }
    }

    #[test]
    fn a_hook_that_the_worker_ended_has_not_failed() {
        for on_failure in [OnFailure::Open, OnFailure::Closed] {
            assert_eq!(answer(on_failure, Outcome::Returned(Ok(()))), "said");
            assert_eq!(answer(on_failure, Outcome::Cancelled), "cancelled", "{on_failure:?}");
        }
        assert_eq!(answer(OnFailure::Open, Outcome::Returned(Err("no".into()))), "not there");
        assert_eq!(answer(OnFailure::Closed, Outcome::Returned(Err("no".into()))), "broken");
        assert_eq!(answer(OnFailure::Closed, Outcome::Unavailable("no".into())), "broken");
    }
}
