//! Tells when a file of a project has changed, for `plugin test --watch`. Events of the system make it prompt; what has changed
//! is found by looking, so that what a build leaves starts no further one.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::project::Project;

/// Files are looked at so often where no event tells of them.
const EVERY: Duration = Duration::from_secs(2);
/// An editor that saves does several things at once.
const QUIET: Duration = Duration::from_millis(20);
/// Files and folders of a project that are looked at.
const MOST: usize = 10_000;

/// The state of each source: when it was changed, and its size.
type Seen = BTreeMap<PathBuf, (Option<SystemTime>, u64)>;

/// The sources of a project as they were at some time.
pub(super) struct Sources {
    folder: PathBuf,
    derived: Vec<String>,
    seen: Seen,
    bell: Arc<Notify>,
    /// Watches for as long as it lives.
    watcher: Option<RecommendedWatcher>,
}

impl Sources {
    /// As they are now.
    pub(super) fn of(project: &Project) -> Self {
        let mut derived: Vec<_> = project.language.derived.iter().map(|name| (*name).to_owned()).collect();
        derived.extend(project.wasm.file_name().map(|name| name.to_string_lossy().into_owned()));
        let bell = Arc::new(Notify::new());
        let ring = Arc::clone(&bell);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if !event.is_ok_and(|event| event.kind.is_access()) {
                ring.notify_one();
            }
        });
        let mut sources =
            Self { folder: project.folder.clone(), derived, seen: Seen::new(), bell, watcher: watcher.ok() };
        sources.look();
        sources
    }

    /// Returns when they are others.
    pub(super) async fn changed(&mut self) {
        loop {
            if self.look() {
                return;
            }
            if timeout(EVERY, self.bell.notified()).await.is_ok() {
                while timeout(QUIET, self.bell.notified()).await.is_ok() {}
            }
        }
    }

    /// Looks at all of them, and says whether one is another than before. Folders that are new are watched from now on.
    fn look(&mut self) -> bool {
        let mut now = Seen::new();
        let mut folders = vec![self.folder.clone()];
        while let Some(folder) = folders.pop() {
            if let Some(watcher) = &mut self.watcher
                && !self.seen.contains_key(&folder)
            {
                // Without it the next look in its turn finds the change.
                let _ = watcher.watch(&folder, RecursiveMode::NonRecursive);
            }
            now.insert(folder.clone(), (None, 0));
            for path in self.sources_in(&folder) {
                match fs::symlink_metadata(&path) {
                    Ok(found) if found.is_dir() && now.len() < MOST => folders.push(path),
                    Ok(found) if found.is_file() && now.len() < MOST => {
                        now.insert(path, (found.modified().ok(), found.len()));
                    }
                    _ => {}
                }
            }
        }
        let changed = now != self.seen;
        self.seen = now;
        changed
    }

    fn sources_in(&self, folder: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let is_source = |name: &str| {
            let of_the_plugin = |derived: &String| name.starts_with(&format!("{derived}."));
            let database = [".db", ".db-wal", ".db-shm"].iter().any(|end| name.ends_with(end));
            name != ".git" && !database && !self.derived.iter().any(|derived| name == derived || of_the_plugin(derived))
        };
        entries.filter(|entry| is_source(&entry.file_name().to_string_lossy())).map(|entry| entry.path()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::LANGUAGES;

    #[tokio::test]
    async fn a_source_that_changes_is_told_and_what_a_build_leaves_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        fs::create_dir_all(at("src")).unwrap();
        fs::write(at("src/lib.rs"), "a").unwrap();
        let project = Project {
            folder: folder.path().to_owned(),
            language: &LANGUAGES[0],
            name: "greet".to_owned(),
            wasm: at("greet.wasm"),
        };
        let mut sources = Sources::of(&project);
        assert!(!sources.look());
        for derived in LANGUAGES[0].derived {
            fs::create_dir_all(at(derived)).unwrap();
            fs::write(at(&format!("{derived}/a")), "a").unwrap();
        }
        fs::write(at("greet.wasm"), "a").unwrap();
        fs::write(at("greet.wasm.123"), "a").unwrap();
        fs::write(at("jobhost.db-wal"), "a").unwrap();
        assert!(!sources.look(), "{:?}", sources.seen);
        fs::write(at("src/lib.rs"), "ab").unwrap();
        sources.changed().await;
        fs::create_dir(at("src/more")).unwrap();
        sources.changed().await;
        fs::write(at("src/more/new.rs"), "a").unwrap();
        sources.changed().await;
        fs::remove_file(at("src/lib.rs")).unwrap();
        sources.changed().await;
        assert!(!sources.look());
    }
}
