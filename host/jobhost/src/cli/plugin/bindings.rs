//! Brings the C bindings of a project up to date with its `wit` folder.

use std::fs;
use std::path::Path;

use crate::exit::CliError;
use crate::project::generate;

/// Where they are in a project. Builds know it, too.
const FOLDER: &str = "bindings";

/// Writes those that differ, so that a build does not do again what need not be done.
pub(super) fn bring_up_to_date(project: &Path) -> Result<(), CliError> {
    let folder = project.join(FOLDER);
    for (name, content) in generate(project).map_err(CliError::NotSo)? {
        let path = folder.join(name);
        if fs::read(&path).is_ok_and(|found| found == content) {
            continue;
        }
        fs::create_dir_all(&folder)
            .and_then(|()| fs::write(&path, content))
            .map_err(|error| CliError::NotSo(format!("{} cannot be written: {error}", path.display())))?;
    }
    Ok(())
}
