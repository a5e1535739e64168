//! One command, run to its end, with a limit of time.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::finished::Finished;
use crate::process;
use crate::text::PATIENCE;
use crate::worker::Worker;

/// A command that is yet to run.
pub struct Invocation {
    command: Command,
    stdin: Option<Vec<u8>>,
    most: Duration,
}

impl Invocation {
    pub(crate) fn new(command: Command) -> Self {
        Self { command, stdin: None, most: PATIENCE }
    }

    /// One more argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// What it reads; otherwise there is nothing to read.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(bytes.into());
        self
    }

    /// It may write no file beyond this size, in bytes: it is killed at the
    /// byte that would, or `survives` with an error as from a full disk.
    #[must_use]
    pub fn files_at_most(mut self, bytes: u64, survives: bool) -> Self {
        process::limit_files(&mut self.command, bytes, survives);
        self
    }

    /// It may take this long instead of a minute.
    #[must_use]
    pub fn within(mut self, most: Duration) -> Self {
        self.most = most;
        self
    }

    /// It begins with room for so many open files, as a shell or a service manager may have it, and may make it larger.
    #[must_use]
    pub fn begins_with_open_files(mut self, files: u64) -> Self {
        process::begin_with_open_files(&mut self.command, files);
        self
    }

    /// Runs it to its end, at most for a minute.
    #[track_caller]
    pub fn run(mut self) -> Finished {
        let shown = shown(&self.command);
        self.command
            .stdin(if self.stdin.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = process::spawn(&mut self.command);
        if let (Some(bytes), Some(mut pipe)) = (self.stdin, child.stdin.take()) {
            // A command that does not read to the end closes the pipe; that is its right.
            thread::spawn(move || drop(pipe.write_all(&bytes)));
        }
        let stdout = read_all(child.stdout.take());
        let stderr = read_all(child.stderr.take());
        let ended = wait(&mut child, self.most);
        let printed = |from: &Receiver<String>| from.recv_timeout(Duration::from_secs(5)).unwrap_or_default();
        let (stdout, stderr) = (printed(&stdout), printed(&stderr));
        let Some(status) = ended else {
            panic!("`{shown}` did not end within {:?}\n--- stdout\n{stdout}\n--- stderr\n{stderr}\n---", self.most);
        };
        Finished { shown, code: status.code(), stdout, stderr }
    }

    /// Starts it in the background; it is one that prints an event a line.
    pub fn start(self) -> Worker {
        Worker::start(self.command)
    }

    /// The bare command, for what this type does not do.
    pub fn into_command(self) -> Command {
        self.command
    }
}

/// As it could be typed.
pub(crate) fn shown(command: &Command) -> String {
    let args = command.get_args().map(OsStr::to_string_lossy);
    args.fold("jobhost".to_owned(), |line, arg| format!("{line} {arg}"))
}

fn read_all(pipe: Option<impl Read + Send + 'static>) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.read_to_end(&mut bytes);
        }
        let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receiver
}

/// How it ended; `None` if it had to be killed.
pub(crate) fn wait(child: &mut Child, most: Duration) -> Option<ExitStatus> {
    let began = Instant::now();
    while began.elapsed() < most {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status);
        }
        thread::sleep(Duration::from_millis(2));
    }
    let _ = child.kill();
    let _ = child.wait();
    None
}
