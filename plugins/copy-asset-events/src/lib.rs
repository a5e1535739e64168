//! Hears of every `common\jobs\CopyAssetJob`: hands copied assets on to the
//! queue `upload-asset`; writes tasks that failed for good to the publish log and
//! tells their source through the queue `source-callback`. It decides nothing.

mod publish_log;

use asset_messages::{Id, SOURCE_CALLBACK, UPLOAD_ASSET};
use jobhost_plugin::{AttemptReport, Draft, FailureCause, HookError, Job, Json, RetryDecision, queue, warn};
use publish_log::Entry;
use serde::{Deserialize, Serialize};

const PUBLISH_LOG: &str = "/logs/publish-log.jsonl";

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
    let task = TaskFields::of(job);
    publish_log::append(PUBLISH_LOG.as_ref(), &Entry::failed(&task, cause))?;
    if task.task_id.is_none() {
        warn!("job {} names no task, so nobody is told of its failure", job.id);
        return Ok(RetryDecision::Unchanged);
    }
    let callback = SourceCallback {
        channel_id: task.channel_id,
        channel_code: task.channel_code,
        channel_type_id: task.channel_type_id,
        channel_type_code: task.channel_type_code,
        source: task.source,
        task_id: task.task_id,
        code: cause.code(),
        message: &cause.message(),
    };
    queue::push(Draft::new("source-callback", SOURCE_CALLBACK, &callback)?)?;
    Ok(RetryDecision::Unchanged)
}

/// What can be told of a failed job's task. Its payload may be the very thing
/// that is wrong with it, so nothing is required.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct TaskFields {
    channel_id: Option<Id>,
    channel_code: Option<String>,
    channel_type_id: Option<Id>,
    channel_type_code: Option<String>,
    source: Option<String>,
    task_id: Option<Id>,
}

impl TaskFields {
    fn of(job: &Job) -> Self {
        job.payload.read().unwrap_or_else(|error| {
            warn!("the payload of job {}: {error}", job.id);
            Self::default()
        })
    }
}

/// The payload of [`SOURCE_CALLBACK`].
#[derive(Serialize)]
struct SourceCallback<'a> {
    channel_id: Option<Id>,
    channel_code: Option<String>,
    channel_type_id: Option<Id>,
    channel_type_code: Option<String>,
    source: Option<String>,
    task_id: Option<Id>,
    code: &'a str,
    message: &'a str,
}
