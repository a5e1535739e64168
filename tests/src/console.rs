//! Runs what a document shows: its fenced blocks marked `console`. Lines that
//! begin with `$ ` are commands (one that ends with `\` goes on in the next
//! line), the others what they print; `…` stands for anything, lines included.
//!
//! Comments in the document, each for the blocks that follow it, say what is
//! not shown: `<!-- test: plugins -->` puts the plugins that ship into the
//! folder, `<!-- test: example NAME -->` the files of that example beside its
//! README, with a free port in place of 8099 in them and in the commands,
//! `<!-- test: redis -->` starts a server in place of `127.0.0.1:6379`, `<!-- test: exits 1 -->` says with what the last command
//! of the next block ends, and `<!-- test: skip -->` leaves the next block
//! out, which only commands that fetch or build may be.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{Read, pipe};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::artifacts;
use crate::invocation::wait;
use crate::process;
use crate::redis_server::{RedisServer, free_port};
use crate::text::{PATIENCE, matches};

/// What a skipped block may consist of.
const SKIPPABLE: [&str; 5] = ["cargo ", "git ", "cd ", "apt-get ", "rustup "];

/// One fenced block.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Console {
    /// The commands, each with what it prints.
    pub steps: Vec<Step>,
    /// Whether it is left out.
    pub skipped: bool,
    /// With what its last command ends.
    pub exits: i32,
    /// What the comments before it asked for.
    pub wants: Wants,
}

/// A command and what the document shows of its output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// The line of the document.
    pub line: usize,
    /// For the shell.
    pub command: String,
    /// Its lines.
    pub output: Vec<String>,
}

/// What a document's commands need around them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// The plugins that ship, beside the commands.
    pub plugins: bool,
    /// The files of the example of this name.
    pub example: Option<String>,
    /// A server.
    pub redis: bool,
}

/// The `console` blocks of a document in Markdown, in order; an error names the line.
pub fn console_blocks(document: &str) -> Result<Vec<Console>, String> {
    let mut blocks = Vec::new();
    let mut next = Console::default();
    let mut lines = document.lines().enumerate().map(|(index, line)| (index + 1, line));
    while let Some((number, line)) = lines.next() {
        if let Some(comment) = line.trim().strip_prefix("<!-- test:") {
            note(comment.trim_end_matches("-->").trim(), &mut next).map_err(|why| format!("line {number}: {why}"))?;
        } else if line.trim() == "```console" {
            let inside: Vec<_> = lines.by_ref().take_while(|(_, line)| line.trim() != "```").collect();
            let mut block = Console { wants: next.wants.clone(), ..std::mem::take(&mut next) };
            next.wants = block.wants.clone();
            block.steps = steps(&inside)?;
            check_skipped(&block)?;
            blocks.push(block);
        }
    }
    Ok(blocks)
}

fn note(comment: &str, next: &mut Console) -> Result<(), String> {
    match comment.split_whitespace().collect::<Vec<_>>()[..] {
        ["plugins"] => next.wants.plugins = true,
        ["example", name] => next.wants.example = Some(name.to_owned()),
        ["redis"] => next.wants.redis = true,
        ["skip"] => next.skipped = true,
        ["exits", code] => next.exits = code.parse().map_err(|_| format!("`{code}` is no exit code"))?,
        _ => return Err(format!("`{comment}` is not known; there are plugins, example, redis, exits and skip")),
    }
    Ok(())
}

fn steps(lines: &[(usize, &str)]) -> Result<Vec<Step>, String> {
    let mut steps: Vec<Step> = Vec::new();
    let mut goes_on = false;
    for (number, line) in lines {
        match (line.strip_prefix("$ "), steps.last_mut()) {
            (_, Some(step)) if goes_on => {
                step.command.push('\n');
                step.command.push_str(line);
            }
            (Some(command), _) => {
                steps.push(Step { line: *number, command: command.to_owned(), output: Vec::new() });
            }
            (None, Some(step)) => {
                step.output.push((*line).to_owned());
                continue;
            }
            (None, None) => return Err(format!("line {number}: a `console` block begins with a command after `$ `")),
        }
        goes_on = line.ends_with('\\');
    }
    Ok(steps)
}

