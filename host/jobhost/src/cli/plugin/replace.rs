//! Replaces a file in one step: whoever reads it at any time, as a worker does, finds all of the old content or of the new.

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Of a new file, less what the user's mask takes away.
const USUAL: u32 = 0o666;

/// Writes the file beside its place and moves it there. Of a link the file that it names is replaced, and not the link. Its
/// permissions stay, and one that may not be written is not replaced either.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let path = match fs::canonicalize(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => path.to_owned(),
        found => found?,
    };
    let before = match File::options().write(true).open(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        file => Some(file?.metadata()?.permissions()),
    };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut name = path.file_name().unwrap_or(OsStr::new("new")).to_owned();
    name.push(".");
    let beside =
        tempfile::Builder::new().prefix(&name).permissions(Permissions::from_mode(USUAL)).tempfile_in(folder)?;
    beside.as_file().write_all(bytes)?;
    if let Some(permissions) = before {
        beside.as_file().set_permissions(permissions)?;
    }
    beside.persist(&path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_file_is_replaced_with_its_permissions_and_through_links_and_nothing_is_left() {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (file, target) = (folder.path().join("a"), other.path().join("b"));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        File::create(folder.path().join("usual")).unwrap();
        replace(&file, b"new").unwrap();
        assert_eq!(mode(&file), mode(&folder.path().join("usual")));
        fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        let mut reader = File::open(&file).unwrap();
        replace(&file, b"newer").unwrap();
        assert_eq!((fs::read(&file).unwrap(), mode(&file)), (b"newer".to_vec(), 0o640));
        assert_eq!(io::read_to_string(&mut reader).unwrap(), "new", "who has begun to read goes on with the old one");

        fs::write(&target, "old").unwrap();
        symlink(&target, folder.path().join("link")).unwrap();
        replace(&folder.path().join("link"), b"new").unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"new");
        assert!(folder.path().join("link").is_symlink());
        let names = |folder: &Path| fs::read_dir(folder).unwrap().count();
        assert_eq!((names(folder.path()), names(other.path())), (3, 1));
        assert!(replace(&folder.path().join("nowhere/a"), b"").is_err());
    }
}
