//! Failure causes as people and records have them. The rule of what follows
//! from a cause is `worker/decide.rs`.

use jobhost_queue::Cause;
use jobhost_runtime::types::{Failure, FailureCause, JobError};

use crate::worker::decide::kind;

/// One line or more for a person.
pub fn message(cause: &FailureCause) -> String {
    match cause {
        FailureCause::Returned(error) => failure(error).message.clone(),
        FailureCause::TimedOut(after) => format!("timed out after {after} ms"),
        FailureCause::OutOfMemory(held) => {
            format!("out of memory: it held {held} bytes when it was refused more; the limit is `memory`")
        }
        FailureCause::OutOfFuel(used) => format!("out of fuel after {used} units; the limit is `fuel`"),
        FailureCause::Trapped(text) => format!("trapped: {text}"),
        FailureCause::Exited(status) => format!("the guest ended itself with status {status}"),
        FailureCause::Crashed(times) => format!("it took its worker down {times} times"),
        FailureCause::Limit(which) => format!("a limit was passed: {which}"),
        FailureCause::Unhandled => "no plugin handles this name".into(),
        FailureCause::Undecodable(why) => format!("the stored message cannot be read: {why}"),
        FailureCause::HookFailed(which) => format!("a hook that must not fail did: {which}"),
        FailureCause::Other(text) => text.clone(),
    }
}

/// What is kept with the job.
pub(crate) fn record(cause: &FailureCause) -> Cause {
    let (code, details) = match cause {
        FailureCause::Returned(error) => (failure(error).code.clone(), failure(error).details.clone()),
        _ => (String::new(), Vec::new()),
    };
    Cause { kind: kind(cause).into(), code, message: message(cause), details, ..Cause::default() }
}

fn failure(error: &JobError) -> &Failure {
    match error {
        JobError::Temporary(failure) | JobError::Permanent(failure) => failure,
        JobError::RetryAfter(delayed) => &delayed.failure,
    }
}
