//! Whether the commands of a build can be left out, because they would make what is there. Only of commands that do not find
//! that out by themselves.

use std::fs;
use std::io;
use std::path::PathBuf;

use super::fingerprint::{Fingerprint, is_kept};
use super::tools::Tools;
use crate::project::Project;
use crate::project::languages::Made;

/// Says beside what a build left what it was made of.
const KEPT: &str = ".made-by-jobhost";

/// What the commands read, as it was when this was made.
pub(super) struct Unchanged {
    read: Fingerprint,
    left: PathBuf,
}

impl Unchanged {
    /// `None` where commands find it out by themselves, or it cannot be told.
    pub(super) fn of(project: &Project, tools: &Tools) -> Option<Self> {
        let language = project.language;
        let (Made::Component(left) | Made::Core(left)) = language.made else { return None };
        if language.reads.is_empty() {
            return None;
        }
        let read = read(project, tools).ok()?;
        Some(Self { read, left: project.folder.join(left) })
    }

    /// Whether the last build read the same, and what it left is still there.
    pub(super) fn holds(&self) -> bool {
        self.left.is_file() && self.whole().is_ok_and(|whole| is_kept(&self.left.with_file_name(KEPT), &whole))
    }

    /// After a build. Where it cannot be kept the next build does all of its work.
    pub(super) fn keep(&self) {
        let _ = self.whole().and_then(|whole| fs::write(self.left.with_file_name(KEPT), whole));
    }

    fn whole(&self) -> io::Result<String> {
        let mut whole = self.read.clone();
        whole.add_state(&self.left)?;
        Ok(whole.text())
    }
}

fn read(project: &Project, tools: &Tools) -> io::Result<Fingerprint> {
    let mut read = Fingerprint::of(project.language.commands);
    tools.said().for_each(|said| read.add(said));
    for path in project.language.reads {
        read.add_content(&project.folder.join(path))?;
    }
    if let Some(packages) = &project.language.packages {
        // They are many, and nobody undoes a change of them.
        read.add_state(&project.folder.join(packages.folder))?;
    }
    Ok(read)
}
