//! A command that has ended, and what tests ask about it. Every failing
//! question shows the command and all that it printed.

use std::fmt;

use serde_json::Value;

/// What a command printed and how it ended.
#[derive(Clone)]
pub struct Finished {
    /// The command, as it could be typed.
    pub shown: String,
    /// The exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Finished {
    /// Requires exit code 0.
    #[track_caller]
    pub fn success(self) -> Self {
        self.exits_with(0)
    }

    /// Requires this exit code.
    #[track_caller]
    pub fn exits_with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "exit code of {self}");
        self
    }

    /// Requires this in its standard output.
    #[track_caller]
    pub fn prints(self, part: &str) -> Self {
        assert!(self.stdout.contains(part), "{part:?} is missing in the output of {self}");
        self
    }

    /// Requires this in its standard error.
    #[track_caller]
    pub fn complains(self, part: &str) -> Self {
        assert!(self.stderr.contains(part), "{part:?} is missing in the complaint of {self}");
        self
    }

    /// Requires that a failure was told in few lines, to people.
    #[track_caller]
    pub fn complains_clearly(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(self.stderr.contains(part), "{part:?} is missing in the complaint of {self}");
        }
        for noise in ["panicked", "RUST_BACKTRACE", "Caused by:", "Error {", "Some("] {
            assert!(!self.stderr.contains(noise), "{noise:?} is not for people: {self}");
        }
        self
    }

    /// Its standard output, which must be one JSON document.
    #[track_caller]
    pub fn json(&self) -> Value {
        let parsed = serde_json::from_str(&self.stdout);
        parsed.unwrap_or_else(|error| panic!("not one JSON document ({error}): {self}"))
    }

    /// Its standard output without the last line's end.
    pub fn text(&self) -> &str {
        self.stdout.trim_end_matches('\n')
    }

    /// The lines of its standard output.
    pub fn lines(&self) -> Vec<&str> {
        self.stdout.lines().collect()
    }
}

impl fmt::Display for Finished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}`, which ended with {:?}\n--- stdout\n{}\n--- stderr\n{}\n---",
            self.shown, self.code, self.stdout, self.stderr
        )
    }
}
