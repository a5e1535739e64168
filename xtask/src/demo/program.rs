//! The program as the story types it, and the counts that it prints.

use std::fmt;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::process::{Failure, cannot_start, output};

/// `jobhost` in the demo's folder.
pub(super) struct Jobhost {
    program: PathBuf,
    folder: PathBuf,
}

impl Jobhost {
    pub(super) fn new(program: &Path, folder: &Path) -> Self {
        Self { program: program.to_owned(), folder: folder.to_owned() }
    }

    /// Shows the command, runs it and shows what it prints as it comes. Any exit
    /// code but 0 is a failure.
    pub(super) fn story(&self, arguments: &[&str]) -> Result<String, Failure> {
        let quoted: Vec<_> = arguments.iter().map(|argument| quote(argument)).collect();
        println!("$ jobhost {}", quoted.join(" "));
        let mut command = self.command(arguments);
        let mut child = command.stdout(Stdio::piped()).spawn().map_err(|error| cannot_start(&command, &error))?;
        let mut printed = String::new();
        for line in child.stdout.take().map(BufReader::new).into_iter().flat_map(BufRead::lines) {
            let line = line.map_err(|error| cannot_start(&command, &error))?;
            println!("{line}");
            printed.push_str(&line);
            printed.push('\n');
        }
        let status = child.wait().map_err(|error| cannot_start(&command, &error))?;
        if !status.success() {
            return Err(Failure::new(format!("Expected the exit code 0, but it ended with {status}.")));
        }
        Ok(printed)
    }

    /// Pushes a job and returns its id, such as `copy-asset/1`.
    pub(super) fn push(&self, arguments: &[&str]) -> Result<String, Failure> {
        let printed = self.story(&[&["push"], arguments].concat())?;
        let id = printed.trim();
        let number = id.rsplit('/').next().unwrap_or_default();
        if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Failure::new(format!("Expected push to print an id such as copy-asset/1, not `{id}`.")));
        }
        Ok(id.to_owned())
    }

    /// Fails unless the queue holds this.
    pub(super) fn expect(&self, queue: &str, expected: &Counts) -> Result<(), Failure> {
        let found = self.counts(queue)?;
        if found == *expected {
            return Ok(());
        }
        Err(Failure::new(format!("Expected {queue} to have {expected}, but it has {found}.")))
    }

    /// What the queue holds.
    pub(super) fn counts(&self, queue: &str) -> Result<Counts, Failure> {
        let printed = output(&mut self.command(&["info", queue]))?;
        Counts::read(&printed).ok_or_else(|| {
            Failure::new(format!("Expected the counts of {queue} from `jobhost info {queue}`, not:\n{printed}"))
        })
    }

    /// The environment's own store and configuration must not win over the demo's.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).current_dir(&self.folder).env_remove("JOBHOST_STORE").env_remove("JOBHOST_CONFIG");
        command
    }
}

/// What `jobhost info` prints of one queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) waiting: u64,
    pub(super) delayed: u64,
    pub(super) reserved: u64,
    pub(super) done: u64,
    pub(super) failed: u64,
}

impl Counts {
    fn read(printed: &str) -> Option<Self> {
        let count = |name: &str| {
            let mut values = printed.lines().filter_map(|line| {
                line.trim().strip_prefix("- ")?.strip_prefix(name)?.strip_prefix(": ")?.parse().ok()
            });
            values.next()
        };
        Some(Self {
            waiting: count("waiting")?,
            delayed: count("delayed")?,
            reserved: count("reserved")?,
            done: count("done")?,
            failed: count("failed")?,
        })
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "waiting {}, delayed {}, reserved {}, done {}, failed {}",
            self.waiting, self.delayed, self.reserved, self.done, self.failed
        )
    }
}

/// The argument as one types it in a shell.
fn quote(argument: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./@=,:+".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) {
        return argument.to_owned();
    }
    format!("'{}'", argument.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_from_what_info_prints() {
        let printed = "Jobs\n- waiting: 1\n- delayed: 2\n- reserved: 3\n- done: 4\n- failed: 5\n";
        let counts = Counts { waiting: 1, delayed: 2, reserved: 3, done: 4, failed: 5 };
        assert_eq!(Counts::read(printed), Some(counts));
        assert_eq!(Counts::read("Jobs\n- waiting: 1\n"), None);
    }

    #[test]
    fn an_echoed_command_can_be_typed_again() {
        assert_eq!(quote("copy-asset/1"), "copy-asset/1");
        assert_eq!(quote(r"common\jobs\CopyAssetJob"), r"'common\jobs\CopyAssetJob'");
        assert_eq!(quote("it's"), r"'it'\''s'");
    }
}
