//! Folders: checked when a plugin is loaded, opened anew for each call. Paths that climb out of a folder are refused
//! by the WASI implementation, which resolves them below an open folder and never through the host's root.

use std::path::Path;

use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::filesystem::FsPerms;

use super::{FsGrant, FsMode};

/// Why this grant cannot be kept, if it cannot.
pub(crate) fn problem(grant: &FsGrant) -> Option<String> {
    if grant.guest.is_empty() {
        return Some("its `guest` path is empty; name the path the plugin shall see".to_owned());
    }
    match std::fs::metadata(&grant.host) {
        Ok(found) if found.is_dir() => None,
        Ok(_) => Some("it is not a folder; grant the folder that holds it".to_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Some("no such folder; create it or correct the grant's `host`".to_owned())
        }
        Err(error) => Some(format!("{error}; make it readable for this user or remove the grant")),
    }
}

/// Gives a call its folders. The error names the folder that is not there any more.
pub(crate) fn open(builder: &mut WasiCtxBuilder, grants: &[FsGrant]) -> Result<(), String> {
    for grant in grants {
        let permissions = match grant.mode {
            FsMode::ReadOnly => FsPerms::ReadOnly,
            FsMode::ReadWrite => FsPerms::ReadWrite,
        };
        builder
            .preopened_dir(Path::new(&grant.host), &grant.guest, permissions)
            .map_err(|error| format!("granted folder {} (guest `{}`): {error:#}", grant.host.display(), grant.guest))?;
    }
    Ok(())
}
