//! A chaos run: workers are killed, frozen and stopped and Redis is restarted at
//! random while jobs are pushed; at the end each must have been executed, each
//! chain be complete, each repetition be explained by a blow, and nothing be left
//! behind. The schedule sleeps, which is its nature; whatever is checked is waited for.

mod away;
mod crew;
mod dice;
mod effects;
mod leases;
mod load;
mod member;
mod others;
mod pusher;
mod remains;
mod server;
mod span;
mod verdict;

use std::io::Write;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use away::Away;
use crew::Crew;
use dice::Dice;
use leases::{Inheritance, Source, Watch};
use load::Load;
use others::{Deaths, Other, SHARED};
use pusher::{Pusher, unfinished};
use server::Server;
pub use verdict::{Report, leftovers};

use crate::text::wait_until;
use crate::workplace::Workplace;

const QUEUES: [&str; 3] = ["work", "next", SHARED];
/// The states that `info` counts, in this order.
const STATES: [&str; 5] = ["waiting", "delayed", "reserved", "done", "failed"];
/// How long the first workers may take to start.
const STARTS_WITHIN: Duration = Duration::from_mins(1);
/// How long the jobs that are left after the chaos may take.
const FINISHES_WITHIN: Duration = Duration::from_mins(3);

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
    /// There is chaos until so many workers were killed, at most three times as long.
    pub kills: u32,
    /// Workers at a time.
    pub workers: usize,
    /// Whether, on Redis, a worker that settles with single commands serves one of the queues, too. Its
    /// losses take up to two minutes more to come back.
    pub others: bool,
}

impl Target {
    /// As it is typed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Redis => "redis",
        }
    }
}

impl Plan {
    /// The command that repeats it.
    pub fn command(&self) -> String {
        let others = if self.others { "yes" } else { "no" };
        let (seconds, seed, store) = (self.lasts.as_secs(), self.seed, self.target.name());
        format!("cargo xtask chaos --seconds {seconds} --seed {seed} --store {store} --others {others}")
    }

    /// Runs it. The report tells what was wrong; a harness that cannot go on panics. In both cases what
    /// the run leaves behind is kept, and where is told.
    #[track_caller]
    pub fn run(&self) -> Report {
        let away = Away::default();
        let place = Arc::new(Workplace::bare());
        let server = match self.target {
            Target::Sqlite => None,
            Target::Redis => Some(Server::start(&place.make_folder("redis"), away.clone())),
        };
        // Dropped after all that writes to the place.
        let _kept = KeptOnPanic { plan: self, place: Arc::clone(&place) };
        Load::configure(&place, server.as_ref().map_or("sqlite:jobhost.db", Server::url));
        let source = match &server {
            None => Source::Sqlite(place.path("jobhost.db")),
            Some(server) => Source::Redis(server.url().to_owned()),
        };
        let watch = Watch::start(source, away.clone());
        let other = server.as_ref().filter(|_| self.others).map(|server| Other::start(&place, server.url(), self.seed));
        let crew = Crew::new(watch.deaths(), away.clone(), other.is_some());
        let mut chaos =
            Chaos { began: Instant::now(), dice: Dice::new(self.seed), crew, place: &place, server, restarts: 0 };
        let pusher = Pusher::start(Arc::clone(&place), self.seed);
        chaos.start(self.workers);
        let began = Instant::now();
        let too_few = |chaos: &Chaos<'_>| chaos.crew.deeds.kills < self.kills && began.elapsed() < 3 * self.lasts;
        while began.elapsed() < self.lasts || too_few(&chaos) {
            chaos.step(self.workers);
        }
        let lasted = began.elapsed();
        let load = pusher.end(|| chaos.crew.attend());
        let deaths = other.map(Other::end).unwrap_or_default();
        let left = chaos.finish(self.workers);
        let Chaos { crew, server, restarts, .. } = chaos;
        let deeds = crew.end();
        let inherited = watch.end();
        let run = Run { load, deeds, away, inherited, restarts, deaths, lasted, left };
        let mut report = Report::of(self, &place, server.as_ref(), &run);
        drop(server);
        if !report.problems.is_empty() {
            report.kept = remains::keep(self, &place);
        }
        report
    }
}

