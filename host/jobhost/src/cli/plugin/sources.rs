//! Tells when a file of a project has changed, for `plugin test --watch`. Events of the system make it prompt; what has changed
//! is found by looking, so that what a build leaves starts no further one.

use std::collections::{BTreeMap, BTreeSet};
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

/// The state of each source: when it was changed, and its size. Of a link it is that of what it names.
type Seen = BTreeMap<PathBuf, (Option<SystemTime>, u64)>;

/// The sources of a project as they were at some time.
pub(super) struct Sources {
    folder: PathBuf,
    derived: Vec<String>,
    locks: &'static [&'static str],
    seen: Seen,
    /// Whether there are more than are looked at.
    beyond: bool,
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
        let mut sources = Self {
            folder: project.folder.clone(),
            derived,
            locks: project.language.locks,
            seen: Seen::new(),
            beyond: false,
            bell,
            watcher: watcher.ok(),
        };
        sources.look();
        sources
    }

    /// What to say where not all are looked at.
    pub(super) fn warning(&self) -> Option<String> {
        self.beyond.then(|| {
            format!(
                "{} has more than {MOST} files and folders, and a change of one beyond them is not noticed; keep what is no source elsewhere",
                self.folder.display()
            )
        })
    }

    /// Takes the locks as the build has left them.
    pub(super) fn built(&mut self) {
        let is_lock = |path: &Path| path.file_name().is_some_and(|name| self.locks.iter().any(|lock| name == *lock));
        let (now, _) = self.now();
        self.seen.retain(|path, _| !is_lock(path));
        self.seen.extend(now.into_iter().filter(|(path, _)| is_lock(path)));
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
        let (now, beyond) = self.now();
        if let Some(watcher) = &mut self.watcher {
            let are_new = now.keys().filter(|path| !self.seen.contains_key(*path));
            let folders: BTreeSet<_> = are_new.filter_map(|path| folder_of(path)).collect();
            for folder in folders {
                // Without it the next look in its turn finds the change.
                let _ = watcher.watch(&folder, RecursiveMode::NonRecursive);
            }
        }
        let changed = now != self.seen;
        (self.seen, self.beyond) = (now, beyond);
        changed
    }

    /// All of them, and whether there are more.
    fn now(&self) -> (Seen, bool) {
        let mut now = Seen::from([(self.folder.clone(), (None, 0))]);
        let mut folders = vec![self.folder.clone()];
        // Links may go round in circles.
        let mut entered: BTreeSet<_> = self.folder.canonicalize().into_iter().collect();
        while let Some(folder) = folders.pop() {
            for path in self.sources_in(&folder) {
                let Ok(found) = fs::metadata(&path) else { continue };
                let mut is_new_folder = || path.canonicalize().is_ok_and(|real| entered.insert(real));
                if !(found.is_file() || found.is_dir() && is_new_folder()) {
                    continue;
                }
                if now.len() == MOST {
                    return (now, true);
                }
                if found.is_dir() {
                    now.insert(path.clone(), (None, 0));
                    folders.push(path);
                } else {
                    now.insert(path, (found.modified().ok(), found.len()));
                }
            }
        }
        (now, false)
    }

    /// In order, as only the first are looked at.
    fn sources_in(&self, folder: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let is_source = |name: &str| {
            let of_the_plugin = |derived: &String| name.starts_with(&format!("{derived}."));
            let database = [".db", ".db-wal", ".db-shm"].iter().any(|end| name.ends_with(end));
            name != ".git"
                && !database
                && !of_an_editor(name)
                && !self.derived.iter().any(|derived| name == derived || of_the_plugin(derived))
        };
        let sources = entries.filter(|entry| is_source(&entry.file_name().to_string_lossy()));
        let mut sources: Vec<_> = sources.map(|entry| entry.path()).collect();
        sources.sort();
        sources
    }
}

/// What editors write beside a file while it is open or when it is saved.
fn of_an_editor(name: &str) -> bool {
    let swap = name.starts_with('.') && [".swp", ".swo", ".swx"].iter().any(|end| name.ends_with(end));
    swap || name.starts_with(".#") || name.starts_with('#') && name.ends_with('#') || name.ends_with('~')
}

/// The folder in which events tell of a change: the source itself, or that of the file which a link names.
fn folder_of(path: &Path) -> Option<PathBuf> {
    let real = path.canonicalize().ok()?;
    if real.is_dir() {
        Some(real)
    } else if path.is_symlink() {
        real.parent().map(Path::to_owned)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::project::LANGUAGES;

    fn project(folder: &Path) -> Project {
        fs::create_dir_all(folder.join("src")).unwrap();
        fs::write(folder.join("src/lib.rs"), "a").unwrap();
        Project {
            folder: folder.to_owned(),
            language: &LANGUAGES[0],
            name: "greet".to_owned(),
            wasm: folder.join("greet.wasm"),
        }
    }

    #[tokio::test]
    async fn a_source_that_changes_is_told_and_what_a_build_leaves_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        let mut sources = Sources::of(&project(folder.path()));
        assert!(!sources.look());
        for derived in LANGUAGES[0].derived {
            fs::create_dir_all(at(derived)).unwrap();
            fs::write(at(&format!("{derived}/a")), "a").unwrap();
        }
        fs::write(at("greet.wasm"), "a").unwrap();
        fs::write(at("greet.wasm.123"), "a").unwrap();
        fs::write(at("jobhost.db-wal"), "a").unwrap();
        for of_an_editor in [".lib.rs.swp", "lib.rs~", "#lib.rs#", ".#lib.rs"] {
            fs::write(at(&format!("src/{of_an_editor}")), "a").unwrap();
        }
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

    #[tokio::test]
    async fn a_lock_that_somebody_changes_is_told_and_what_the_build_writes_to_it_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let mut sources = Sources::of(&project(folder.path()));
        fs::write(folder.path().join("Cargo.lock"), "a").unwrap();
        sources.built();
        assert!(!sources.look());
        fs::write(folder.path().join("Cargo.lock"), "ab").unwrap();
        sources.changed().await;
        fs::write(folder.path().join("src/lib.rs"), "abc").unwrap();
        sources.built();
        assert!(sources.look(), "a source that changed during the build is not forgotten");
    }

    #[tokio::test]
    async fn what_links_name_is_a_source_too() {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir(other.path().join("inner")).unwrap();
        fs::write(other.path().join("inner/a.rs"), "a").unwrap();
        fs::write(other.path().join("b.rs"), "b").unwrap();
        let project = project(folder.path());
        symlink(other.path().join("inner"), folder.path().join("src/inner")).unwrap();
        symlink(other.path().join("b.rs"), folder.path().join("src/b.rs")).unwrap();
        symlink(folder.path(), folder.path().join("src/again")).unwrap();
        let mut sources = Sources::of(&project);
        assert!(!sources.look());
        fs::write(other.path().join("inner/a.rs"), "ab").unwrap();
        sources.changed().await;
        fs::write(other.path().join("b.rs"), "bc").unwrap();
        sources.changed().await;
        assert!(!sources.look());
        assert_eq!(sources.warning(), None);
    }

    #[test]
    fn more_sources_than_are_looked_at_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let project = project(folder.path());
        for name in 0..MOST {
            fs::write(folder.path().join(name.to_string()), "").unwrap();
        }
        let sources = Sources::of(&project);
        assert_eq!(sources.seen.len(), MOST);
        assert!(sources.warning().unwrap().contains("more than 10000 files"), "{:?}", sources.warning());
    }
}
