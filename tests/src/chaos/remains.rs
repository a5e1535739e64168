//! Keeps what a failed run leaves behind: the store, the marks, and what the
//! workers told and complained about.

use std::fs;
use std::io;
use std::path::Path;

use super::Plan;
use crate::artifacts;
use crate::workplace::Workplace;

/// Copies it to `target/chaos/SEED/STORE` of the repository, in place of what an earlier run left
/// there; says where it is.
pub(crate) fn keep(plan: &Plan, place: &Workplace) -> String {
    let folder = artifacts::repository().join(format!("target/chaos/{}/{}", plan.seed, plan.target.name()));
    let _ = fs::remove_dir_all(&folder);
    match copy(&place.path(""), &folder) {
        Ok(()) => format!("the store, workers.log and events.log are in {}", folder.display()),
        Err(error) => format!("what is left cannot be copied to {}: {error}", folder.display()),
    }
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}