/// A seed that nobody has chosen.
pub fn some_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    // Short enough to be typed.
    RandomState::new().hash_one(std::process::id()) % 1_000_000
}

/// What came of a run.
struct Run {
    load: Load,
    deeds: crew::Deeds,
    away: Away,
    inherited: Vec<Inheritance>,
    /// How often Redis was killed.
    restarts: u64,
    deaths: Deaths,
    lasted: Duration,
    /// Jobs that were not over when time was.
    left: Option<String>,
}

/// The schedule.
struct Chaos<'a> {
    began: Instant,
    dice: Dice,
    crew: Crew,
    place: &'a Workplace,
    server: Option<Server>,
    restarts: u64,
}

impl Chaos<'_> {
    /// Returns when all take jobs.
    fn start(&mut self, workers: usize) {
        wait_until("the start of the workers", STARTS_WITHIN, || {
            self.crew.attend();
            self.crew.fill(self.place, workers);
            let working = self.crew.working();
            if working >= workers { Ok(()) } else { Err(working) }
        });
    }

    fn step(&mut self, workers: usize) {
        self.crew.attend();
        self.crew.fill(self.place, workers);
        let dice = &mut self.dice;
        // In thousandths. One that is frozen amid a write keeps SQLite's lock, and nothing moves. On Redis
        // many freeze at once for a while: few of those that wake still try to settle what they lost.
        let long_freezes = match (&self.server, self.began.elapsed().as_secs() % 60) {
            (Some(_), 40..) => 260,
            (Some(_), _) => 40,
            (None, _) => 8,
        };
        match (dice.below(1_000), &self.server) {
            (0..600, _) => self.crew.kill_one(dice),
            (600..660, _) => self.crew.freeze_one(dice, false),
            (660..720, _) => self.crew.stop_one(dice),
            (720..740, Some(server)) => {
                self.restarts += u64::from(server.kill_for(dice.millis(1, 1_500)));
            }
            (740..1_000, _) if dice.below(260) < long_freezes => self.crew.freeze_one(dice, true),
            _ => {}
        }
        thread::sleep(self.dice.millis(20, 240));
    }

    /// Lets the workers finish everything that is left, and tells them to stop; says what they did not.
    fn finish(&mut self, workers: usize) -> Option<String> {
        let began = Instant::now();
        let left = loop {
            self.crew.attend();
            self.crew.fill(self.place, workers);
            let left = (unfinished(self.place), self.orphans_of_others());
            if left == (Some(0), Some(0)) {
                break None;
            }
            if began.elapsed() > FINISHES_WITHIN {
                let (jobs, messages) = left;
                break Some(format!(
                    "not all was over within {FINISHES_WITHIN:?}: {jobs:?} jobs, {messages:?} messages"
                ));
            }
            thread::sleep(Duration::from_millis(100));
        };
        self.crew.dismiss();
        left
    }

    /// Jobs that another program's death took out of all sets, which the counts do not show; `None` if the
    /// store does not answer.
    fn orphans_of_others(&self) -> Option<u64> {
        match &self.server {
            None => Some(0),
            Some(server) => server.command(&["HLEN", &format!("{SHARED}.messages")]).ok(),
        }
    }
}

/// Keeps what is left of a run that panics, and tells how to repeat it.
struct KeptOnPanic<'a> {
    plan: &'a Plan,
    place: Arc<Workplace>,
}

impl Drop for KeptOnPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            let kept = remains::keep(self.plan, &self.place);
            let _ = writeln!(std::io::stderr(), "{kept}; repeat it with `{}`", self.plan.command());
        }
    }
}
