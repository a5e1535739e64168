//! A folder in which compiled code is kept from one start to the next, shared by processes. What lies there is going to
//! be run as native code: the folder must belong to this user and to nobody else.

use std::borrow::Cow;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use nix::fcntl::OFlag;
use nix::unistd::geteuid;

use crate::compiled::Compiled;
use crate::limits::bytes;

/// How the names of entries end.
const ENTRY: &str = ".compiled";

/// How the names of files begin that are not written to their end.
const UNFINISHED: &str = "new-";

/// Files that are still unfinished after this time are of processes that died.
const ABANDONED: Duration = Duration::from_hours(1);

/// A folder of compiled code. Clones are the same folder.
#[derive(Clone, Debug)]
pub struct Cache(Arc<Folder>);

#[derive(Debug)]
struct Folder {
    /// Held open: whatever becomes of the path, this folder was looked at.
    open: File,
    path: PathBuf,
    limit: u64,
}

impl Cache {
    /// Opens the folder at `path`, which is made with mode 0700 if it is not there, to hold at most `limit` bytes. One
    /// that is a link, or that others own or may write to, is refused; the error says what to do.
    pub fn open(path: &Path, limit: u64) -> Result<Self, String> {
        let said = |error: io::Error| format!("the folder of compiled code {}: {error}", path.display());
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(said)?;
        let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let open = OpenOptions::new()
            .read(true)
            .custom_flags(flags.bits())
            .open(path)
            .map_err(|error| format!("{}; name a folder, not a link", said(error)))?;
        private(&open.metadata().map_err(said)?).map_err(|why| {
            format!(
                "the folder of compiled code {} {why}; others could run their code as this user: `chmod 700` it, or name another with `cache`",
                path.display()
            )
        })?;
        Ok(Self(Arc::new(Folder { open, path: path.to_owned(), limit })))
    }

    /// The whole code under this key. What is broken or foreign is as good as not there.
    pub(crate) fn get(&self, key: &str) -> Option<Compiled> {
        match self.read(key) {
            Ok(entry) => {
                let compiled = Compiled::of_entry(entry, key);
                if compiled.is_none() {
                    tracing::warn!(folder = %self.0.path.display(), key, "an entry of compiled code is broken; it is made anew");
                }
                compiled
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!(folder = %self.0.path.display(), key, %error, "an entry of compiled code is not used; it is made anew");
                None
            }
        }
    }

    /// Keeps the code, and drops what was not used for the longest time if there is too much. What cannot be kept is
    /// compiled again next time.
    pub(crate) fn put(&self, key: &str, compiled: &Compiled) {
        let kept = self.write(key, &compiled.entry(key)).and_then(|()| self.trim());
        if let Err(error) = kept {
            tracing::warn!(folder = %self.0.path.display(), %error, "compiled code cannot be kept");
        }
    }

    fn read(&self, key: &str) -> io::Result<Vec<u8>> {
        let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let file = OpenOptions::new().read(true).custom_flags(flags.bits()).open(self.place(&entry(key)))?;
        let metadata = file.metadata()?;
        if !metadata.is_file() || metadata.len() > self.0.limit {
            return Err(io::Error::other("it is no file of ours"));
        }
        private(&metadata).map_err(io::Error::other)?;
        let mut content = Vec::new();
        (&file).take(self.0.limit).read_to_end(&mut content)?;
        // Only the order of removal depends on it.
        let _ = file.set_modified(now());
        Ok(content)
    }

