//! Folders: found when a plugin is loaded, opened anew for each call. Paths that climb out of a folder are refused by
//! the WASI implementation, which resolves them below an open folder and never through the host's root. Where the
//! folder itself lies is watched over here: a guest that may write above another grant could move it away and leave a
//! link to anywhere in its place.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::filesystem::FsPerms;

use super::{FsGrant, FsMode};

/// Where the granted folder really is, with all links followed, or why the grant cannot be kept.
pub(crate) fn resolve(grant: &FsGrant) -> Result<PathBuf, String> {
    if grant.guest.is_empty() {
        return Err("its `guest` path is empty; name the path the plugin shall see".to_owned());
    }
    match std::fs::metadata(&grant.host) {
        Ok(found) if found.is_dir() => {}
        Ok(_) => return Err("it is not a folder; grant the folder that holds it".to_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err("no such folder; create it or correct the grant's `host`".to_owned());
        }
        Err(error) => return Err(unreadable(&error)),
    }
    let folder = File::open(&grant.host).map_err(|error| unreadable(&error))?;
    place(&folder)
}

fn unreadable(error: &std::io::Error) -> String {
    format!("{error}; make it readable for this user or remove the grant")
}

/// Which folder it is, whatever its path is: its device and its number there, which no other has while it is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity(u64, u64);

/// Gives a call its folders, whose hosts are as [`resolve`] found them, and says which they are. The error names the
/// folder that is not there any more.
pub(crate) fn open(builder: &mut WasiCtxBuilder, grants: &[FsGrant]) -> Result<Vec<Identity>, String> {
    let mut opened = Vec::with_capacity(grants.len());
    for grant in grants {
        let permissions = match grant.mode {
            FsMode::ReadOnly => FsPerms::ReadOnly,
            FsMode::ReadWrite => FsPerms::ReadWrite,
        };
        let open = |builder: &mut WasiCtxBuilder| {
            let folder = unmoved(&grant.host)?;
            let found = folder.metadata().map_err(|error| error.to_string())?;
            let opened = builder.preopened_dir(descriptor(&folder), &grant.guest, permissions);
            opened.map(|_| Identity(found.dev(), found.ino())).map_err(|error| format!("{error:#}"))
        };
        opened.push(
            open(builder)
                .map_err(|why| format!("granted folder {} (guest `{}`): {why}", grant.host.display(), grant.guest))?,
        );
    }
    Ok(opened)
}

/// The folder at a path in which there was no link.
fn unmoved(path: &Path) -> Result<File, String> {
    // The dot makes sure that it is a folder: a pipe would be waited for.
    let folder = File::open(path.join(".")).map_err(|error| error.to_string())?;
    let now = place(&folder)?;
    if now == path {
        Ok(folder)
    } else {
        Err(format!("a link to {} has taken its place; undo that, or load the plugin again", now.display()))
    }
}

/// Where an open folder is. To ask this of what is open leaves no time in which a path could change its meaning.
fn place(folder: &File) -> Result<PathBuf, String> {
    std::fs::read_link(descriptor(folder))
        .map_err(|error| format!("cannot find out where it is: {error}; /proc has to be mounted"))
}

/// A path to what is open, which follows no path.
fn descriptor(folder: &File) -> PathBuf {
    format!("/proc/self/fd/{}", folder.as_raw_fd()).into()
}
