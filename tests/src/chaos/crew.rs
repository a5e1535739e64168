//! The workers of a chaos run: started, killed, frozen, told to stop, and
//! replaced; and what came of the jobs of each.

use std::collections::{HashMap, HashSet};
use std::os::unix::process::ExitStatusExt;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::away::Away;
use super::dice::Dice;
use super::leases::Death;
use super::member::{Member, Told};
use super::others::SHARED;
use crate::workplace::Workplace;

/// A lease dies when it was not extended for 10 s, and is distrusted after 8. Whoever loses one must
/// have been kept from extending it this long: frozen, or the store being away.
const LEAST_PAUSE: Duration = Duration::from_secs(4);
/// No freeze is longer.
const LONGEST_FREEZE: Duration = Duration::from_secs(16);
/// So many workers are always left to work.
const ALWAYS_LEFT: usize = 2;
/// How long one that was told to stop may take, its grace and its last settlements included.
const STOPS_WITHIN: Duration = Duration::from_secs(30);

/// What was done to workers, and what came of it.
#[derive(Default)]
pub(crate) struct Deeds {
    /// SIGKILLs.
    pub(crate) kills: u32,
    /// Those of a worker that ran jobs.
    pub(crate) kills_amid_jobs: u64,
    /// SIGSTOPs much shorter than a lease lives without being extended.
    pub(crate) short_freezes: u64,
    /// SIGSTOPs about as long as that, or longer.
    pub(crate) long_freezes: u64,
    /// SIGTERMs.
    pub(crate) stops: u64,
    /// From a kill to the next start of a job that was running then, its wait in the queue included.
    pub(crate) restarts: Vec<Duration>,
    /// Jobs that a worker had begun and had not told the end of when it died: its number, and `queue/id`.
    pub(crate) cut_short: HashSet<(u64, String)>,
    /// `queue/id` of each attempt that told that its lease was lost.
    pub(crate) lost: Vec<String>,
    /// And of each that told that it was handed back.
    pub(crate) handed_back: Vec<String>,
    /// What a worker did that it must not do.
    pub(crate) problems: Vec<String>,
}

/// The workers. All are killed when it is dropped.
pub(crate) struct Crew {
    members: Vec<Member>,
    next_number: u64,
    sender: Sender<Told>,
    events: Receiver<Told>,
    deaths: Sender<Death>,
    away: Away,
    /// Whether another program serves one of the queues, too.
    others: bool,
    /// Jobs whose worker was killed, and when.
    awaited: HashMap<String, Instant>,
    pub(crate) deeds: Deeds,
}

impl Crew {
    pub(crate) fn new(deaths: Sender<Death>, away: Away, others: bool) -> Self {
        let (sender, events) = channel();
        Self {
            members: Vec::new(),
            next_number: 0,
            sender,
            events,
            deaths,
            away,
            others,
            awaited: HashMap::new(),
            deeds: Deeds::default(),
        }
    }

    /// Starts as many as it takes to have this many that stay and are awake.
    pub(crate) fn fill(&mut self, place: &Workplace, workers: usize) {
        let stays =
            |member: &&Member| member.lives() && member.leaving_since.is_none() && member.frozen_until.is_none();
        let staying = self.members.iter().filter(stays).count();
        // Where a machine is slow to end them, it is not given more to do.
        let room = (3 * workers).saturating_sub(self.members.len());
        for _ in 0..workers.saturating_sub(staying).min(room) {
            self.members.push(Member::start(place, self.next_number, self.sender.clone()));
            self.next_number += 1;
        }
    }

    /// How many take jobs.
    pub(crate) fn working(&self) -> usize {
        self.members.iter().filter(|member| member.works()).count()
    }

    /// Kills one, mostly one that runs jobs, whether or not it is about to stop; sometimes one that has
    /// hardly begun, or is frozen. Most of the frozen are spared: they are to wake up and find their
    /// leases lost.
    pub(crate) fn kill_one(&mut self, dice: &mut Dice) {
        let (seeks, spares) = (dice.percent(85), dice.percent(60));
        let at = if seeks {
            self.pick(dice, |member| member.frozen_until.is_none() && !member.running.is_empty())
        } else {
            self.pick(dice, |member| !spares || (member.frozen_until.is_none() && member.ready))
        };
        let Some(at) = at else { return };
        self.members[at].kill();
        self.deeds.kills += 1;
    }

    /// Freezes one for a while; [`Self::attend`] wakes it. For long only one that runs jobs: half of
    /// these wake when others are likely to have just taken the jobs.
    pub(crate) fn freeze_one(&mut self, dice: &mut Dice, long: bool) {
        let fits = |member: &Member| member.frozen_until.is_none() && !(long && member.running.is_empty());
        let Some(at) = self.pick(dice, fits) else { return };
        if long {
            let soon = dice.percent(50);
            let time = if soon { dice.millis(8_000, 11_000) } else { dice.millis(11_000, 16_000) };
            self.members[at].freeze(time);
            self.deeds.long_freezes += 1;
        } else {
            self.members[at].freeze(dice.millis(50, 2_000));
            self.deeds.short_freezes += 1;
        }
    }

