//! Handles `common\jobs\CopyAssetJob`: copies a task's assets from the granted
//! folder `/storage` into the granted folder `/assets`. It makes no upload and
//! no callback; copy-asset-events does.
//!
//! All or nothing: if one asset fails, those that this attempt has already
//! published are removed again. An attempt that the host interrupts cannot do
//! that; it stops by itself shortly before its time is up.

mod copy;
mod name;
mod url;

use std::path::Path;
use std::time::Duration;

use asset_messages::{CopyAsset, NO_ASSETS, PublishedAsset, UploadAsset};
use copy::{Copied, CopyError};
use jobhost_plugin::{Job, JobError, context, info, warn};

const STORAGE: &str = "/storage";
const PUBLISHED: &str = "/assets";

/// The most assets of one task.
const MAX_ASSETS: usize = 1000;

#[jobhost_plugin::handler]
fn copy_asset(job: Job<CopyAsset>) -> Result<UploadAsset, JobError> {
    let reserve = time_to_clean_up(job.ttr);
    let task = job.payload;
    check_count(&task)?;
    let mut published = Vec::with_capacity(task.assets.len());
    if let Err(error) = copy_all(&task, reserve, &mut published) {
        withdraw(&published);
        return Err(error);
    }
    Ok(UploadAsset {
        channel_id: task.channel_id,
        channel_code: task.channel_code,
        channel_type_id: task.channel_type_id,
        channel_type_code: task.channel_type_code,
        source: task.source,
        task_id: task.task_id,
        assets: published,
    })
}

fn check_count(task: &CopyAsset) -> Result<(), JobError> {
    let (id, count) = (&task.task_id, task.assets.len());
    if count == 0 {
        let message = format!("based on task ID: {id}, the list of enabled resources is empty");
        return Err(JobError::permanent(NO_ASSETS, message));
    }
    if count > MAX_ASSETS {
        let message = format!("task {id} has {count} assets; at most {MAX_ASSETS} go into one job");
        return Err(JobError::permanent("too-many-assets", message));
    }
    Ok(())
}

fn copy_all(task: &CopyAsset, reserve: Duration, published: &mut Vec<PublishedAsset>) -> Result<(), JobError> {
    let total = u32::try_from(task.assets.len()).ok();
    for (done, asset) in (0..).zip(&task.assets) {
        context::progress(done, total, &asset.absolute_url);
        let path = url::storage_path(&asset.absolute_url)
            .map_err(|error| JobError::permanent("invalid-url", error.to_string()))?;
        let target = name::fresh(&path)?;
        let source = Path::new(STORAGE).join(&path);
        let in_time = || context::remaining() > reserve;
        let Copied { size } = copy::publish(&source, Path::new(PUBLISHED), &target, &in_time)
            .map_err(|error| explain(&error, &asset.absolute_url))?;
        info!("{} is published as {target}, {size} bytes", asset.absolute_url);
        published.push(PublishedAsset {
            kind: asset.kind,
            channel_article_id: asset.channel_article_id.clone(),
            relative_path: target,
            size,
        });
    }
    context::progress(total.unwrap_or(0), total, "all copied");
    Ok(())
}

fn explain(error: &CopyError, url: &str) -> JobError {
    let message = error.to_string();
    let failed = match error {
        CopyError::SourceMissing(_) => JobError::permanent("source-missing", message),
        CopyError::SourceDenied(_) => JobError::permanent("source-denied", message),
        CopyError::NotAFile(_) => JobError::permanent("source-not-a-file", message),
        CopyError::SizeChanged { .. } => JobError::temporary("source-changed", message),
        CopyError::OutOfTime(_) => JobError::temporary("out-of-time", message),
        CopyError::Io { .. } => JobError::temporary("storage-error", message),
    };
    failed.detail("absolute_url", url)
}

/// Removes what a failed attempt has published.
fn withdraw(published: &[PublishedAsset]) {
    for asset in published {
        let path = format!("{PUBLISHED}{}", asset.relative_path);
        if let Err(error) = std::fs::remove_file(&path) {
            warn!("{path} is left behind: {error}");
        }
    }
}

/// A tenth of the time to run, at most a second.
fn time_to_clean_up(ttr: Duration) -> Duration {
    (ttr / 10).min(Duration::from_secs(1))
}
