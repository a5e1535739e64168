//! The components that are measured: each returns what it was given, or nothing.

use std::env;
use std::path::{PathBuf, absolute};
use std::time::Duration;

use crate::artifacts::plugin;
use crate::tools::tool_variables;
use crate::workplace::Workplace;

/// Packages are fetched.
const BUILD: Duration = Duration::from_mins(10);

/// A component, and how it is called in the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guest {
    /// One word.
    pub name: String,
    from: Origin,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Origin {
    /// Built into `jobhost bench`.
    Host,
    /// An example of the guest crate.
    Crate,
    /// A new project whose source, at this path, is this.
    Project(&'static str, &'static str),
    /// Somebody's.
    File(PathBuf),
}

const JAVASCRIPT: Origin = Origin::Project("src/handler.js", include_str!("guests/handler.js"));
const PYTHON: Origin = Origin::Project("src/plugin.py", include_str!("guests/plugin.py"));

impl Guest {
    /// All that need no file.
    pub fn known() -> Vec<Self> {
        let known = [("no-op", Origin::Host), ("rust", Origin::Crate), ("javascript", JAVASCRIPT), ("python", PYTHON)];
        known.into_iter().map(|(name, from)| Self { name: name.to_owned(), from }).collect()
    }

    /// The one that is built into `jobhost bench`.
    pub(super) fn built_in() -> Self {
        Self { name: "no-op".to_owned(), from: Origin::Host }
    }

    /// One of those that are known, or `NAME=FILE`.
    pub(super) fn named(given: &str) -> Option<Self> {
        match given.split_once('=') {
            Some((name, file)) if !name.is_empty() => {
                // The program runs in a folder of its own.
                Some(Self { name: name.to_owned(), from: Origin::File(absolute(file).ok()?) })
            }
            Some(_) => None,
            None => Self::known().into_iter().find(|guest| guest.name == given),
        }
    }

    /// Whether its language has no tools here: `cargo xtask bench` says why.
    pub(super) fn is_left_out(&self) -> bool {
        let left_out = env::var("JOBHOST_TESTS_WITHOUT").unwrap_or_default();
        matches!(self.from, Origin::Project(..)) && left_out.split(',').any(|language| language == self.name)
    }

    /// Its share of the jobs of a run: an engine takes longer for each, and its figures need fewer to be steady.
    pub(super) fn jobs(&self, jobs: u32) -> u32 {
        let share = if matches!(self.from, Origin::Project(..)) { 10 } else { 1 };
        (jobs / share).max(1)
    }

    /// Its file, made in this place where it has none yet; `None` for the one that is built in. What cannot be built panics
    /// with the words of `jobhost plugin build`.
    #[track_caller]
    pub(super) fn file(&self, place: &Workplace) -> Option<PathBuf> {
        match &self.from {
            Origin::Host => None,
            Origin::Crate => Some(plugin("examples/answer")),
            Origin::File(file) => Some(file.clone()),
            Origin::Project(source, text) => {
                let name = format!("echo-{}", self.name);
                let component = place.path(&format!("{name}/{name}.wasm"));
                if !component.is_file() {
                    let jobhost = |args: &[&str]| {
                        let command = place.jobhost(args).within(BUILD);
                        let variables = tool_variables().into_iter();
                        variables.fold(command, |command, (name, value)| command.env(name, value)).run().success();
                    };
                    jobhost(&["plugin", "new", &name, "--lang", &self.name]);
                    place.write(&format!("{name}/{source}"), text);
                    jobhost(&["plugin", "build", &name]);
                }
                Some(component)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_with_an_engine_gets_fewer_jobs_and_never_none() {
        let jobs = |name: &str, jobs| Guest::named(name).unwrap().jobs(jobs);
        let all = ["no-op", "rust", "javascript", "python"].map(|name| jobs(name, 20_000));
        assert_eq!(all, [20_000, 20_000, 2_000, 2_000]);
        assert_eq!(jobs("python", 1), 1);
    }
}
