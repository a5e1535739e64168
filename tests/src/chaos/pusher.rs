//! Pushes jobs in a thread of its own, whatever happens to the store meanwhile.

use std::io::Write;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::dice::Dice;
use super::load::{Fate, Load};
use super::others::SHARED;
use super::{QUEUES, STATES};
use crate::process;
use crate::workplace::Workplace;

/// More than so many unfinished jobs are not pushed: what waits long tells little of recoveries.
const BACKLOG: u64 = 150;
/// More than so many jobs are not pushed at all.
const MOST_JOBS: u64 = 200_000;

/// The thread.
pub(crate) struct Pusher {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Load>,
}

impl Pusher {
    pub(crate) fn start(place: Arc<Workplace>, seed: u64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let (mut dice, mut load) = (Dice::new(seed ^ 0x5eed), Load::default());
            while !stopped.load(Ordering::Relaxed) && load.len() < MOST_JOBS {
                // Where nobody answers, few are pushed, to meet the store on its way out or back.
                match unfinished(&place) {
                    Some(BACKLOG..) => {}
                    Some(_) => push(&place, &mut dice, &mut load, 60),
                    None => push(&place, &mut dice, &mut load, 5),
                }
                thread::sleep(dice.millis(20, 200));
            }
            load
        });
        Self { stop, thread }
    }

    /// What was pushed. Calls `meanwhile` until the last push is answered, which may have to wait for
    /// the lock of a frozen worker.
    pub(crate) fn end(self, mut meanwhile: impl FnMut()) -> Load {
        self.stop.store(true, Ordering::Relaxed);
        while !self.thread.is_finished() {
            meanwhile();
            thread::sleep(Duration::from_millis(20));
        }
        self.thread.join().expect("the pusher has not panicked")
    }
}

fn push(place: &Workplace, dice: &mut Dice, load: &mut Load, most: u64) {
    let queue = if dice.percent(25) { SHARED } else { "work" };
    let jobs = 1 + dice.below(most);
    let lines = load.plan(dice, queue, jobs);
    if dice.percent(3) {
        killed(place, dice, queue, &lines);
        load.end_batch(Fate::Uncertain);
        return;
    }
    let pushed = place.jobhost(&["push", "--queue", queue, "--batch", "-"]).stdin(lines).run();
    load.end_batch(match pushed.code {
        Some(0) => Fate::Stored,
        // Of one transaction, which never began.
        Some(69) if pushed.stderr.contains("is locked by") => Fate::Refused,
        Some(69) => Fate::Uncertain,
        _ => Fate::Wrong(pushed.to_string()),
    });
}

/// A push that is killed after a while, perhaps after it was answered.
fn killed(place: &Workplace, dice: &mut Dice, queue: &str, lines: &str) {
    let mut command = place.jobhost(&["push", "--queue", queue, "--batch", "-"]).into_command();
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = process::spawn(&mut command);
    if let Some(mut pipe) = child.stdin.take() {
        let _ = pipe.write_all(lines.as_bytes());
    }
    thread::sleep(dice.millis(0, 150));
    let _ = child.kill();
    let _ = child.wait();
}

/// Jobs that are waiting, delayed or reserved; `None` if the store does not answer.
pub(crate) fn unfinished(place: &Workplace) -> Option<u64> {
    let counts = counts(place)?;
    Some(counts.iter().map(|[waiting, delayed, reserved, ..]| waiting + delayed + reserved).sum())
}

/// The counts of each of [`QUEUES`], from one look; `None` if the store does not answer.
pub(crate) fn counts(place: &Workplace) -> Option<[[u64; 5]; 3]> {
    let info = place.jobhost(&["info", "--json"]).run();
    if info.code == Some(69) {
        return None;
    }
    // Before the first push there is no file.
    if info.code == Some(1) && !place.path("jobhost.db").exists() {
        return Some([[0; 5]; 3]);
    }
    let document = info.success().json();
    Some(QUEUES.map(|queue| {
        let counts = &document["queues"][queue];
        STATES.map(|state| counts[state].as_u64().unwrap_or_else(|| panic!("no {queue} {state} in {document}")))
    }))
}
