//! The messages that the plugins of the asset pipeline hand to each other, as
//! PHP programs know them. Only their shape: no plugin's rules are here.

mod id;

pub use id::Id;

use serde::{Deserialize, Serialize};

/// The job that copies a task's assets.
pub const COPY_ASSET: &str = r"common\jobs\CopyAssetJob";
/// The job that hands copied assets on.
pub const UPLOAD_ASSET: &str = r"common\jobs\UploadAssetJob";
/// The job that tells the task's source what became of it.
pub const SOURCE_CALLBACK: &str = r"common\jobs\SourceCallbackJob";

/// The code of a task without assets.
pub const NO_ASSETS: &str = "35020";

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
#[derive(Clone, Debug, Serialize)]
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
#[derive(Clone, Debug, Serialize)]
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