    /// Tells one to stop; [`Self::attend`] sees that it does.
    pub(crate) fn stop_one(&mut self, dice: &mut Dice) {
        let Some(at) = self.pick(dice, |member| member.leaving_since.is_none()) else { return };
        self.members[at].stop();
        self.deeds.stops += 1;
    }

    /// Wakes all and tells all to stop, and waits until they have.
    pub(crate) fn dismiss(&mut self) {
        for member in self.members.iter_mut().filter(|member| member.lives()) {
            member.wake();
            if member.leaving_since.is_none() {
                member.stop();
                self.deeds.stops += 1;
            }
        }
        while !self.members.is_empty() {
            self.attend();
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// What was done; whoever watches the dead learns that no more will come.
    pub(crate) fn end(self) -> Deeds {
        self.deeds
    }

    /// Hears what was told, wakes those whose time has come, and looks after those that end.
    pub(crate) fn attend(&mut self) {
        while let Ok(told) = self.events.try_recv() {
            self.hear(told);
        }
        let now = Instant::now();
        for member in &mut self.members {
            if member.lives() && member.frozen_until.is_some_and(|until| until <= now) {
                member.wake();
            }
        }
        let mut at = 0;
        while at < self.members.len() {
            if self.has_ended(at) {
                let member = self.members.swap_remove(at);
                self.bury(&member);
            } else {
                at += 1;
            }
        }
    }

    fn has_ended(&mut self, at: usize) -> bool {
        let member = &mut self.members[at];
        let overdue = member.leaving_since.is_some_and(|since| since.elapsed() > STOPS_WITHIN);
        if overdue && member.lives() && member.frozen_until.is_none() {
            let text = format!("worker {} (pid {}) did not stop within 30 s", member.number, member.pid());
            self.deeds.problems.push(text);
            member.kill();
        }
        let Some(status) = member.ended().filter(|_| member.silent) else { return false };
        if member.killed.is_some() || (member.leaving_since.is_some() && status.success()) {
            return true;
        }
        // One that has not begun may be ended by the signal.
        let early = !member.ready && member.leaving_since.is_some() && status.signal() == Some(Signal::SIGTERM as i32);
        if !early {
            let why = if member.leaving_since.is_some() { "was told to stop and" } else { "unasked" };
            let text = format!("worker {} (pid {}) {why} ended with {status}", member.number, member.pid());
            self.deeds.problems.push(text);
        }
        true
    }

    /// It is dead, and all that it told was heard.
    fn bury(&mut self, member: &Member) {
        let killed = member.killed.unwrap_or_else(Instant::now);
        self.deeds.kills_amid_jobs += u64::from(member.killed.is_some() && !member.running.is_empty());
        for job in member.running.keys() {
            self.deeds.cut_short.insert((member.number, job.clone()));
            if member.killed.is_some() {
                self.awaited.insert(job.clone(), killed);
            }
        }
        if member.killed.is_some() {
            let death = Death { number: member.number, pid: member.pid(), at: killed };
            self.deaths.send(death).expect("the watch is there");
        }
    }

    /// One of these, if enough others are left: nobody promises that jobs of the dead come back where
    /// all are dead, as all would be on a machine that is too slow to replace them.
    fn pick(&self, dice: &mut Dice, whom: impl Fn(&Member) -> bool) -> Option<usize> {
        let all = self.working();
        let spare = |member: &Member| all - usize::from(member.works()) >= ALWAYS_LEFT;
        let fits = |at: &usize| self.members[*at].lives() && whom(&self.members[*at]) && spare(&self.members[*at]);
        let fit: Vec<_> = (0..self.members.len()).filter(fits).collect();
        (!fit.is_empty()).then(|| fit[usize::try_from(dice.below(fit.len() as u64)).unwrap_or(0)])
    }

    fn hear(&mut self, Told { by, at, event }: Told) {
        let Some(member) = self.members.iter_mut().find(|member| member.number == by) else { return };
        let Some(event) = event else {
            member.silent = true;
            return;
        };
        let kind = event["event"].as_str().unwrap_or_default();
        let Some(job) = event["id"].as_str() else {
            member.ready |= kind == "worker-started";
            return;
        };
        if kind == "started" {
            member.running.insert(job.to_owned(), at);
            if let Some(killed) = self.awaited.remove(job) {
                self.deeds.restarts.push(at.saturating_duration_since(killed));
            }
            return;
        }
        let Some(began) = member.running.remove(job) else { return };
        // It may have been frozen between taking the job and telling that it begins.
        let taken = began.checked_sub(LONGEST_FREEZE).unwrap_or(began);
        let pause = member.frozen_between(taken, at) + self.away.between(taken, at);
        match kind {
            "lost" => {
                self.deeds.lost.push(job.to_owned());
                // Another program takes over what it believes to be due.
                let taken_over = self.others && job.starts_with(SHARED);
                if pause < LEAST_PAUSE && !taken_over {
                    let text = format!("worker {by} lost {job} although nothing kept it from extending its lease");
                    self.deeds.problems.push(text);
                }
            }
            "handed-back" => {
                self.deeds.handed_back.push(job.to_owned());
                if pause < LEAST_PAUSE && member.leaving_since.is_none() {
                    let text = format!("worker {by} handed {job} back although it was not told to stop");
                    self.deeds.problems.push(text);
                }
            }
            _ => {}
        }
    }
}
