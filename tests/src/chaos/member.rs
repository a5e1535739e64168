//! One worker process of a chaos run, and what its events tell.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;

use super::span::Span;
use crate::process;
use crate::workplace::Workplace;

/// Jobs that a worker runs at the same time.
const CONCURRENCY: &str = "4";

/// A worker. It is killed when this is dropped.
pub(crate) struct Member {
    pub(crate) number: u64,
    /// Whether it told that it takes jobs. Before that a signal may end it at once.
    pub(crate) ready: bool,
    /// Jobs that it told to have started and not to have ended, and since when.
    pub(crate) running: HashMap<String, Instant>,
    pub(crate) frozen_until: Option<Instant>,
    frozen: Vec<Span>,
    /// Since when it was told to stop.
    pub(crate) leaving_since: Option<Instant>,
    pub(crate) killed: Option<Instant>,
    /// Whether all that it told was heard.
    pub(crate) silent: bool,
    child: Child,
    ended: Option<ExitStatus>,
}

/// What a worker told.
pub(crate) struct Told {
    /// Its number.
    pub(crate) by: u64,
    pub(crate) at: Instant,
    /// `None` when it will tell nothing more.
    pub(crate) event: Option<Value>,
}

impl Member {
    /// Starts one, which need not take jobs yet. Its events go to `told` and into `events.log`.
    pub(crate) fn start(place: &Workplace, number: u64, told: Sender<Told>) -> Self {
        let mut command = place.jobhost(&["listen", "--json", "--concurrency", CONCURRENCY]).into_command();
        let complaints = log(place, "workers.log").map_or_else(Stdio::null, Stdio::from);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(complaints);
        let mut child = process::spawn(&mut command);
        if let Some(stdout) = child.stdout.take() {
            let mut events = log(place, "events.log");
            thread::spawn(move || {
                for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                    let at = Instant::now();
                    let _ = events.as_mut().map(|events| events.write_all(format!("{line}\n").as_bytes()));
                    // A killed worker's last line may be cut.
                    let Ok(event) = serde_json::from_str(&line) else { continue };
                    let _ = told.send(Told { by: number, at, event: Some(event) });
                }
                let _ = told.send(Told { by: number, at: Instant::now(), event: None });
            });
        }
        Self {
            number,
            ready: false,
            running: HashMap::new(),
            frozen_until: None,
            frozen: Vec::new(),
            leaving_since: None,
            killed: None,
            silent: false,
            child,
            ended: None,
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, once it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().ok().flatten();
        }
        self.ended
    }

    /// Whether something can still be done to it.
    pub(crate) fn lives(&self) -> bool {
        self.killed.is_none() && self.ended.is_none()
    }

    /// Whether it takes jobs.
    pub(crate) fn works(&self) -> bool {
        self.lives() && self.ready && self.frozen_until.is_none() && self.leaving_since.is_none()
    }

    pub(crate) fn kill(&mut self) {
        self.signal(Signal::SIGKILL);
        self.killed = Some(Instant::now());
    }

    pub(crate) fn stop(&mut self) {
        self.signal(Signal::SIGTERM);
        self.leaving_since = Some(Instant::now());
    }

    pub(crate) fn freeze(&mut self, time: Duration) {
        self.signal(Signal::SIGSTOP);
        let now = Instant::now();
        self.frozen.push(Span::since(now));
        self.frozen_until = Some(now + time);
    }

    pub(crate) fn wake(&mut self) {
        if self.frozen_until.take().is_none() {
            return;
        }
        self.signal(Signal::SIGCONT);
        let now = Instant::now();
        if let Some(span) = self.frozen.last_mut() {
            span.until = Some(now);
        }
        // The time that it slept is none that it had to stop in.
        self.leaving_since = self.leaving_since.map(|_| now);
    }

    /// How long it was frozen between these times.
    pub(crate) fn frozen_between(&self, from: Instant, until: Instant) -> Duration {
        self.frozen.iter().map(|span| span.overlap(from, until)).sum()
    }

    fn signal(&mut self, signal: Signal) {
        // Once it was waited for, its number may be another process's.
        if self.ended().is_none() {
            process::signal(&self.child, signal);
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A file in the place to which many write, a line at a time.
fn log(place: &Workplace, name: &str) -> Option<File> {
    OpenOptions::new().append(true).create(true).open(place.path(name)).ok()
}
