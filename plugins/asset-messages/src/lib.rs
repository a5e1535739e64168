//! The messages that the plugins of the asset pipeline hand to each other, as
//! PHP programs know them. Only their shape: no plugin's rules are here.

mod id;

pub use id::Id;

use serde::{Deserialize, Serialize};

/// The job that copies a task's assets.
pub const COPY_ASSET: &str = r"common\jobs\CopyAssetJob";
/// The job that hands copied assets on.
pub const UPLOAD_ASSET: &str = r"common\jobs\UploadAssetJob";
/// The job that publishes what was uploaded.
pub const PUBLISH_ARTICLE: &str = r"common\jobs\PublishArticleJob";
/// The job that tells the task's source what became of it.
pub const SOURCE_CALLBACK: &str = r"common\jobs\SourceCallbackJob";

/// The code of a task without assets.
pub const NO_ASSETS: &str = "35020";

/// The code of a task whose article is published.
pub const PUBLISHED: &str = "published";

/// The payload of [`COPY_ASSET`].
#[derive(Clone, Debug, Deserialize)]
pub struct CopyAsset {
    /// The channel that it is for.
    pub channel_id: Id,
    /// Its code.
    pub channel_code: String,
    /// The kind of the channel.
    pub channel_type_id: Id,
    /// Its code.
    pub channel_type_code: String,
    /// Who asked for it.
    pub source: String,
    /// The task that it belongs to.
    pub task_id: Id,
    /// What to copy; none is as good as an empty list.
    #[serde(default)]
    pub assets: Vec<Asset>,
}

/// A file to copy.
#[derive(Clone, Debug, Deserialize)]
pub struct Asset {
    /// What it shows.
    #[serde(rename = "type")]
    pub kind: AssetKind,
    /// The article that it belongs to.
    pub channel_article_id: Id,
    /// Where the source serves it: its path lies under the source's storage.
    pub absolute_url: String,
}

/// What a file shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AssetKind {
    /// A picture.
    Image,
    /// A film.
    Video,
}

/// The output of [`COPY_ASSET`] and the payload of [`UPLOAD_ASSET`].
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct UploadAsset {
    /// As in [`CopyAsset`].
    pub channel_id: Id,
    /// As in [`CopyAsset`].
    pub channel_code: String,
    /// As in [`CopyAsset`].
    pub channel_type_id: Id,
    /// As in [`CopyAsset`].
    pub channel_type_code: String,
    /// As in [`CopyAsset`].
    pub source: String,
    /// As in [`CopyAsset`].
    pub task_id: Id,
    /// What was copied, in the order of the task.
    pub assets: Vec<PublishedAsset>,
}

/// A file that was copied.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct PublishedAsset {
    /// What it shows.
    #[serde(rename = "type")]
    pub kind: AssetKind,
    /// The article that it belongs to.
    pub channel_article_id: Id,
    /// Where it lies in the publish folder, with a leading slash.
    pub relative_path: String,
    /// Bytes.
    pub size: u64,
}

/// The payload of [`PUBLISH_ARTICLE`].
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct PublishArticle {
    /// As in [`CopyAsset`].
    pub channel_id: Id,
    /// As in [`CopyAsset`].
    pub channel_code: String,
    /// As in [`CopyAsset`].
    pub channel_type_id: Id,
    /// As in [`CopyAsset`].
    pub channel_type_code: String,
    /// As in [`CopyAsset`].
    pub source: String,
    /// As in [`CopyAsset`].
    pub task_id: Id,
}

/// What can be told of any job's task. Its payload may be the very thing that is
/// wrong with it, so nothing is required.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct TaskFields {
    /// As in [`CopyAsset`].
    pub channel_id: Option<Id>,
    /// As in [`CopyAsset`].
    pub channel_code: Option<String>,
    /// As in [`CopyAsset`].
    pub channel_type_id: Option<Id>,
    /// As in [`CopyAsset`].
    pub channel_type_code: Option<String>,
    /// As in [`CopyAsset`].
    pub source: Option<String>,
    /// As in [`CopyAsset`].
    pub task_id: Option<Id>,
}

/// The payload of [`SOURCE_CALLBACK`].
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct SourceCallback {
    /// As in [`CopyAsset`].
    pub channel_id: Option<Id>,
    /// As in [`CopyAsset`].
    pub channel_code: Option<String>,
    /// As in [`CopyAsset`].
    pub channel_type_id: Option<Id>,
    /// As in [`CopyAsset`].
    pub channel_type_code: Option<String>,
    /// As in [`CopyAsset`].
    pub source: Option<String>,
    /// As in [`CopyAsset`].
    pub task_id: Option<Id>,
    /// [`PUBLISHED`], or the code of the failure.
    pub code: String,
    /// The same for people.
    pub message: String,
    /// The channel's id of the article, where it is published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub article_id: Option<Id>,
}

/// What a channel answers to a file or an article that it has taken.
#[derive(Clone, Debug, Deserialize)]
pub struct Stored {
    /// What it calls it.
    pub id: Id,
}

impl SourceCallback {
    /// Tells of a task that has failed, as much as is known of it.
    pub fn failed(task: TaskFields, code: &str, message: &str) -> Self {
        Self {
            channel_id: task.channel_id,
            channel_code: task.channel_code,
            channel_type_id: task.channel_type_id,
            channel_type_code: task.channel_type_code,
            source: task.source,
            task_id: task.task_id,
            code: code.to_owned(),
            message: message.to_owned(),
            article_id: None,
        }
    }

    /// Tells of a task whose article is published.
    pub fn published(task: PublishArticle, message: &str, article_id: Id) -> Self {
        Self {
            channel_id: Some(task.channel_id),
            channel_code: Some(task.channel_code),
            channel_type_id: Some(task.channel_type_id),
            channel_type_code: Some(task.channel_type_code),
            source: Some(task.source),
            task_id: Some(task.task_id),
            code: PUBLISHED.to_owned(),
            message: message.to_owned(),
            article_id: Some(article_id),
        }
    }
}
