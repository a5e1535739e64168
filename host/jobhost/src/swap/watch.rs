//! Tells when a plugin's file may have changed. Events of the system make it prompt; it does not rely on them, since
//! some file systems have none, a link on the way to a file has its own folder, and a burst may drop some.

use std::collections::{BTreeSet, HashSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jobhost_runtime::signature_path;
use notify::event::ModifyKind;
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout_at};

use crate::config::Config;

/// Files are looked at so often where no event tells of them. A look is one `stat` a file.
const EVERY: Duration = Duration::from_secs(2);
/// A file is looked at when nothing has happened for so long: whoever writes it may be in the midst of it.
const QUIET: Duration = Duration::from_millis(50);
/// But not later than this after the first event, however busy the folder is.
const AT_THE_LATEST: Duration = Duration::from_millis(500);
/// A file that could not be used is looked at again after this before it is refused.
const SECOND_LOOK: Duration = Duration::from_secs(1);

/// The files of a configuration's plugins.
pub(super) struct Watch {
    bell: Arc<Notify>,
    /// Watches for as long as it lives.
    _watcher: Option<RecommendedWatcher>,
}

impl Watch {
    /// The folders of the files are watched and not the files, which are most often replaced by others.
    pub(super) fn of(config: &Config) -> Self {
        let bell = Arc::new(Notify::new());
        let watcher = watcher(&bell, config)
            .inspect_err(|error| {
                tracing::info!(%error, every = ?EVERY, "plugin files are looked at in intervals: the system does not tell of their changes");
            })
            .ok();
        Self { bell, _watcher: watcher }
    }

    /// Returns when a file may have changed; soon if there are `doubts`.
    pub(super) async fn changed(&mut self, doubts: bool) {
        tokio::select! {
            () = self.bell.notified() => {}
            () = sleep(if doubts { SECOND_LOOK } else { EVERY }) => return,
        }
        let latest = Instant::now() + AT_THE_LATEST;
        loop {
            let quiet = (Instant::now() + QUIET).min(latest);
            if timeout_at(quiet, self.bell.notified()).await.is_err() {
                return;
            }
        }
    }
}

fn folder(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn watcher(bell: &Arc<Notify>, config: &Config) -> notify::Result<RecommendedWatcher> {
    let ring = Arc::clone(bell);
    let names: HashSet<OsString> = config.plugins.iter().flat_map(|plugin| names(&plugin.path)).collect();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        if !event.is_ok_and(|event| is_no_news(&event, &names)) {
            ring.notify_one();
        }
    })?;
    let folders: BTreeSet<PathBuf> = config.plugins.iter().map(|plugin| folder(&plugin.path)).collect();
    for folder in folders {
        watcher.watch(&folder, RecursiveMode::NonRecursive)?;
    }
    Ok(watcher)
}

/// The names of a plugin's file and of its signature.
fn names(path: &Path) -> impl Iterator<Item = OsString> {
    [path.to_owned(), signature_path(path)].into_iter().filter_map(|path| path.file_name().map(ToOwned::to_owned))
}

/// That somebody reads a file is none; we do so ourselves. Nor is what is written into another file that stays where it
/// is, such as the database of the jobs. One that comes or goes may be a link on the way to a plugin.
fn is_no_news(event: &notify::Event, names: &HashSet<OsString>) -> bool {
    match event.kind {
        EventKind::Access(_) => true,
        EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Metadata(_)) => {
            !event.need_rescan()
                && event.paths.iter().all(|path| path.file_name().is_some_and(|name| !names.contains(name)))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use notify::event::{AccessKind, CreateKind, DataChange, Flag, MetadataKind, RenameMode};

    use super::*;

    #[test]
    fn what_is_read_and_what_is_written_into_other_files_is_no_news() {
        let names: HashSet<_> = names(Path::new("plugins/x.wasm")).collect();
        let data = EventKind::Modify(ModifyKind::Data(DataChange::Any));
        let metadata = EventKind::Modify(ModifyKind::Metadata(MetadataKind::Any));
        let renamed = EventKind::Modify(ModifyKind::Name(RenameMode::Any));
        for (kind, path, news) in [
            (EventKind::Access(AccessKind::Any), "plugins/x.wasm", false),
            (data, "plugins/x.wasm", true),
            (metadata, "plugins/x.wasm.minisig", true),
            (data, "plugins/jobs.db-wal", false),
            (metadata, "plugins/jobs.db", false),
            (renamed, "plugins/..data", true),
            (EventKind::Create(CreateKind::Any), "plugins/..data", true),
            (EventKind::Any, "plugins/jobs.db", true),
        ] {
            let event = notify::Event::new(kind).add_path(path.into());
            assert_eq!(!is_no_news(&event, &names), news, "{event:?}");
        }
        let dropped = notify::Event::new(data).set_flag(Flag::Rescan);
        assert!(!is_no_news(&dropped, &names), "the system has dropped events");
    }
}
