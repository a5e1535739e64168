//! A `run` or `listen` in the background, and its events as they come.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::finished::Finished;
use crate::invocation::{shown, wait};
use crate::process;
use crate::text::{PATIENCE, wait_until};

/// A worker process that tells events as JSON lines. It is killed when it is dropped.
pub struct Worker {
    child: Child,
    shown: String,
    lines: Receiver<String>,
    /// All that came, and whether a wait has taken it.
    seen: Vec<(Value, bool)>,
    stderr: Arc<Mutex<String>>,
}

impl Worker {
    pub(crate) fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let shown = shown(&command);
        let mut child = process::spawn(&mut command);
        let (sender, lines) = channel();
        if let Some(stdout) = child.stdout.take() {
            thread::spawn(move || {
                for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                    if sender.send(line).is_err() {
                        break;
                    }
                }
            });
        }
        let stderr = Arc::new(Mutex::new(String::new()));
        if let Some(pipe) = child.stderr.take() {
            let stderr = Arc::clone(&stderr);
            thread::spawn(move || collect(pipe, &stderr));
        }
        Self { child, shown, lines, seen: Vec::new(), stderr }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for an event of this kind that no wait has had yet.
    #[track_caller]
    pub fn wait_for(&mut self, kind: &str) -> Value {
        self.wait_until(kind, PATIENCE, |event| event["event"] == kind)
    }

    /// Waits for an event of this kind about this job (`queue/id`).
    #[track_caller]
    pub fn wait_for_job(&mut self, kind: &str, job: &str) -> Value {
        let what = format!("{kind} of {job}");
        self.wait_until(&what, PATIENCE, |event| event["event"] == kind && event["id"] == job)
    }

    /// Waits for an event; if it does not come, or the worker ends before, it
    /// shows those that did.
    #[track_caller]
    pub fn wait_until(&mut self, what: &str, most: Duration, is_it: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + most;
        let mut looked_at = 0;
        loop {
            let new = &mut self.seen[looked_at..];
            if let Some((event, taken)) = new.iter_mut().find(|(event, taken)| !*taken && is_it(event)) {
                *taken = true;
                return event.clone();
            }
            looked_at = self.seen.len();
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => self.note(&line),
                Err(RecvTimeoutError::Timeout) => panic!("{what} did not come within {most:?}: {}", self.story()),
                Err(RecvTimeoutError::Disconnected) => panic!("the worker ended before {what}: {}", self.story()),
            }
        }
    }

    /// Whether an event like this has come so far.
    pub fn has_seen(&mut self, is_it: impl Fn(&Value) -> bool) -> bool {
        while let Ok(line) = self.lines.try_recv() {
            self.note(&line);
        }
        self.seen.iter().any(|(event, _)| is_it(event))
    }

    /// Waits until this is on its stderr.
    #[track_caller]
    pub fn wait_for_complaint(&self, part: &str) {
        wait_until(part, PATIENCE, || {
            let said = self.complaints();
            if said.contains(part) { Ok(()) } else { Err(said) }
        });
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        process::signal(&self.child, signal);
    }

    /// Tells it to stop and requires that it does so well.
    #[track_caller]
    pub fn stop(self) -> Finished {
        self.signal(Signal::SIGTERM);
        self.end().success()
    }

    /// Kills it as a machine that loses its power would.
    pub fn kill(mut self) {
        self.signal(Signal::SIGKILL);
        let _ = self.child.wait();
    }

    /// Waits for its end.
    #[track_caller]
    pub fn end(mut self) -> Finished {
        let Some(status) = wait(&mut self.child, PATIENCE) else {
            panic!("the worker did not end within {PATIENCE:?}: {}", self.story());
        };
        while let Ok(line) = self.lines.recv_timeout(Duration::from_secs(5)) {
            self.note(&line);
        }
        let lines: Vec<_> = self.seen.iter().map(|(event, _)| event.to_string()).collect();
        Finished { shown: self.shown.clone(), code: status.code(), stdout: lines.join("\n"), stderr: self.complaints() }
    }

    #[track_caller]
    fn note(&mut self, line: &str) {
        match serde_json::from_str(line) {
            Ok(event) => self.seen.push((event, false)),
            Err(error) => panic!("{line:?} is not an event ({error}): {}", self.story()),
        }
    }

    /// All that it has written to standard error so far.
    pub fn complaints(&self) -> String {
        self.stderr.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn story(&self) -> String {
        let events: Vec<_> = self.seen.iter().map(|(event, _)| format!("  {event}")).collect();
        format!("`{}`\n--- events\n{}\n--- stderr\n{}\n---", self.shown, events.join("\n"), self.complaints())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collect(mut pipe: impl Read, into: &Mutex<String>) {
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = pipe.read(&mut buffer) {
        let text = String::from_utf8_lossy(&buffer[..read]);
        into.lock().unwrap_or_else(PoisonError::into_inner).push_str(&text);
    }
}
