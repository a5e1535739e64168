//! The worker processes of a chaos run: started, killed, frozen, told to stop,
//! and replaced; and what their events tell about the jobs of those killed.

use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::dice::Dice;
use crate::invocation::wait;
use crate::process;
use crate::workplace::Workplace;

/// Jobs that a worker runs at the same time.
pub(crate) const CONCURRENCY: u64 = 4;

/// What was done to workers, and what came of it.
#[derive(Default)]
pub(crate) struct Deeds {
    /// SIGKILLs.
    pub(crate) kills: u64,
    /// SIGSTOPs shorter than a lease lives without being extended.
    pub(crate) short_freezes: u64,
    /// SIGSTOPs longer than that.
    pub(crate) long_freezes: u64,
    /// SIGTERMs.
    pub(crate) stops: u64,
    /// From a kill to the next start of a job that was running then.
    pub(crate) recoveries: Vec<Duration>,
    /// Attempts that told that their lease was lost.
    pub(crate) lost_leases: u64,
    /// What a worker did that it must not do.
    pub(crate) problems: Vec<String>,
}

struct Member {
    number: u64,
    child: Child,
    /// Whether it told that it takes jobs. Before that a signal may end it at once.
    ready: bool,
    /// Jobs that it told to have started and not to have ended.
    running: HashSet<String>,
    frozen_until: Option<Instant>,
    /// Since when it was told to stop.
    leaving_since: Option<Instant>,
}

struct Told {
    by: u64,
    at: Instant,
    event: Value,
}

/// The workers. All are killed when it is dropped.
pub(crate) struct Crew {
    members: Vec<Member>,
    next_number: u64,
    sender: Sender<Told>,
    events: Receiver<Told>,
    /// Jobs whose worker was killed, and when.
    awaited: HashMap<String, Instant>,
    pub(crate) deeds: Deeds,
}

impl Crew {
    pub(crate) fn new() -> Self {
        let (sender, events) = channel();
        let awaited = HashMap::new();
        Self { members: Vec::new(), next_number: 0, sender, events, awaited, deeds: Deeds::default() }
    }

