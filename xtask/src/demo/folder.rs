//! The demo's folder: sources, configuration, plugins, and what was published.

use std::fmt::Write;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::sources::{gradient_png, url_path, video_like};
use crate::process::{Failure, root};

/// A file that the demo has written and can compare.
pub(super) struct Source {
    /// Under `storage`.
    pub(super) relative: String,
    pub(super) bytes: Vec<u8>,
}

pub(super) struct Folder {
    pub(super) path: PathBuf,
    pub(super) sources: [Source; 2],
    /// What `task-1.json` says.
    pub(super) task: String,
}

impl Folder {
    /// Makes it anew.
    pub(super) fn fresh(path: &Path, store: &str) -> Result<Self, Failure> {
        Self::write(path, store).map_err(|error| Failure::new(format!("Cannot prepare {}: {error}.", path.display())))
    }

    fn write(path: &Path, store: &str) -> io::Result<Self> {
        match fs::remove_dir_all(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        for folder in ["storage/photos", "storage/films", "assets", "logs", "plugins"] {
            fs::create_dir_all(path.join(folder))?;
        }
        let sources = [
            Source { relative: "photos/harbour.png".to_owned(), bytes: gradient_png(400, 300) },
            Source {
                relative: "films/Ранкова прогулянка вздовж набережної – die lange Fassung, final cut (version 3).mp4"
                    .to_owned(),
                bytes: video_like(5 << 20),
            },
        ];
        for source in &sources {
            fs::write(path.join("storage").join(&source.relative), &source.bytes)?;
        }
        let task = task(1, &sources);
        fs::write(path.join("task-1.json"), &task)?;
        fs::write(path.join("jobhost.toml"), configuration(store))?;
        let built = root().join("plugins/target/wasm32-wasip2/release");
        for plugin in ["copy_asset.wasm", "copy_asset_events.wasm"] {
            fs::copy(built.join(plugin), path.join("plugins").join(plugin))?;
        }
        Ok(Self { path: path.to_owned(), sources, task })
    }

    /// Compares what lies in `assets` with the sources; a line for each file.
    pub(super) fn compare_published(&self) -> Result<Vec<String>, Failure> {
        let assets = self.path.join("assets");
        let mut published = Vec::new();
        collect(&assets, &mut published)
            .map_err(|error| Failure::new(format!("Cannot read {}: {error}.", assets.display())))?;
        if published.len() != self.sources.len() {
            return Err(Failure::new(format!(
                "Expected {} published files, but {} has {}.",
                self.sources.len(),
                assets.display(),
                published.len()
            )));
        }
        let mut lines = Vec::new();
        for Source { relative, bytes } in &self.sources {
            let same = published
                .iter()
                .find(|(path, found)| path.extension() == Path::new(relative).extension() && found == bytes);
            let Some((path, _)) = same else {
                return Err(Failure::new(format!("Expected a copy of storage/{relative}, byte for byte, in assets.")));
            };
            let path = path.strip_prefix(&self.path).unwrap_or(path);
            lines.push(format!("{} is, byte for byte, storage/{relative}", path.display()));
        }
        Ok(lines)
    }
}

/// The payload of the job that copies these.
pub(super) fn task(id: u32, sources: &[Source]) -> String {
    let mut assets = Vec::new();
    for (article, source) in (501..).zip(sources) {
        let png = Path::new(&source.relative).extension().is_some_and(|extension| extension == "png");
        let kind = if png { "image" } else { "video" };
        let path = url_path(&source.relative);
        assets.push(format!(
            r#"{{"type":"{kind}","channel_article_id":{article},"absolute_url":"https://cms.example.com/{path}"}}"#
        ));
    }
    let mut text = String::from(r#"{"channel_id":7,"channel_code":"harbour-tv","channel_type_id":2,"#);
    let _ =
        writeln!(text, r#""channel_type_code":"web","source":"cms","task_id":{id},"assets":[{}]}}"#, assets.join(","));
    text
}

fn configuration(store: &str) -> String {
    let store = store.replace('\\', r"\\").replace('"', "\\\"");
    format!(
        r#"store = "{store}"

[queues.copy-asset]
channel = "cpa:queue:copy:asset"
ttr = "10m"
attempts = 1
hooks = ["copy_asset_events"]

[queues.upload-asset]
channel = "cpa:queue:upload:asset"

[queues.source-callback]
channel = "cpa:queue:source:callback"

[plugins.copy_asset]
path = "plugins/copy_asset.wasm"
jobs = ['common\jobs\CopyAssetJob']
[plugins.copy_asset.grants]
fs = [
    {{ host = "storage", guest = "/storage", mode = "ro" }},
    {{ host = "assets", guest = "/assets", mode = "rw" }},
]

[plugins.copy_asset_events]
path = "plugins/copy_asset_events.wasm"
[plugins.copy_asset_events.grants]
fs = [{{ host = "logs", guest = "/logs", mode = "rw" }}]
queues = ["upload-asset", "source-callback"]
"#
    )
}

fn collect(folder: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            let bytes = fs::read(&path)?;
            files.push((path, bytes));
        }
    }
    Ok(())
}
