//! Handles `common\jobs\PublishArticleJob`: publishes the article of a task whose assets are all uploaded, over HTTP, and
//! lets the source know through the queue `source-callback`.
//!
//! Settings: `articles-url`, where articles are posted. Secrets: `CHANNEL_TOKEN`. Bucket: `tasks`.

use asset_messages::{AssetKind, Id, PublishArticle, SOURCE_CALLBACK, SourceCallback, Stored};
use asset_tasks::{Record, Run, Task, TaskAsset, unknown};
use jobhost_plugin::http::Request;
use jobhost_plugin::{Draft, Job, JobError, config, queue, secrets};
use serde::Serialize;

/// What became of the job.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Publication {
    /// The channel's id of the article.
    Published { article_id: Id },
    /// Nothing was done, and why.
    Skipped { reason: String },
}

/// What the channel is sent.
#[derive(Serialize)]
struct Article<'a> {
    channel_id: &'a Id,
    source: &'a str,
    task_id: &'a Id,
    assets: Vec<Part<'a>>,
}

#[derive(Serialize)]
struct Part<'a> {
    #[serde(rename = "type")]
    kind: AssetKind,
    channel_article_id: &'a Id,
    asset_id: &'a Id,
}

#[jobhost_plugin::handler]
fn publish_article(job: Job<PublishArticle>) -> Result<Publication, JobError> {
    let (run, source, id) = (Run::of(&job), &job.payload.source, &job.payload.task_id);
    let record = Record::open(source, id)?;
    let task = record.read()?.ok_or_else(|| unknown(id))?;
    if task.run != run.key {
        let reason = format!("task {id} belongs to another job and is {}", task.state);
        return Ok(Publication::Skipped { reason });
    }
    let article_id = match &task.article_id {
        // Of an attempt that was lost before it was settled.
        Some(article_id) => article_id.clone(),
        None => post(&job, &task)?,
    };
    record.published(&run, &job.key, &article_id)?;
    let message = format!("task {id} is published with {} assets", task.assets.len());
    let callback = SourceCallback::published(job.payload, &message, article_id.clone());
    queue::push(Draft::new("source-callback", SOURCE_CALLBACK, &callback)?)?;
    Ok(Publication::Published { article_id })
}

/// Sends the article and returns the id that the channel gave it.
fn post<'t>(job: &'t Job<PublishArticle>, task: &'t Task) -> Result<Id, JobError> {
    let asset = |asset: &'t TaskAsset| {
        let asset_id = asset.remote_id.as_ref()?;
        Some(Part { kind: asset.copied.kind, channel_article_id: &asset.copied.channel_article_id, asset_id })
    };
    let Some(assets) = task.assets.iter().map(asset).collect() else {
        let message = format!("not all assets of task {} are uploaded", job.payload.task_id);
        return Err(JobError::permanent("not-uploaded", message));
    };
    let PublishArticle { channel_id, source, task_id, .. } = &job.payload;
    let article = Article { channel_id, source, task_id, assets };
    let answer = Request::post(&config::required("articles-url")?)
        .header("authorization", format!("Bearer {}", secrets::get("CHANNEL_TOKEN")?))
        .header("content-type", "application/json")
        .header("idempotency-key", &job.key)
        .deliver(serde_json::to_vec(&article)?)?;
    Ok(answer.json::<Stored>()?.id)
}