    /// Starts one more worker, which need not take jobs yet.
    pub(crate) fn start(&mut self, place: &Workplace) {
        let number = self.next_number;
        self.next_number += 1;
        let concurrency = CONCURRENCY.to_string();
        let mut command = place.jobhost(&["listen", "--json", "--concurrency", &concurrency]).into_command();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log(place));
        let mut child = process::spawn(&mut command);
        if let Some(stdout) = child.stdout.take() {
            let sender = self.sender.clone();
            thread::spawn(move || {
                for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                    // A killed worker's last line may be cut.
                    let Ok(event) = serde_json::from_str(&line) else { continue };
                    if sender.send(Told { by: number, at: Instant::now(), event }).is_err() {
                        break;
                    }
                }
            });
        }
        let member =
            Member { number, child, ready: false, running: HashSet::new(), frozen_until: None, leaving_since: None };
        self.members.push(member);
    }

    /// How many there are that were not told to stop and are not frozen.
    pub(crate) fn staying(&self) -> u64 {
        let stays = |member: &&Member| member.leaving_since.is_none() && member.frozen_until.is_none();
        self.members.iter().filter(stays).count() as u64
    }

    /// Kills one, whatever it does and whether or not it is about to stop. Most of the frozen are
    /// spared: they are to wake up and find their leases lost.
    pub(crate) fn kill_one(&mut self, dice: &mut Dice) {
        let spares = dice.percent(95);
        let Some(at) = self.pick(dice, |member| !spares || member.frozen_until.is_none()) else { return };
        self.hear();
        let mut member = self.members.swap_remove(at);
        process::signal(&member.child, Signal::SIGKILL);
        let _ = member.child.wait();
        self.deeds.kills += 1;
        let now = Instant::now();
        self.awaited.extend(member.running.into_iter().map(|job| (job, now)));
    }

    /// Freezes one for a while; [`Self::attend`] wakes it.
    pub(crate) fn freeze_one(&mut self, dice: &mut Dice, long: bool) {
        let Some(at) = self.pick(dice, |member| member.frozen_until.is_none()) else { return };
        let time = if long { dice.millis(11_000, 16_000) } else { dice.millis(50, 3_000) };
        let member = &mut self.members[at];
        process::signal(&member.child, Signal::SIGSTOP);
        member.frozen_until = Some(Instant::now() + time);
        // Whoever attends may himself be waiting for the lock that the frozen one holds.
        if let Ok(pid) = i32::try_from(member.child.id()) {
            thread::spawn(move || {
                thread::sleep(time);
                let _ = kill(Pid::from_raw(pid), Signal::SIGCONT);
            });
        }
        if long {
            self.deeds.long_freezes += 1;
        } else {
            self.deeds.short_freezes += 1;
        }
    }

    /// Tells one to stop; [`Self::attend`] sees that it does.
    pub(crate) fn stop_one(&mut self, dice: &mut Dice) {
        let Some(at) = self.pick(dice, |member| member.leaving_since.is_none()) else { return };
        self.stop(at);
    }

    /// Wakes all and tells all to stop, and waits until they have.
    pub(crate) fn dismiss(&mut self) {
        for at in 0..self.members.len() {
            if self.members[at].frozen_until.take().is_some() {
                process::signal(&self.members[at].child, Signal::SIGCONT);
            }
            if self.members[at].leaving_since.is_none() {
                self.stop(at);
            }
        }
        while !self.members.is_empty() {
            self.attend();
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Wakes those whose time has come, and looks after those that stop.
    pub(crate) fn attend(&mut self) {
        self.hear();
        let now = Instant::now();
        for member in &mut self.members {
            if member.frozen_until.is_some_and(|until| until <= now) {
                process::signal(&member.child, Signal::SIGCONT);
                member.frozen_until = None;
                // The time that it slept is none that it had to stop in.
                member.leaving_since = member.leaving_since.map(|_| now);
            }
        }
        let mut at = 0;
        while at < self.members.len() {
            if self.has_ended(at) {
                self.members.swap_remove(at);
            } else {
                at += 1;
            }
        }
    }

    fn has_ended(&mut self, at: usize) -> bool {
        let member = &mut self.members[at];
        if let Ok(Some(status)) = member.child.try_wait() {
            // One that has not begun may be ended by the signal, or give up on a Redis that is away.
            let early = status.signal() == Some(Signal::SIGTERM as i32) || status.code() == Some(69);
            let asked = member.leaving_since.is_some() && status.success();
            if !asked && (member.ready || !early) {
                let why = if member.leaving_since.is_some() { "was told to stop and" } else { "unasked" };
                self.deeds.problems.push(format!("worker {} {why} ended with {status}", member.number));
            }
            return true;
        }
        let overdue = member.leaving_since.is_some_and(|since| since.elapsed() > Duration::from_secs(30));
        if overdue && member.frozen_until.is_none() {
            let text = format!("worker {} did not stop within 30 s", member.number);
            self.deeds.problems.push(text);
            let _ = wait(&mut member.child, Duration::ZERO);
            return true;
        }
        false
    }

    fn stop(&mut self, at: usize) {
        process::signal(&self.members[at].child, Signal::SIGTERM);
        self.members[at].leaving_since = Some(Instant::now());
        self.deeds.stops += 1;
    }

    fn pick(&self, dice: &mut Dice, whom: impl Fn(&Member) -> bool) -> Option<usize> {
        let fit: Vec<_> = (0..self.members.len()).filter(|at| whom(&self.members[*at])).collect();
        (!fit.is_empty()).then(|| fit[usize::try_from(dice.below(fit.len() as u64)).unwrap_or(0)])
    }

    /// Takes in what the workers told.
    fn hear(&mut self) {
        while let Ok(told) = self.events.try_recv() {
            let kind = told.event["event"].as_str().unwrap_or_default();
            let member = self.members.iter_mut().find(|member| member.number == told.by);
            let Some(job) = told.event["id"].as_str() else {
                if let Some(member) = member {
                    member.ready |= kind == "worker-started";
                }
                continue;
            };
            if kind == "started" {
                // Told by the dead, it is from before its death.
                let Some(member) = member else { continue };
                member.running.insert(job.to_owned());
                if let Some(killed) = self.awaited.remove(job) {
                    self.deeds.recoveries.push(told.at.saturating_duration_since(killed));
                }
            } else if let Some(member) = member {
                member.running.remove(job);
            }
            if kind == "lost" {
                self.deeds.lost_leases += 1;
            }
        }
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        for member in &mut self.members {
            let _ = member.child.kill();
            let _ = member.child.wait();
        }
    }
}

/// What all workers complain about goes into one file.
fn log(place: &Workplace) -> Stdio {
    let file = OpenOptions::new().append(true).create(true).open(place.path("workers.log"));
    file.map_or_else(|_| Stdio::null(), |file: File| Stdio::from(file))
}
