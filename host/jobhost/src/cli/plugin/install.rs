//! Installs the packages that a project declares in its own folder, where that has not been done.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::super::output::complain;
use super::fingerprint::{Fingerprint, is_kept};
use super::tools::{Timeout, Tools};
use crate::exit::CliError;
use crate::project::Project;
use crate::project::languages::Packages;

/// Says in the packages' folder what they were installed for.
const KEPT: &str = ".installed-by-jobhost";
/// Files that may declare packages.
const MOST: usize = 1000;
/// Bytes of one in which others may be named.
const LONGEST: u64 = 1 << 20;

/// Does nothing where what is installed was installed for the same files, by the same tools.
pub(super) async fn install(
    project: &Project,
    packages: &Packages,
    tools: &Tools,
    timeout: Timeout,
) -> Result<(), CliError> {
    let home = project.folder.join(packages.folder);
    let kept = home.join(KEPT);
    // As it is before: what is declared meanwhile is not installed. Locks are written by the tools.
    let declared = declared(project, packages, tools).ok();
    if complete(project, packages, declared.as_ref()).is_some_and(|whole| is_kept(&kept, &whole)) {
        return Ok(());
    }
    let first = packages.declared.first().unwrap_or(&packages.folder);
    complain(&format!("installing packages into {} ({first})", home.display()));
    for command in packages.commands {
        tools.run(command, &project.folder, false, timeout).await?;
    }
    let whole = complete(project, packages, declared.as_ref()).unwrap_or_default();
    // There may have been nothing to install.
    let written = fs::create_dir_all(&home).and_then(|()| fs::write(&kept, whole));
    written.map_err(|error| CliError::NotSo(format!("{} cannot be written: {error}", kept.display())))
}

fn declared(project: &Project, packages: &Packages, tools: &Tools) -> io::Result<Fingerprint> {
    let mut fingerprint = Fingerprint::of(packages.commands);
    tools.said().for_each(|said| fingerprint.add(said));
    for file in files(&project.folder, packages) {
        fingerprint.add(file.as_os_str().as_encoded_bytes());
        fingerprint.add_content(&project.folder.join(file))?;
    }
    Ok(fingerprint)
}

/// What is declared and what is there.
fn complete(project: &Project, packages: &Packages, declared: Option<&Fingerprint>) -> Option<String> {
    let mut fingerprint = declared?.clone();
    for lock in project.language.locks {
        fingerprint.add_content(&project.folder.join(lock)).ok()?;
    }
    if let Some(program) = packages.program {
        fingerprint.add_state(&project.folder.join(packages.folder).join(program)).ok()?;
    }
    Some(fingerprint.text())
}

/// The files that declare packages, and those that they name, by their paths in the project.
fn files(folder: &Path, packages: &Packages) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut more: Vec<_> = packages.declared.iter().map(PathBuf::from).collect();
    while let Some(file) = more.pop() {
        if found.len() == MOST || found.contains(&file) {
            continue;
        }
        let path = folder.join(&file);
        let is_usual = fs::metadata(&path).is_ok_and(|found| found.is_file() && found.len() < LONGEST);
        let text = if is_usual { fs::read_to_string(&path).unwrap_or_default() } else { String::new() };
        let beside = file.parent().unwrap_or(Path::new(""));
        more.extend((packages.names)(&text).into_iter().map(|name| tidy(&beside.join(name))));
        found.insert(file);
    }
    found
}

/// Without what leads back, so that files which name each other are found once.
fn tidy(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if tidy.file_name().is_some() => {
                tidy.pop();
            }
            other => tidy.push(other),
        }
    }
    tidy
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::languages::language;

    #[test]
    fn files_that_the_requirements_include_are_among_those_that_declare_packages() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        fs::create_dir(folder.path().join("more")).unwrap();
        write("requirements.txt", "-r more/all.txt\n");
        write("more/all.txt", "-c versions.txt\n-r ../requirements.txt\n-r ../../shared.txt\n");
        let packages = language("python").unwrap().packages.as_ref().unwrap();
        let expected = ["../shared.txt", "more/all.txt", "more/versions.txt", "requirements.txt"];
        assert_eq!(files(folder.path(), packages), expected.map(PathBuf::from).into());
    }
}
