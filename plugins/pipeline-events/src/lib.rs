//! Hears of every job of the asset pipeline. A task is begun by the job that copies it; copied assets are handed on to
//! the queue `upload-asset`; and whatever fails for good, in any stage, is written to the publish log and called back
//! through the queue `source-callback`.
//!
//! Its last duty must not depend on anything that can fail, or nobody would hear of a task: the callback is pushed whether or
//! not the log and the task's record could be written, which the job's log then says. Bucket: `tasks`. Folder: `/logs`.

use std::borrow::Cow;

use asset_messages::{COPY_ASSET, SOURCE_CALLBACK, SourceCallback, TaskFields, UPLOAD_ASSET};
use asset_tasks::{Record, Run};
use jobhost_plugin::{
    AttemptReport, Draft, ExecDecision, FailureCause, HookError, Job, JobError, Json, RetryDecision, error, queue, warn,
};
use publish_log::{Entry, PUBLISH_LOG};

#[jobhost_plugin::before_exec]
fn begin(job: &Job) -> Result<ExecDecision, HookError> {
    let task = task_of(job);
    let (COPY_ASSET, Some(source), Some(id)) = (&*job.name, &task.source, &task.task_id) else {
        // A payload without them is the handler's to refuse.
        return Ok(ExecDecision::Proceed);
    };
    let begun = Record::open(source, id).and_then(|record| record.begin(&job.key));
    Ok(match begun {
        Ok(None) => ExecDecision::Proceed,
        Ok(Some(state)) => ExecDecision::Skip(format!("task {id} belongs to another job and is {state}")),
        Err(why) if why.is_permanent() => ExecDecision::Fail(why.failure().clone()),
        Err(why) => return Err(HookError::new(why.to_string())),
    })
}

/// The output of the copy is the payload of the upload.
#[jobhost_plugin::after_exec]
fn hand_on(job: &Job, output: &Json, _report: &AttemptReport) -> Result<(), HookError> {
    if job.name == COPY_ASSET {
        queue::push(Run::of(job).mark(Draft::new("upload-asset", UPLOAD_ASSET, output)?))?;
    }
    Ok(())
}

#[jobhost_plugin::after_error]
fn tell(
    job: &Job,
    cause: &FailureCause,
    decision: &RetryDecision,
    _report: &AttemptReport,
) -> Result<RetryDecision, HookError> {
    if !matches!(decision, RetryDecision::GiveUp(_)) {
        return Ok(RetryDecision::Unchanged);
    }
    let task = task_of(job);
    if let Err(why) = publish_log::append(PUBLISH_LOG.as_ref(), &Entry::failed(job, &task, cause)) {
        error!("{why}; it misses that {} failed: {cause}", job.key);
    }
    // That a callback failed cannot be called back.
    if job.name == SOURCE_CALLBACK {
        return Ok(RetryDecision::Unchanged);
    }
    if let Err(why) = note_failure(job, &task) {
        warn!("the task's record does not say that it has failed: {why}");
    }
    if task.task_id.is_none() {
        warn!("job {} names no task, so nobody is told of its failure", job.id);
        return Ok(RetryDecision::Unchanged);
    }
    let callback = SourceCallback::failed(task, cause.code(), &message(job, cause));
    queue::push(Draft::new("source-callback", SOURCE_CALLBACK, &callback)?)?;
    Ok(RetryDecision::Unchanged)
}

/// The source cannot know what it was that took too long.
fn message<'c>(job: &Job, cause: &'c FailureCause) -> Cow<'c, str> {
    match cause {
        FailureCause::Returned(_) => cause.message(),
        _ => format!("{}: {}", job.queue, cause.message()).into(),
    }
}

fn note_failure(job: &Job, task: &TaskFields) -> Result<(), JobError> {
    if let (Some(source), Some(id)) = (&task.source, &task.task_id) {
        Record::open(source, id)?.failed(&Run::of(job), &job.key)?;
    }
    Ok(())
}

fn task_of(job: &Job) -> TaskFields {
    job.payload.read().unwrap_or_else(|error| {
        warn!("the payload of job {}: {error}", job.id);
        TaskFields::default()
    })
}
