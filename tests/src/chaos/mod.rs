//! A chaos run: workers are killed, frozen and stopped and Redis is restarted at
//! random while jobs are pushed; at the end each must have been executed, each
//! chain be complete, and nothing be left behind. The schedule sleeps, which is
//! its nature; whatever is checked is waited for.

mod crew;
mod dice;
mod load;
mod others;
mod verdict;

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use crew::Crew;
use dice::Dice;
use load::Load;
use others::{Deaths, Other, SHARED};
pub use verdict::{Report, leftovers};

use crate::text::wait_until;
use crate::workplace::Workplace;

const QUEUES: [&str; 3] = ["work", "next", SHARED];
/// More than so many unfinished jobs are not pushed.
const BACKLOG: u64 = 400;
/// More than so many jobs are not pushed at all.
const MOST_JOBS: u64 = 200_000;

/// What is put under attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A SQLite file.
    Sqlite,
    /// A Redis server that has each change on the disk before it answers.
    Redis,
}

/// One run.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The store.
    pub target: Target,
    /// Decides the schedule; what the machine makes of it varies.
    pub seed: u64,
    /// How long there is chaos. Finishing the jobs after it takes up to three minutes more.
    pub lasts: Duration,
    /// Workers at a time.
    pub workers: u64,
    /// Whether, on Redis, a worker that settles with single commands serves one of the queues, too. Its
    /// losses take up to two minutes more to come back.
    pub others: bool,
}

impl Plan {
    /// The command that repeats it.
    pub fn command(&self) -> String {
        let store = match self.target {
            Target::Sqlite => "sqlite",
            Target::Redis => "redis",
        };
        let others = if self.others { "yes" } else { "no" };
        let seconds = self.lasts.as_secs();
        format!("cargo xtask chaos --seconds {seconds} --seed {} --store {store} --others {others}", self.seed)
    }

    /// Runs it. The report tells what was wrong; a harness that cannot go on panics.
    #[track_caller]
    pub fn run(&self) -> Report {
        let _repeat = Repeat(self.command());
        let mut place = match self.target {
            Target::Sqlite => Workplace::sqlite(),
            Target::Redis => Workplace::durable_redis(),
        };
        Load::configure(&place);
        let mut run = Run {
            dice: Dice::new(self.seed),
            load: Load::default(),
            crew: Crew::new(),
            restarts: 0,
            deaths: Deaths::default(),
        };
        let other = (self.others && place.is_redis()).then(|| Other::start(&place, self.seed));
        let end = Instant::now() + self.lasts;
        let mut step = 0;
        while Instant::now() < end {
            run.step(&mut place, step, self.workers);
            step += 1;
        }
        run.crew.dismiss();
        run.deaths = other.map(Other::end).unwrap_or_default();
        run.finish(&place);
        Report::of(self, &place, &run)
    }
}

/// A seed that nobody has chosen.
pub fn some_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    // Short enough to be typed.
    RandomState::new().hash_one(std::process::id()) % 1_000_000
}

struct Run {
    dice: Dice,
    load: Load,
    crew: Crew,
    restarts: u64,
    deaths: Deaths,
}

impl Run {
    fn step(&mut self, place: &mut Workplace, step: u64, workers: u64) {
        self.crew.attend();
        while self.crew.staying() < workers {
            self.crew.start(place);
        }
        if step.is_multiple_of(4) && self.load.len() < MOST_JOBS && unfinished(place) < BACKLOG {
            let queue = if self.dice.percent(25) { SHARED } else { "work" };
            let jobs = 1 + self.dice.below(60);
            self.load.push(place, &mut self.dice, queue, jobs);
        }
        let dice = &mut self.dice;
        match dice.below(100) {
            0..50 => self.crew.kill_one(dice),
            50..58 => self.crew.freeze_one(dice, false),
            58..61 => self.crew.freeze_one(dice, true),
            61..69 => self.crew.stop_one(dice),
            69..72 if place.is_redis() => {
                place.server_mut().kill();
                thread::sleep(dice.millis(1, 1_500));
                place.server_mut().restart();
                self.restarts += 1;
            }
            _ => {}
        }
        thread::sleep(self.dice.millis(50, 400));
    }

    /// Lets one worker finish everything that is left.
    fn finish(&mut self, place: &Workplace) {
        self.crew.start(place);
        wait_until("the end of all jobs", Duration::from_mins(3), || {
            self.crew.attend();
            match (unfinished(place), orphans_of_others(place)) {
                (0, 0) => Ok(()),
                left => Err(left),
            }
        });
        self.crew.dismiss();
    }
}

/// Jobs that are waiting, delayed or reserved.
fn unfinished(place: &Workplace) -> u64 {
    counts(place).iter().map(|[waiting, delayed, reserved, ..]| waiting + delayed + reserved).sum()
}

/// Jobs that another program's death took out of all sets; the counts do not show them.
fn orphans_of_others(place: &Workplace) -> u64 {
    if place.is_redis() { place.server().command(&["HLEN", &format!("{SHARED}.messages")]) } else { 0 }
}

/// The counts of each of [`QUEUES`], from one look.
fn counts(place: &Workplace) -> [[u64; 5]; 3] {
    let info = place.jobhost(&["info", "--json"]).run().success();
    let document = info.json();
    QUEUES.map(|queue| {
        ["waiting", "delayed", "reserved", "done", "failed"]
            .map(|state| document["queues"][queue][state].as_u64().unwrap_or_else(|| panic!("no {state} in {info}")))
    })
}

/// Tells how to repeat the run if it panics.
struct Repeat(String);

impl Drop for Repeat {
    fn drop(&mut self) {
        if thread::panicking() {
            let _ = writeln!(std::io::stderr(), "repeat it with `{}`", self.0);
        }
    }
}
