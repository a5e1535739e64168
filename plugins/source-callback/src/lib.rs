//! Handles `common\jobs\SourceCallbackJob`: tells the source of a task over HTTP that its article is published, or that and
//! why it is not.
//!
//! Settings: for each source, by its name, the URL that hears of its tasks. Secrets: `SOURCE_TOKEN`.

use asset_messages::{Id, SourceCallback};
use jiff::Timestamp;
use jobhost_plugin::http::Request;
use jobhost_plugin::{Job, JobError, config, secrets};
use serde::Serialize;

/// What the source is sent.
#[derive(Serialize)]
struct Told<'a> {
    channel_id: Option<&'a Id>,
    channel_code: Option<&'a str>,
    task_id: Option<&'a Id>,
    status: &'static str,
    code: &'a str,
    message: &'a str,
    article_id: Option<&'a Id>,
    /// When this became of the task: a callback that had to be repeated may come after a newer one. RFC 3339, UTC.
    created_at: Option<Timestamp>,
}

#[jobhost_plugin::handler]
fn source_callback(job: Job<SourceCallback>) -> Result<(), JobError> {
    let callback = &job.payload;
    let Some(source) = callback.source.as_deref() else {
        return Err(JobError::permanent("no-source", "the task names no source, so nobody can be told"));
    };
    let told = Told {
        channel_id: callback.channel_id.as_ref(),
        channel_code: callback.channel_code.as_deref(),
        task_id: callback.task_id.as_ref(),
        status: if callback.article_id.is_some() { "published" } else { "failed" },
        code: &callback.code,
        message: &callback.message,
        article_id: callback.article_id.as_ref(),
        created_at: job.pushed_at.and_then(|time| Timestamp::try_from(time).ok()),
    };
    Request::post(&config::required(source)?)
        .header("authorization", format!("Bearer {}", secrets::get("SOURCE_TOKEN")?))
        .header("content-type", "application/json")
        .header("idempotency-key", &job.key)
        .deliver(serde_json::to_vec(&told)?)?;
    Ok(())
}
