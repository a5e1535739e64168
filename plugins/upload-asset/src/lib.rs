//! Handles `common\jobs\UploadAssetJob`: puts the copied files of a task, which lie in the granted folder `/assets`, into the
//! channel over HTTP. A job with several files becomes a job for each, so that each is retried by itself; of these the one
//! that ends last hands the task on to the queue `publish-article`.
//!
//! Settings: `channel-url`, below which the files are put. Secrets: `CHANNEL_TOKEN`. Bucket: `tasks`.

use std::fs::File;
use std::io::ErrorKind;

use asset_messages::{Id, PUBLISH_ARTICLE, PublishArticle, PublishedAsset, Stored, UPLOAD_ASSET, UploadAsset};
use asset_tasks::{Begun, Record, Run, unknown};
use jobhost_plugin::http::Request;
use jobhost_plugin::{Draft, Job, JobError, config, context, info, queue, secrets};
use serde::Serialize;

const PUBLISHED: &str = "/assets";

/// What became of the job.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Upload {
    /// The channel's id of the file.
    Uploaded { remote_id: Id },
    /// So many jobs were made of it.
    Split { jobs: usize },
    /// Nothing was done, and why.
    Skipped { reason: String },
}

#[jobhost_plugin::handler]
fn upload_asset(job: Job<UploadAsset>) -> Result<Upload, JobError> {
    let (run, task) = (Run::of(&job), &job.payload);
    let record = Record::open(&task.source, &task.task_id)?;
    let known = match record.begin_upload(&run, &job.key, &task.assets)? {
        Begun::Yes(known) => known,
        Begun::Other(state) => {
            let reason = format!("task {} belongs to another job and is {state}", task.task_id);
            return Ok(Upload::Skipped { reason });
        }
        Begun::Unknown => return Err(unknown(&task.task_id)),
    };
    let [asset] = &task.assets[..] else { return split(task, &run) };
    let remote_id = match known.into_iter().flatten().next() {
        Some(remote_id) => remote_id,
        None => put(&job, asset)?,
    };
    if record.uploaded(&run, &job.key, &asset.relative_path, &remote_id)? {
        info!("all assets of task {} are uploaded", task.task_id);
        let article = Draft::new("publish-article", PUBLISH_ARTICLE, &article(task))?;
        queue::push(run.mark(article))?;
    }
    Ok(Upload::Uploaded { remote_id })
}

/// Pushes a job for each file. They are stored in the step that settles this one.
fn split(task: &UploadAsset, run: &Run) -> Result<Upload, JobError> {
    let one = |asset: &PublishedAsset| {
        let task = UploadAsset { assets: vec![asset.clone()], ..task.clone() };
        Draft::new("upload-asset", UPLOAD_ASSET, &task).map(|draft| run.mark(draft))
    };
    let jobs = task.assets.iter().map(one).collect::<Result<Vec<_>, _>>()?;
    if jobs.is_empty() {
        return Err(JobError::permanent("no-assets", format!("task {} has nothing to upload", task.task_id)));
    }
    let count = jobs.len();
    queue::push_many(jobs)?;
    Ok(Upload::Split { jobs: count })
}

/// Sends one file and returns the id that the channel gave it.
fn put(job: &Job<UploadAsset>, asset: &PublishedAsset) -> Result<Id, JobError> {
    let url = config::required("channel-url")?;
    let token = secrets::get("CHANNEL_TOKEN")?;
    let path = format!("{PUBLISHED}{}", asset.relative_path);
    let (file, length) = open(&path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => JobError::permanent("asset-missing", format!("{path}: {error}")),
        _ => JobError::temporary("storage-error", format!("{path}: {error}")),
    })?;
    if length != asset.size {
        let message = format!("{path} has {length} bytes and not the {} that were copied", asset.size);
        return Err(JobError::permanent("asset-changed", message));
    }
    context::progress(0, 1, &asset.relative_path);
    let answer = Request::put(&format!("{}{}", url.trim_end_matches('/'), asset.relative_path))
        .header("authorization", format!("Bearer {token}"))
        .header("idempotency-key", &job.key)
        .deliver_from(file, length)?;
    context::progress(1, 1, &asset.relative_path);
    Ok(answer.json::<Stored>()?.id)
}

fn open(path: &str) -> std::io::Result<(File, u64)> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    Ok((file, length))
}

fn article(task: &UploadAsset) -> PublishArticle {
    PublishArticle {
        channel_id: task.channel_id.clone(),
        channel_code: task.channel_code.clone(),
        channel_type_id: task.channel_type_id.clone(),
        channel_type_code: task.channel_type_code.clone(),
        source: task.source.clone(),
        task_id: task.task_id.clone(),
    }
}