fn check_skipped(block: &Console) -> Result<(), String> {
    let wrong = block.steps.iter().find(|step| !SKIPPABLE.iter().any(|start| step.command.starts_with(start)));
    match wrong {
        Some(step) if block.skipped => {
            Err(format!("line {}: only what fetches or builds may be skipped: {}", step.line, step.command))
        }
        _ => Ok(()),
    }
}

impl Console {
    /// Runs its commands, with other addresses in the place of those that the
    /// document has; the error shows the first one that does not do what the
    /// document says.
    fn run(&self, surroundings: &Surroundings<'_>, addresses: &[Address]) -> Result<(), String> {
        for (index, step) in self.steps.iter().enumerate() {
            let last = index + 1 == self.steps.len();
            run(step, if last { self.exits } else { 0 }, surroundings, addresses)?;
        }
        Ok(())
    }
}

/// Where the commands of a document run.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// The working directory.
    pub folder: &'a Path,
    /// Set for each command; `PATH` is what comes behind the programs under test.
    pub variables: &'a [(&'a str, OsString)],
    /// What a command may take.
    pub patience: Duration,
}

/// Runs the blocks of a document in one folder; returns how many commands
/// these were. The error shows the first one that did not do what it says.
pub fn run_document(document: &str, folder: &Path) -> Result<usize, String> {
    run_document_in(document, &Surroundings { folder, variables: &[], patience: PATIENCE })
}

/// The same, where commands need more than a folder.
pub fn run_document_in(document: &str, surroundings: &Surroundings<'_>) -> Result<usize, String> {
    let folder = surroundings.folder;
    let blocks = console_blocks(document)?;
    let (mut server, mut addresses) = (None, Vec::new());
    let (mut example, mut run) = (None, 0);
    for block in blocks.iter().filter(|block| !block.skipped) {
        if block.wants.plugins {
            for name in SHIPPED {
                let plugin = artifacts::plugin(name);
                let copy = folder.join(plugin.file_name().unwrap_or_default());
                fs::copy(&plugin, copy).map_err(|error| format!("{}: {error}", plugin.display()))?;
            }
        }
        if block.wants.redis && server.is_none() {
            let data = folder.join(".redis");
            fs::create_dir_all(&data).map_err(|error| error.to_string())?;
            let started = RedisServer::start(&data);
            addresses.push(Address { shown: "127.0.0.1:6379", real: started.address() });
            server = Some(started);
        }
        if block.wants.example != example {
            example.clone_from(&block.wants.example);
            let address = Address { shown: "127.0.0.1:8099", real: format!("127.0.0.1:{}", free_port()) };
            copy_example(example.as_deref().unwrap_or_default(), folder, &address)?;
            addresses.push(address);
        }
        block.run(surroundings, &addresses)?;
        run += block.steps.len();
    }
    Ok(run)
}

/// The plugins that ship.
const SHIPPED: [&str; 7] = [
    "copy-asset",
    "copy-asset-events",
    "greet",
    "pipeline-events",
    "publish-article",
    "source-callback",
    "upload-asset",
];

/// An address of the document, which somebody else may use, and the one that takes its place.
struct Address {
    shown: &'static str,
    real: String,
}

/// Puts the files beside an example's README into the folder.
fn copy_example(name: &str, folder: &Path, address: &Address) -> Result<(), String> {
    let example = artifacts::repository().join("examples").join(name);
    let told = |error: std::io::Error| format!("{}: {error}", example.display());
    for entry in fs::read_dir(&example).map_err(told)? {
        let path = entry.map_err(told)?.path();
        if path.is_file() {
            let text = fs::read_to_string(&path).map_err(told)?.replace(address.shown, &address.real);
            fs::write(folder.join(path.file_name().unwrap_or_default()), text).map_err(told)?;
        }
    }
    Ok(())
}

