//! Copies one file so that nobody ever sees half of it under its final name.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

/// Bytes in memory at a time.
const BUFFER: usize = 64 * 1024;

/// What was copied.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Copied {
    /// Bytes.
    pub(crate) size: u64,
}

/// Copies `source` to `target` under `root`, making folders as needed. `target` is
/// `/folders/name`. The bytes go to a hidden name in the same folder, reach the
/// disk, and are renamed once their number is the source's. Asks `in_time`
/// before each buffer. Leaves nothing behind if it fails, empty folders excepted.
pub(crate) fn publish(
    source: &Path,
    root: &Path,
    target: &str,
    in_time: &dyn Fn() -> bool,
) -> Result<Copied, CopyError> {
    let (mut reader, expected) = open_source(source)?;
    let (folder, name) = target.trim_start_matches('/').rsplit_once('/').unwrap_or(("", target));
    let folder = root.join(folder);
    fs::create_dir_all(&folder).map_err(io_error("create the folder", &folder))?;

    let temporary = TemporaryFile::create(folder.join(format!(".{name}.part")))?;
    let size = stream(&mut reader, source, &temporary, in_time)?;
    if size != expected {
        return Err(CopyError::SizeChanged { path: source.to_owned(), expected, copied: size });
    }
    temporary.rename(&folder.join(name))?;
    Ok(Copied { size })
}

fn open_source(path: &Path) -> Result<(File, u64), CopyError> {
    let file = File::open(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => CopyError::SourceMissing(path.to_owned()),
        // The sandbox refuses a symbolic link that leaves the granted folder.
        ErrorKind::PermissionDenied => CopyError::SourceDenied(path.to_owned()),
        ErrorKind::IsADirectory => CopyError::NotAFile(path.to_owned()),
        _ => io_error("open", path)(error),
    })?;
    let metadata = file.metadata().map_err(io_error("look at", path))?;
    if !metadata.is_file() {
        return Err(CopyError::NotAFile(path.to_owned()));
    }
    Ok((file, metadata.len()))
}

fn stream(
    reader: &mut File,
    source: &Path,
    target: &TemporaryFile,
    in_time: &dyn Fn() -> bool,
) -> Result<u64, CopyError> {
    let mut writer = &target.file;
    let mut buffer = vec![0; BUFFER];
    let mut size = 0;
    loop {
        if !in_time() {
            return Err(CopyError::OutOfTime(source.to_owned()));
        }
        let read = match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(io_error("read", source)(error)),
        };
        writer.write_all(&buffer[..read]).map_err(io_error("write", &target.path))?;
        size += read as u64;
    }
    writer.sync_all().map_err(io_error("write", &target.path))?;
    Ok(size)
}

/// A file that is removed again unless it is renamed.
struct TemporaryFile {
    file: File,
    path: PathBuf,
    renamed: bool,
}

impl TemporaryFile {
    fn create(path: PathBuf) -> Result<Self, CopyError> {
        let file = OpenOptions::new().write(true).create_new(true).open(&path).map_err(io_error("create", &path))?;
        Ok(Self { file, path, renamed: false })
    }

    fn rename(mut self, target: &Path) -> Result<(), CopyError> {
        fs::rename(&self.path, target).map_err(io_error("rename to", target))?;
        self.renamed = true;
        Ok(())
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        if !self.renamed {
            // The error that brought us here is the one to report.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> CopyError {
    let path = path.to_owned();
    move |error| CopyError::Io { action, path, error }
}

/// Why a file was not copied.
#[derive(Debug)]
pub(crate) enum CopyError {
    SourceMissing(PathBuf),
    SourceDenied(PathBuf),
    NotAFile(PathBuf),
    SizeChanged { path: PathBuf, expected: u64, copied: u64 },
    OutOfTime(PathBuf),
    Io { action: &'static str, path: PathBuf, error: io::Error },
}

impl fmt::Display for CopyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SourceMissing(path) => write!(f, "there is no file {}", path.display()),
            Self::SourceDenied(path) => write!(f, "{} may not be read, or leads out of the storage", path.display()),
            Self::NotAFile(path) => write!(f, "{} is not a regular file", path.display()),
            Self::SizeChanged { path, expected, copied } => {
                write!(f, "{} changed while it was copied: {copied} bytes instead of {expected}", path.display())
            }
            Self::OutOfTime(path) => {
                write!(f, "the time to run ended while {} was copied", path.display())
            }
            Self::Io { action, path, error } => write!(f, "cannot {action} {}: {error}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use tempfile::TempDir;

    const TARGET: &str = "/2026/11/22/1.2.png";

    fn folders() -> (TempDir, PathBuf, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let (source, root) = (folder.path().join("a b.png"), folder.path().join("assets"));
        (folder, source, root)
    }

    fn files(folder: &Path) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                found.extend(files(&path));
            } else {
                found.push(path);
            }
        }
        found
    }

    #[test]
    fn the_copy_is_byte_for_byte_the_source_and_the_only_file() {
        let (_folder, source, root) = folders();
        let bytes: Vec<u8> = (0..200_001_u32).map(|n| n.to_le_bytes()[0]).collect();
        fs::write(&source, &bytes).unwrap();
        let copied = publish(&source, &root, TARGET, &|| true).unwrap();
        assert_eq!(copied, Copied { size: 200_001 });
        assert_eq!(fs::read(root.join(&TARGET[1..])).unwrap(), bytes);
        assert_eq!(files(&root).len(), 1);
    }

    #[test]
    fn the_final_name_is_not_there_before_the_copy_is_whole() {
        let (_folder, source, root) = folders();
        fs::write(&source, vec![7; 3 * BUFFER]).unwrap();
        let seen = Cell::new(0);
        let watch = || {
            seen.set(seen.get() + 1);
            assert!(!root.join(&TARGET[1..]).exists());
            assert_eq!(files(&root), [root.join("2026/11/22/.1.2.png.part")]);
            true
        };
        publish(&source, &root, TARGET, &watch).unwrap();
        assert_eq!(seen.get(), 4);
    }

    #[test]
    fn a_copy_that_runs_out_of_time_leaves_no_file() {
        let (_folder, source, root) = folders();
        fs::write(&source, vec![7; 3 * BUFFER]).unwrap();
        let buffers = Cell::new(0);
        let in_time = || buffers.replace(buffers.get() + 1) < 2;
        let error = publish(&source, &root, TARGET, &in_time).unwrap_err();
        assert!(matches!(error, CopyError::OutOfTime(_)), "{error}");
        assert!(files(&root).is_empty());
    }

    #[test]
    fn a_source_that_grows_meanwhile_is_not_published() {
        let (_folder, source, root) = folders();
        fs::write(&source, vec![7; BUFFER]).unwrap();
        let grown = Cell::new(false);
        let grow = || {
            if !grown.replace(true) {
                let mut file = OpenOptions::new().append(true).open(&source).unwrap();
                file.write_all(b"x").unwrap();
            }
            true
        };
        let error = publish(&source, &root, TARGET, &grow).unwrap_err();
        assert!(matches!(error, CopyError::SizeChanged { .. }), "{error}");
        assert!(files(&root).is_empty());
    }

    #[test]
    fn a_missing_source_and_a_folder_are_told_apart() {
        let (folder, source, root) = folders();
        let error = publish(&source, &root, TARGET, &|| true).unwrap_err();
        assert!(matches!(error, CopyError::SourceMissing(_)), "{error}");
        let error = publish(folder.path(), &root, TARGET, &|| true).unwrap_err();
        assert!(matches!(error, CopyError::NotAFile(_)), "{error}");
    }
}