    fn write(&self, key: &str, parts: &[Cow<'_, [u8]>]) -> io::Result<()> {
        let size: usize = parts.iter().map(|part| part.len()).sum();
        if bytes(size) > self.0.limit {
            return Err(io::Error::other(format!("{size} bytes, the whole folder may have {}", self.0.limit)));
        }
        // Others see the entry whole or not at all, however many write it.
        let mut file = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(self.place("."))?;
        for part in parts {
            file.write_all(part)?;
        }
        file.persist(self.place(&entry(key))).map(|_| ()).map_err(|error| error.error)
    }

    /// Removes what is abandoned, and the entries that were used least recently until the rest is small enough.
    fn trim(&self) -> io::Result<()> {
        let now = now();
        let mut entries = Vec::new();
        for found in std::fs::read_dir(self.place("."))?.flatten() {
            let name = found.file_name().to_string_lossy().into_owned();
            // Another process may have removed it.
            let Ok(metadata) = found.metadata() else { continue };
            let used = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            if name.ends_with(ENTRY) {
                entries.push((used, metadata.len(), name));
            } else if name.starts_with(UNFINISHED) && now.duration_since(used).is_ok_and(|age| age > ABANDONED) {
                let _ = std::fs::remove_file(self.place(&name));
            }
        }
        entries.sort();
        let mut total: u64 = entries.iter().map(|(_, size, _)| size).sum();
        for (_, size, name) in entries {
            if total <= self.0.limit {
                break;
            }
            let _ = std::fs::remove_file(self.place(&name));
            total -= size;
        }
        Ok(())
    }

    /// A path into the folder that was opened, wherever it is by now.
    fn place(&self, name: &str) -> PathBuf {
        format!("/proc/self/fd/{}/{name}", self.0.open.as_raw_fd()).into()
    }
}

#[expect(clippy::disallowed_methods, reason = "it is compared with the times of files, which the system sets")]
fn now() -> SystemTime {
    SystemTime::now()
}

fn entry(key: &str) -> String {
    format!("{key}{ENTRY}")
}

/// Whether nobody else could have written there.
fn private(metadata: &std::fs::Metadata) -> Result<(), String> {
    let own = geteuid().as_raw();
    if metadata.uid() != own {
        Err(format!("belongs to the user {}, not to {own}", metadata.uid()))
    } else if metadata.mode() & 0o022 != 0 {
        Err(format!("may be written to by others (mode {:o})", metadata.mode() & 0o7777))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn compiled(size: usize) -> Compiled {
        Compiled::of_compiler(vec![7; size])
    }

    #[test]
    fn the_folder_is_made_private_and_holds_no_unfinished_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        let cache = Cache::open(&path, 1 << 20).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
        cache.put("k", &compiled(10));
        assert!(cache.get("k").is_some() && cache.get("other").is_none());
        assert_eq!(names(&path), ["k.compiled"]);
        assert_eq!(fs::metadata(path.join("k.compiled")).unwrap().mode() & 0o077, 0);
    }

    #[test]
    fn a_folder_or_an_entry_that_others_could_have_written_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache");
        let cache = Cache::open(&path, 1 << 20).unwrap();
        cache.put("k", &compiled(10));
        fs::set_permissions(path.join("k.compiled"), Permissions::from_mode(0o620)).unwrap();
        assert!(cache.get("k").is_none());
        fs::rename(path.join("k.compiled"), folder.path().join("elsewhere")).unwrap();
        symlink(folder.path().join("elsewhere"), path.join("k.compiled")).unwrap();
        assert!(cache.get("k").is_none(), "a link is not followed");
        fs::set_permissions(&path, Permissions::from_mode(0o770)).unwrap();
        let why = Cache::open(&path, 1 << 20).unwrap_err();
        assert!(why.contains("may be written to by others (mode 770)") && why.contains("chmod 700"), "{why}");
        symlink(&path, folder.path().join("link")).unwrap();
        assert!(Cache::open(&folder.path().join("link"), 1 << 20).unwrap_err().contains("not a link"));
        if geteuid().is_root() {
            fs::set_permissions(&path, Permissions::from_mode(0o700)).unwrap();
            std::os::unix::fs::chown(&path, Some(12_345), None).unwrap();
            assert!(Cache::open(&path, 1 << 20).unwrap_err().contains("belongs to the user 12345"));
        }
    }

    #[test]
    fn what_was_not_used_for_the_longest_time_is_dropped_when_there_is_too_much() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache");
        let cache = Cache::open(&path, 1_000).unwrap();
        let used = |name: &str, ago: u64| {
            let file = File::options().write(true).open(path.join(name)).unwrap();
            file.set_modified(now() - Duration::from_secs(ago)).unwrap();
        };
        cache.put("a", &compiled(300));
        cache.put("b", &compiled(300));
        used("a.compiled", 9_000);
        used("b.compiled", 8_000);
        fs::write(path.join("new-dead"), "").unwrap();
        fs::write(path.join("new-young"), "").unwrap();
        used("new-dead", 7_000);
        assert!(cache.get("a").is_some(), "and with that it is the one used last");
        cache.put("c", &compiled(300));
        assert_eq!(names(&path), ["a.compiled", "c.compiled", "new-young"]);
        cache.put("d", &compiled(2_000));
        assert_eq!(
            names(&path),
            ["a.compiled", "c.compiled", "new-young"],
            "it would fill more than all of the folder"
        );
    }
}
