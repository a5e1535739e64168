//! Tells whether what a build made still is what it would make: by a digest of all that it was made of, kept beside it. What
//! cannot be told is made again.

use std::fmt::Write;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// Files and folders that are looked at for one fingerprint.
const MOST: usize = 100_000;
/// Folders within folders: links can go round in circles.
const DEEPEST: usize = 40;
/// What Python keeps of files that are looked at themselves.
const CACHED: &str = "__pycache__";

/// A digest that grows by what is added, in order.
#[derive(Clone)]
pub(super) struct Fingerprint {
    digest: Sha256,
    seen: usize,
}

impl Fingerprint {
    /// That of these commands: another version of this program may have others, or do otherwise with what they make.
    pub(super) fn of(commands: &[&[&str]]) -> Self {
        let mut fingerprint = Self { digest: Sha256::new(), seen: 0 };
        fingerprint.add(env!("CARGO_PKG_VERSION").as_bytes());
        for word in commands.iter().copied().flatten() {
            fingerprint.add(word.as_bytes());
        }
        fingerprint
    }

    /// Adds bytes as one piece.
    pub(super) fn add(&mut self, piece: &[u8]) {
        self.digest.update((piece.len() as u64).to_le_bytes());
        self.digest.update(piece);
    }

    /// Adds what a file has in it, or all files below a folder. That nothing is there counts, too.
    pub(super) fn add_content(&mut self, path: &Path) -> io::Result<()> {
        self.walk(path, 0, &|fingerprint, path, found| {
            fingerprint.digest.update(found.len().to_le_bytes());
            let mut file = File::open(path)?.take(found.len());
            let mut buffer = vec![0; 1 << 16];
            loop {
                match file.read(&mut buffer)? {
                    0 => return Ok(()),
                    read => fingerprint.digest.update(&buffer[..read]),
                }
            }
        })
    }

    /// Adds when a file was last changed, and how large it is, or so for all files below a folder. It is quick, and says
    /// nothing of what a copy has in it.
    pub(super) fn add_state(&mut self, path: &Path) -> io::Result<()> {
        self.walk(path, 0, &|fingerprint, _, found| {
            for number in [found.ctime(), found.ctime_nsec()] {
                fingerprint.digest.update(number.to_le_bytes());
            }
            fingerprint.digest.update(found.len().to_le_bytes());
            Ok(())
        })
    }

    fn walk(
        &mut self,
        path: &Path,
        depth: usize,
        add: &dyn Fn(&mut Self, &Path, &Metadata) -> io::Result<()>,
    ) -> io::Result<()> {
        self.seen += 1;
        if self.seen > MOST || depth > DEEPEST {
            return Err(io::Error::other("there are too many files"));
        }
        let found = match fs::metadata(path) {
            // A link may name what is not there.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.add(b"nothing");
                return Ok(());
            }
            found => found?,
        };
        if found.is_file() {
            self.add(b"file");
            return add(self, path, &found);
        }
        if !found.is_dir() {
            self.add(b"other");
            return Ok(());
        }
        let mut inside =
            fs::read_dir(path)?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<PathBuf>>>()?;
        inside.retain(|path| !path.ends_with(CACHED));
        inside.sort();
        self.add(b"folder");
        self.digest.update((inside.len() as u64).to_le_bytes());
        for path in inside {
            self.add(path.file_name().unwrap_or_default().as_encoded_bytes());
            self.walk(&path, depth + 1, add)?;
        }
        Ok(())
    }

    /// As text.
    pub(super) fn text(self) -> String {
        self.digest.finalize().iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

/// Whether this is what the file says.
pub(super) fn is_kept(path: &Path, fingerprint: &str) -> bool {
    fs::read_to_string(path).is_ok_and(|kept| kept == fingerprint)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn content(path: &Path) -> String {
        let mut fingerprint = Fingerprint::of(&[&["build"]]);
        fingerprint.add_content(path).unwrap();
        fingerprint.text()
    }

    #[test]
    fn it_is_another_after_any_change_of_a_file_or_name_and_the_same_again_when_that_is_undone() {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let at = |path: &str| folder.path().join(path);
        fs::create_dir(at("inner")).unwrap();
        fs::write(at("inner/a"), "one").unwrap();
        fs::write(other.path().join("b"), "far").unwrap();
        symlink(other.path(), at("linked")).unwrap();
        let first = content(folder.path());
        let changes: [&dyn Fn(); 6] = [
            &|| fs::write(at("inner/a"), "two").unwrap(),
            &|| fs::write(at("inner/b"), "").unwrap(),
            &|| fs::rename(at("inner/a"), at("a")).unwrap(),
            &|| fs::create_dir(at("empty")).unwrap(),
            &|| fs::write(other.path().join("b"), "fax").unwrap(),
            &|| symlink("nothing", at("dangling")).unwrap(),
        ];
        let undo: [&dyn Fn(); 6] = [
            &|| fs::write(at("inner/a"), "one").unwrap(),
            &|| fs::remove_file(at("inner/b")).unwrap(),
            &|| fs::rename(at("a"), at("inner/a")).unwrap(),
            &|| fs::remove_dir(at("empty")).unwrap(),
            &|| fs::write(other.path().join("b"), "far").unwrap(),
            &|| fs::remove_file(at("dangling")).unwrap(),
        ];
        for (index, (change, undo)) in changes.iter().zip(undo).enumerate() {
            change();
            assert_ne!(content(folder.path()), first, "change {index}");
            undo();
            assert_eq!(content(folder.path()), first, "change {index}");
        }
        fs::create_dir(at("inner/__pycache__")).unwrap();
        assert_eq!(content(folder.path()), first);
        assert_ne!(Fingerprint::of(&[&["build"]]).text(), Fingerprint::of(&[&["buil", "d"]]).text());
    }

    #[test]
    fn a_file_that_is_written_again_has_another_state() {
        let folder = tempfile::tempdir().unwrap();
        let state = || {
            let mut fingerprint = Fingerprint::of(&[]);
            fingerprint.add_state(folder.path()).unwrap();
            fingerprint.text()
        };
        fs::write(folder.path().join("a"), "one").unwrap();
        let first = state();
        assert_eq!(state(), first);
        fs::write(folder.path().join("a"), "three").unwrap();
        assert_ne!(state(), first);
    }

    #[test]
    fn links_in_a_circle_are_no_fingerprint() {
        let folder = tempfile::tempdir().unwrap();
        symlink(folder.path(), folder.path().join("again")).unwrap();
        assert!(Fingerprint::of(&[]).add_content(folder.path()).is_err());
    }
}