fn run(step: &Step, exits: i32, surroundings: &Surroundings<'_>, addresses: &[Address]) -> Result<(), String> {
    let Surroundings { folder, variables, patience } = *surroundings;
    let (mut command, mut expected) = (step.command.clone(), step.output.join("\n"));
    for Address { shown, real } in addresses {
        command = command.replace(shown, real);
        expected = expected.replace(shown, real);
    }
    // One pipe for both, as on a terminal.
    let (mut printed, pipe) = pipe().map_err(|error| error.to_string())?;
    let stderr = pipe.try_clone().map_err(|error| error.to_string())?;
    let mut shell = Command::new("sh");
    shell
        .args(["-e", "-c", &command])
        .current_dir(folder)
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .env("PATH", search_path(variables))
        .env_remove("JOBHOST_STORE")
        .env_remove("JOBHOST_CONFIG")
        .env_remove("RUST_LOG")
        .stdin(Stdio::null())
        .stdout(pipe)
        .stderr(stderr);
    let mut child = process::spawn(&mut shell);
    // The pipe ends when the last of its writers does, and the command is one.
    drop(shell);
    let reading = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = printed.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    });
    let ended = wait(&mut child, patience);
    let printed = reading.join().unwrap_or_default();
    let actual: Vec<&str> = printed.lines().map(str::trim_end).collect();
    let told = || format!("line {}: $ {}\nprinted\n{printed}", step.line, step.command);
    match ended {
        None => Err(format!("{}and did not end within {patience:?}", told())),
        Some(status) if status.code() != Some(exits) => Err(format!("{}and ended with {status}, not {exits}", told())),
        Some(_) if !matches(&expected, &actual.join("\n")) => {
            Err(format!("{}but the document says\n{expected}", told()))
        }
        Some(_) => Ok(()),
    }
}

/// The search path, with the programs under test at its front.
fn search_path(variables: &[(&str, OsString)]) -> OsString {
    let given = variables.iter().find(|(name, _)| *name == "PATH").map(|(_, value)| value.clone());
    let path = given.or_else(|| env::var_os("PATH")).unwrap_or_default();
    let ours = artifacts::jobhost().parent().map(Path::to_owned);
    env::join_paths(ours.into_iter().chain(env::split_paths(&path))).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = r#"# A document

<!-- test: skip -->
```console
$ git clone …
$ cargo xtask demo
anything
```

Text, and a block that is not run:

```sh
$ false
```

```console
$ printf 'one\ntwo 42\n'; \
  echo "three" >&2
one
two …
three
$ seq 1 20 > numbers; cat numbers
1
…
20
```

<!-- test: exits 3 -->
```console
$ cat numbers | wc -l
20
$ exit 3
```
"#;

    fn run_in_a_new_folder(document: &str) -> Result<usize, String> {
        let folder = tempfile::tempdir().unwrap();
        run_document(document, folder.path())
    }

    #[test]
    fn a_document_that_tells_the_truth_passes() {
        assert_eq!(run_in_a_new_folder(SAMPLE), Ok(4));
    }

    #[test]
    fn what_the_document_says_is_read_with_its_lines() {
        let blocks = console_blocks(SAMPLE).unwrap();
        let shape: Vec<_> = blocks.iter().map(|block| (block.skipped, block.exits, block.steps.len())).collect();
        assert_eq!(shape, [(true, 0, 2), (false, 0, 2), (false, 3, 2)]);
        assert_eq!(blocks[1].steps[0].line, 17);
        assert_eq!(blocks[1].steps[0].output, ["one", "two …", "three"]);
    }

    #[test]
    fn each_untruth_is_told_with_its_line() {
        for (wrong, right, part) in [
            ("two …", "too …", "line 17: $ printf"),
            ("exits 3", "exits 0", "line 32: $ exit 3\nprinted\nand ended with exit status: 3, not 0"),
            ("20\n$ exit", "21\n$ exit", "but the document says\n21"),
            ("three\n$", "three\nfour\n$", "but the document says"),
            ("$ git clone …", "$ rm x", "line 5: only what fetches or builds may be skipped"),
            ("test: skip", "test: skipp", "line 3: `skipp` is not known"),
        ] {
            let error = run_in_a_new_folder(&SAMPLE.replace(wrong, right)).unwrap_err();
            assert!(error.contains(part), "{part}\n{error}");
        }
    }
}
