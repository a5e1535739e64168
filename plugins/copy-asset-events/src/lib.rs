//! Hears of every `common\jobs\CopyAssetJob`: hands copied assets on to the
//! queue `upload-asset`; writes tasks that failed for good to the publish log and
//! tells their source through the queue `source-callback`. It decides nothing.

use asset_messages::{SOURCE_CALLBACK, SourceCallback, TaskFields, UPLOAD_ASSET};
use jobhost_plugin::{AttemptReport, Draft, FailureCause, HookError, Job, Json, RetryDecision, queue, warn};
use publish_log::{Entry, PUBLISH_LOG};

/// The output of the copy is the payload of the upload.
#[jobhost_plugin::after_exec]
fn hand_on(_job: &Job, output: &Json, _report: &AttemptReport) -> Result<(), HookError> {
    queue::push(Draft::new("upload-asset", UPLOAD_ASSET, output)?)?;
    Ok(())
}

#[jobhost_plugin::after_error]
fn tell_source(
    job: &Job,
    cause: &FailureCause,
    decision: &RetryDecision,
    _report: &AttemptReport,
) -> Result<RetryDecision, HookError> {
    if !matches!(decision, RetryDecision::GiveUp(_)) {
        return Ok(RetryDecision::Unchanged);
    }
    let task = task_of(job);
    publish_log::append(PUBLISH_LOG.as_ref(), &Entry::failed(job, &task, cause))?;
    if task.task_id.is_none() {
        warn!("job {} names no task, so nobody is told of its failure", job.id);
        return Ok(RetryDecision::Unchanged);
    }
    let callback = SourceCallback::failed(task, cause.code(), &cause.message());
    queue::push(Draft::new("source-callback", SOURCE_CALLBACK, &callback)?)?;
    Ok(RetryDecision::Unchanged)
}

fn task_of(job: &Job) -> TaskFields {
    job.payload.read().unwrap_or_else(|error| {
        warn!("the payload of job {}: {error}", job.id);
        TaskFields::default()
    })
}
