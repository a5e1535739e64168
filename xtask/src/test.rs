//! Runs every test, after installing what they need.

use std::fmt;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::process::{Failure, cannot_start, cargo, guest_cargo, is_installed, root};
use crate::{apt, binary, plugins, toolchains};

/// `cargo xtask test`. The last line is the sum of the test runner's own summaries.
pub(crate) fn run() -> Result<(), Failure> {
    ensure_redis()?;
    let without = toolchains::ensure()?;
    plugins::build()?;
    // The tests of the whole program start it.
    binary::build()?;
    let mut sum = Summary::default();
    let plugins = sum.add(guest_cargo(&root().join("plugins")).args([
        "test",
        "--workspace",
        "--all-features",
        "--no-fail-fast",
    ]))?;
    let mut tests = cargo(&root());
    tests.args(["test", "--workspace", "--no-fail-fast"]).env(toolchains::WITHOUT, toolchains::names(&without));
    let host = sum.add(&mut tests)?;
    for (language, why) in without {
        println!("\nskipped: plugins in {language}. {why}");
    }
    println!("\n{sum}");
    if plugins && host {
        return Ok(());
    }
    // The runner has just said which tests failed.
    Err(Failure { message: String::new(), code: 101 })
}

/// What the summaries of several test programs come to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Summary {
    passed: u64,
    failed: u64,
    skipped: u64,
}

impl Summary {
    /// Runs the test runner and passes on what it prints; returns whether it succeeded.
    fn add(&mut self, runner: &mut Command) -> Result<bool, Failure> {
        let mut child = runner.stdout(Stdio::piped()).spawn().map_err(|error| cannot_start(runner, &error))?;
        for line in child.stdout.take().into_iter().flat_map(|stdout| BufReader::new(stdout).lines()) {
            let line = line.map_err(|error| Failure::new(format!("The tests cannot be read: {error}.")))?;
            println!("{line}");
            self.count(&line);
        }
        let status = child.wait().map_err(|error| Failure::new(format!("The tests did not end: {error}.")))?;
        Ok(status.success())
    }

    /// Adds a line such as `test result: ok. 3 passed; 0 failed; 1 ignored; …`.
    fn count(&mut self, line: &str) {
        let Some((_, counts)) = line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". ")) else {
            return;
        };
        for count in counts.split("; ") {
            match count.split_once(' ') {
                Some((number, "passed")) => self.passed += number.parse().unwrap_or(0),
                Some((number, "failed")) => self.failed += number.parse().unwrap_or(0),
                Some((number, "ignored")) => self.skipped += number.parse().unwrap_or(0),
                _ => {}
            }
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

/// The tests of the Redis store start servers of their own.
pub(crate) fn ensure_redis() -> Result<(), Failure> {
    if is_installed("redis-server") {
        return Ok(());
    }
    println!("The tests of the Redis store need redis-server on the PATH: installing it.");
    apt::install(&["redis-server"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runners_summaries_are_added_up() {
        let mut sum = Summary::default();
        for line in [
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            "test a ... ok",
            "test result: FAILED. 10 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s",
        ] {
            sum.count(line);
        }
        assert_eq!(sum.to_string(), "13 passed, 2 failed, 1 skipped");
    }
}
