//! The files of a new project: the template of its language, and what it needs of jobhost itself, so that it is built
//! without a checkout. All of it was embedded when jobhost was built.

use super::languages::{Language, Supplies};
use super::vendored;

/// Every embedded file by its path: `LANGUAGE/PART/…`, `any/PART/…`, `guest/…` and `wit/…`.
pub(super) static EMBEDDED: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/templates.rs"));
/// What stands in templates for the name of the plugin.
const NAME: &str = "my_plugin";

/// What a plugin does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It runs jobs.
    Handler,
    /// It hears of jobs that others run.
    Hooks,
}

impl Kind {
    fn part(self) -> &'static str {
        match self {
            Self::Handler => "handler",
            Self::Hooks => "hooks",
        }
    }
}

/// The files of a new project, by their paths in it, in order.
pub fn files(name: &str, language: &Language, kind: Kind) -> Result<Vec<(String, String)>, String> {
    let mut files = Vec::new();
    for folder in ["any", language.name] {
        for part in ["both", kind.part()] {
            let below = format!("{folder}/{part}/");
            let own = |(path, text): &(&str, &str)| Some((path.strip_prefix(&below)?.to_owned(), (*text).to_owned()));
            files.extend(EMBEDDED.iter().filter_map(own).map(|(path, text)| (path, text.replace(NAME, name))));
        }
    }
    match language.supplies {
        Supplies::GuestCrate => files.extend(vendored::guest_crate()?),
        Supplies::Interface | Supplies::CBindings => {
            files.extend(vendored::interface(kind.part(), language.prunes));
        }
        Supplies::Library(library) => files.extend(vendored::library(library, kind.part(), language.prunes)),
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::LANGUAGES;
    use super::*;

    #[test]
    fn every_language_has_a_handler_and_a_hook_with_the_same_jobs_to_try_them_with() {
        for kind in [Kind::Handler, Kind::Hooks] {
            let mut samples = BTreeSet::new();
            for language in LANGUAGES {
                let files = files("greet", language, kind).unwrap();
                let paths: Vec<_> = files.iter().map(|(path, _)| path.as_str()).collect();
                for path in [language.mark, "README.md", "jobhost.toml", ".gitignore"] {
                    assert!(paths.contains(&path), "{}: no {path} in {paths:?}", language.name);
                }
                let unique: BTreeSet<_> = paths.iter().collect();
                assert_eq!(unique.len(), paths.len(), "{}: a file is there twice: {paths:?}", language.name);
                let is_sample = |path: &&&str| path.ends_with(".job.json");
                samples.insert(paths.iter().filter(is_sample).map(|path| (*path).to_owned()).collect::<Vec<_>>());
                for (path, text) in &files {
                    assert!(!text.contains(NAME), "{}: {path} still has {NAME}", language.name);
                }
                let readme = files.iter().find(|(path, _)| path == "README.md").map_or("", |(_, text)| text);
                assert!(readme.lines().count() <= 12, "{}: its README is to be read at a glance", language.name);
            }
            assert_eq!(samples.len(), 1, "the jobs differ: {samples:?}");
            assert!(samples.first().is_some_and(|samples| samples.len() >= 3), "{samples:?}");
        }
    }

    #[test]
    fn the_table_names_every_template_and_each_tool_that_its_commands_call() {
        let folders: BTreeSet<_> = EMBEDDED.iter().filter_map(|(path, _)| path.split('/').next()).collect();
        let known: BTreeSet<_> =
            LANGUAGES.iter().map(|language| language.name).chain(["any", "guest", "wit", "world"]).collect();
        assert!(folders.is_subset(&known), "{folders:?} {known:?}");
        for language in LANGUAGES {
            assert!(folders.contains(language.name), "{} has no template", language.name);
            let installing = language.packages.iter().flat_map(|packages| packages.commands);
            for word in language.commands.iter().chain(installing).copied().flatten() {
                let Some(at) = word.find('{') else { continue };
                let called = word[at + 1..].split('}').next().unwrap_or_default();
                assert!(language.tools.iter().any(|tool| tool.name == called), "{}: no tool {called}", language.name);
            }
            assert!(language.tools.iter().all(|tool| !tool.install.is_empty() && !tool.candidates.is_empty()));
        }
    }
}
