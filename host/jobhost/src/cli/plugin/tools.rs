//! Finds the tools of a language and runs them. What they say goes to stderr as it is.

use std::fmt::Write;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;
use tokio::time::Instant;

use super::super::output::human_duration;
use super::group::{self, Bounds, Ended};
use crate::exit::CliError;
use crate::project::Language;
use crate::project::languages::{Answer, Candidate, Tool};

/// How long a tool may think about whether it can do the work: some compile something to find out.
const PROBE: Duration = Duration::from_mins(1);
/// Bytes of a tool's answer that is read. Cargo's has some hundred for each crate.
const ANSWER: u64 = 64 << 20;

/// How long a build may take, all of its commands together.
#[derive(Clone, Copy)]
pub(super) struct Timeout {
    whole: Duration,
    until: Instant,
}

impl Timeout {
    /// So long from now.
    pub(super) fn begins(whole: Duration) -> Self {
        let now = Instant::now();
        Self { whole, until: now.checked_add(whole).unwrap_or(now) }
    }
}

/// The tools of a language.
pub(super) struct Tools(Vec<Found>);

struct Found {
    name: &'static str,
    /// The beginning of a command.
    command: &'static [&'static str],
    /// What it answered.
    said: Vec<u8>,
}

/// Finds all of them, or says which are missing and how to install them.
pub(super) async fn find(language: &Language, folder: &Path) -> Result<Tools, CliError> {
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for tool in language.tools {
        match first_that_answers(tool, folder).await {
            Some((candidate, said)) => found.push(Found { name: tool.name, command: candidate.command, said }),
            None => missing.push(advice(tool)),
        }
    }
    if missing.is_empty() {
        return Ok(Tools(found));
    }
    Err(CliError::NotSo(format!("a plugin in {} cannot be built here\n{}", language.title, missing.join("\n"))))
}

fn advice(tool: &Tool) -> String {
    let mut text = format!("missing: {}", tool.what);
    for (whom, line) in tool.install {
        let _ = write!(text, "\n  {whom}: {line}");
    }
    text
}

async fn first_that_answers(tool: &Tool, folder: &Path) -> Option<(&'static Candidate, Vec<u8>)> {
    for candidate in tool.candidates {
        if let Some(said) = answer(candidate, folder).await {
            return Some((candidate, said));
        }
    }
    None
}

/// What it says if it can do the work.
async fn answer(candidate: &Candidate, folder: &Path) -> Option<Vec<u8>> {
    let (program, first) = candidate.command.split_first()?;
    let mut command = Command::new(program);
    command.args(first).args(candidate.probe).current_dir(folder).stdout(Stdio::piped()).stderr(Stdio::null());
    let bounds = Bounds { until: Instant::now() + PROBE, answer: ANSWER };
    let (status, said) = group::run(&mut command, bounds).await.ok()?;
    let can = status.success()
        && match candidate.answer {
            Answer::Success => true,
            Answer::Folder => Path::new(String::from_utf8_lossy(&said).trim()).is_dir(),
        };
    can.then_some(said)
}

impl Tools {
    /// What the tools said of themselves.
    pub(super) fn said(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(|found| found.said.as_slice())
    }

