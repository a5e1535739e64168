//! A worker and its events, each with the time at which it was read. Unlike `Worker` it keeps none, so that there may
//! be any number of them.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Instant;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::process;
use crate::text::PATIENCE;
use crate::workplace::Workplace;

/// An event and when it was read.
pub(super) struct Told {
    pub(super) at: Instant,
    pub(super) event: Value,
}

impl Told {
    pub(super) fn kind(&self) -> &str {
        self.event["event"].as_str().unwrap_or_default()
    }

    /// The job that it is about, as `queue/id`; empty if about none.
    pub(super) fn job(&self) -> &str {
        self.event["id"].as_str().unwrap_or_default()
    }

    /// How long the handler ran, as the host recorded it.
    pub(super) fn duration_us(&self) -> u64 {
        self.event["record"]["duration_us"].as_u64().unwrap_or_default()
    }
}

/// A worker. It is killed when this is dropped, or when the thread that started it ends.
pub(super) struct Stream {
    child: Child,
    events: Receiver<Told>,
}

impl Stream {
    /// Starts `jobhost listen` with these arguments; it takes jobs when this returns.
    #[track_caller]
    pub(super) fn listen(place: &Workplace, args: &[&str]) -> Self {
        let mut command = place.jobhost(&[&["listen", "--json"], args].concat()).env("RUST_LOG", "warn").into_command();
        let log = OpenOptions::new().create(true).append(true).open(place.path("worker.log"));
        let log = log.expect("the folder can be written to");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let mut child = process::spawn(&mut command);
        let (sender, events) = channel();
        let stdout = child.stdout.take().expect("it is piped");
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let at = Instant::now();
                // A killed worker's last line may be cut.
                let Ok(event) = serde_json::from_str(&line) else { continue };
                if sender.send(Told { at, event }).is_err() {
                    break;
                }
            }
        });
        let stream = Self { child, events };
        let first = stream.next();
        assert_eq!(first.kind(), "worker-started", "{}", first.event);
        stream
    }

    /// The next event.
    #[track_caller]
    pub(super) fn next(&self) -> Told {
        self.events.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("the worker told nothing more: {error}"))
    }

    /// The next event until `deadline`, if one comes.
    #[track_caller]
    pub(super) fn next_until(&self, deadline: Instant) -> Option<Told> {
        match self.events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(told) => Some(told),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => panic!("the worker has ended"),
        }
    }

    /// Its process id.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills it, and returns when, with what it had told and nobody had read.
    pub(super) fn kill(mut self) -> (Instant, Vec<Told>) {
        process::signal(&self.child, Signal::SIGKILL);
        let at = Instant::now();
        let _ = self.child.wait();
        (at, self.events.iter().collect())
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
