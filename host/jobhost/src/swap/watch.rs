//! Tells when a plugin's file may have changed. Events of the system make it prompt; it does not rely on them, since
//! some file systems have none, a link on the way to a file has its own folder, and a burst may drop some.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
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
        let folders: BTreeSet<PathBuf> = config.plugins.iter().map(|plugin| folder(&plugin.path)).collect();
        let watcher = watcher(&bell, &folders)
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

fn watcher(bell: &Arc<Notify>, folders: &BTreeSet<PathBuf>) -> notify::Result<RecommendedWatcher> {
    let ring = Arc::clone(bell);
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // That somebody reads a file is no news; we do so ourselves.
        if !event.is_ok_and(|event| event.kind.is_access()) {
            ring.notify_one();
        }
    })?;
    for folder in folders {
        watcher.watch(folder, RecursiveMode::NonRecursive)?;
    }
    Ok(watcher)
}
