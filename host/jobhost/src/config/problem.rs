//! What is wrong with a configuration, and where. All of it is collected
//! before anything is said.

use std::cell::RefCell;
use std::fmt;

use serde::Serialize;

/// Where in the configuration something stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// A file's path, or an option such as `--plugin`.
    pub source: String,
    /// From 1, where it is a file.
    pub line: Option<usize>,
    /// In characters, from 1.
    pub column: Option<usize>,
}

impl Place {
    /// An option of the command line, or the default.
    pub fn option(name: &str) -> Self {
        Self { source: name.to_owned(), ..Self::default() }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)?;
        match (self.line, self.column) {
            (Some(line), Some(column)) => write!(f, ":{line}:{column}"),
            _ => Ok(()),
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What, and what to do about it.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

/// A configuration that cannot be used; never without a problem.
#[derive(Clone, Debug, thiserror::Error)]
pub struct ConfigError {
    /// Everything that is wrong with it, in the order of the file.
    pub problems: Vec<Problem>,
}

impl ConfigError {
    /// One problem.
    pub fn one(place: Place, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { problems: vec![Problem { place, message }] }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

/// Collects the problems of one file.
pub(super) struct Findings<'a> {
    source: String,
    text: &'a str,
    found: RefCell<Vec<Problem>>,
}

impl<'a> Findings<'a> {
    pub(super) fn new(source: String, text: &'a str) -> Self {
        Self { source, text, found: RefCell::default() }
    }

    /// The place of a byte of the text.
    pub(super) fn place(&self, offset: usize) -> Place {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Place {
            source: self.source.clone(),
            line: Some(before.matches('\n').count() + 1),
            column: Some(before[line_start..].chars().count() + 1),
        }
    }

    pub(super) fn note(&self, offset: usize, message: impl Into<String>) {
        self.note_at(self.place(offset), message);
    }

    pub(super) fn note_at(&self, place: Place, message: impl Into<String>) {
        let message = message.into();
        self.found.borrow_mut().push(Problem { place, message });
    }

    /// What was found, in the order of the text.
    pub(super) fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.found.into_inner();
        problems.sort();
        problems.dedup();
        problems
    }
}

/// ` (did you mean …?)` if one of the names is near to what was written.
pub fn did_you_mean<'n>(written: &str, names: impl IntoIterator<Item = &'n str>) -> String {
    names
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(written, name), name))
        .filter(|(distance, name)| *distance <= 1 + name.len() / 4)
        .min()
        .map(|(_, name)| format!("; did you mean `{name}`?"))
        .unwrap_or_default()
}