    /// Runs a command of the language's table to its end; what it printed, if that is wanted.
    pub(super) async fn run(
        &self,
        words: &[&str],
        folder: &Path,
        captured: bool,
        timeout: Timeout,
    ) -> Result<String, CliError> {
        let words = self.spelled_out(words)?;
        let line = words.join(" ");
        let failed = |why: String| CliError::NotSo(format!("`{line}` failed: {why}"));
        let (program, arguments) = words.split_first().ok_or_else(|| CliError::Bug("an empty command".to_owned()))?;
        let mut command = Command::new(program);
        // Stdout is for the answer of this program.
        let stderr = io::stderr().as_fd().try_clone_to_owned().map_err(|error| failed(error.to_string()))?;
        let stdout = if captured { Stdio::piped() } else { Stdio::from(stderr) };
        command.args(arguments).current_dir(folder).stderr(Stdio::inherit()).stdout(stdout);
        let ended = group::run(&mut command, Bounds { until: timeout.until, answer: ANSWER }).await;
        let (status, said) = ended.map_err(|ended| match ended {
            Ended::Late => failed(format!(
                "the build has taken more than {} and was ended; `--timeout` lets it take longer",
                human_duration(timeout.whole)
            )),
            other => failed(other.to_string()),
        })?;
        if !status.success() {
            return Err(failed(status.to_string()));
        }
        Ok(String::from_utf8_lossy(&said).into_owned())
    }

    /// Puts the tools in place of their names.
    fn spelled_out(&self, words: &[&str]) -> Result<Vec<String>, CliError> {
        let mut line = Vec::new();
        for word in words {
            // Of a word such as `CC={cc}` the tool is a part, with blanks between its own words.
            let named = self.0.iter().find(|found| word.contains(&format!("{{{}}}", found.name)));
            match named {
                Some(Found { name, command, .. }) if *word == format!("{{{name}}}") => {
                    line.extend(command.iter().map(|word| (*word).to_owned()));
                }
                Some(Found { name, command, .. }) => {
                    line.push(word.replace(&format!("{{{name}}}"), &command.join(" ")));
                }
                None if word.contains('{') => return Err(CliError::Bug(format!("the command names no tool: {word}"))),
                None => line.push((*word).to_owned()),
            }
        }
        Ok(line)
    }
}

/// The component that Cargo says it made, from its messages, a JSON document a line.
pub(super) fn made_by_cargo(messages: &str) -> Result<String, CliError> {
    let documents = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let made = documents.filter(|document| document["reason"] == "compiler-artifact").flat_map(|document| {
        let files = document["filenames"].as_array().cloned().unwrap_or_default();
        files.into_iter().filter_map(|file| file.as_str().map(str::to_owned))
    });
    let mut components: Vec<_> =
        made.filter(|file| Path::new(file).extension().is_some_and(|end| end == "wasm")).collect();
    match components.len() {
        1 => Ok(components.remove(0)),
        0 => Err(CliError::NotSo(
            "Cargo made no component; write `crate-type = [\"cdylib\"]` under [lib] in Cargo.toml".to_owned(),
        )),
        _ => Err(CliError::NotSo(format!(
            "Cargo made several components: {}; a project makes one",
            components.join(", ")
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_of_several_words_takes_the_place_of_its_name_within_a_word_or_as_words() {
        let found = |name, command| Found { name, command, said: Vec::new() };
        let tools = Tools(vec![found("zig", &["python3", "-m", "ziglang"]), found("make", &["make"])]);
        assert_eq!(tools.spelled_out(&["{zig}", "build"]).unwrap(), ["python3", "-m", "ziglang", "build"]);
        assert_eq!(tools.spelled_out(&["{make}", "CC={zig} cc"]).unwrap(), ["make", "CC=python3 -m ziglang cc"]);
        assert!(tools.spelled_out(&["{npm}"]).is_err());
    }

    #[test]
    fn cargo_is_asked_which_component_it_made_and_there_must_be_one() {
        let one = "{\"reason\":\"compiler-artifact\",\"filenames\":[\"/t/libserde.rlib\"]}\nnoise\n\
                   {\"reason\":\"compiler-artifact\",\"filenames\":[\"/t/plugin.wasm\"]}\n{\"reason\":\"build-finished\"}\n";
        assert_eq!(made_by_cargo(one).unwrap(), "/t/plugin.wasm");
        assert!(made_by_cargo("").unwrap_err().to_string().contains("cdylib"));
        assert!(made_by_cargo(&one.repeat(2)).unwrap_err().to_string().contains("several"));
    }
}
