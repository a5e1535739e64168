//! What a chaos run came to: the figures, and all that is not as it should be.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::time::Duration;

use super::effects::Effects;
use super::pusher::counts;
use super::server::Server;
use super::{Plan, QUEUES, Run};
use crate::workplace::Workplace;

/// What is in a channel's keys only while there are jobs that are not over.
const OF_UNFINISHED_JOBS: [&str; 8] =
    [".messages", ".waiting", ".delayed", ".reserved", ".attempts", ":jobs", ":leases_at", ":orphans"];
/// A killed worker's jobs wait again, in front of all others, after this time at the latest.
const PROMISED: Duration = Duration::from_secs(15);

/// The end of a run.
pub struct Report {
    rows: Vec<(&'static str, String)>,
    /// How many workers were killed.
    pub kills: u32,
    /// What is not as it should be, a line each. Empty if all held.
    pub problems: Vec<String>,
    /// Where what a failed run has left is kept; empty if all held.
    pub kept: String,
    command: String,
}

impl Report {
    pub(super) fn of(plan: &Plan, place: &Workplace, server: Option<&Server>, run: &Run) -> Self {
        let effects = Effects::of(&run.load, place, &blows(run));
        let recoveries = Recoveries::of(run);
        let mut problems = [&effects.problems[..], &run.deeds.problems, &recoveries.problems].concat();
        problems.extend(run.left.clone());
        problems.extend(wrong_counts(place, &effects));
        problems.extend(server.map_or_else(|| left_in_file(place), |server| of_unfinished_jobs(server.keys())));
        let mut rows = vec![("seed", plan.seed.to_string()), ("chaos lasted", seconds(run.lasted))];
        rows.extend(of_jobs(run, &effects));
        rows.extend(of_blows(run));
        rows.extend(recoveries.rows());
        rows.push(("kill to next start, queueing too", spread(&run.deeds.restarts)));
        rows.push(("problems", problems.len().to_string()));
        Self { rows, kills: run.deeds.kills, problems, kept: String::new(), command: plan.command() }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.rows {
            writeln!(f, "{name:>34}  {value}")?;
        }
        // A hundred tell enough.
        for problem in self.problems.iter().take(100) {
            writeln!(f, "{problem}")?;
        }
        if self.problems.is_empty() { Ok(()) } else { writeln!(f, "{}\nrepeat it with `{}`", self.kept, self.command) }
    }
}

/// How often an execution of each job may have been cut short: its worker died or ended with it, its
/// lease was lost, it was handed back. One killed worker explains one repetition of each job it held.
fn blows(run: &Run) -> HashMap<String, u64> {
    let held = run.inherited.iter().map(|one| (one.number, one.job.clone()));
    let by_death: HashSet<_> = held.chain(run.deeds.cut_short.iter().cloned()).collect();
    let mut blows = HashMap::new();
    let single = run.deeds.lost.iter().chain(&run.deeds.handed_back).chain(&run.deaths.cut_short);
    for job in by_death.into_iter().map(|(_, job)| job).chain(single.cloned()) {
        *blows.entry(job).or_default() += 1;
    }
    blows
}

fn of_jobs(run: &Run, effects: &Effects) -> Vec<(&'static str, String)> {
    let [refused, uncertain, stored] = effects.pushes;
    let jobs: u64 = QUEUES.iter().filter_map(|queue| effects.stored.get(queue)).map(|(stored, _)| stored).sum();
    let follow_ups = effects.stored.get("next").map_or(0, |(stored, _)| *stored);
    vec![
        ("jobs stored by pushes", (jobs - follow_ups).to_string()),
        ("pushes refused", refused.to_string()),
        ("pushes uncertain, of these stored", format!("{uncertain}, {stored}")),
        ("follow-ups due", follow_ups.to_string()),
        ("jobs lost", effects.lost.to_string()),
        ("executions planned", effects.planned.to_string()),
        ("executions begun", effects.begun.to_string()),
        ("of these repeated", effects.repeated.to_string()),
        ("blows that may explain them", blows(run).values().sum::<u64>().to_string()),
        ("effects doubled", effects.doubled.to_string()),
    ]
}

fn of_blows(run: &Run) -> Vec<(&'static str, String)> {
    let deeds = &run.deeds;
    let rate = f64::from(deeds.kills) / run.lasted.as_secs_f64();
    let (away, times) = run.away.total();
    vec![
        ("SIGKILL", format!("{} ({rate:.1} a second), {} amid jobs", deeds.kills, deeds.kills_amid_jobs)),
        ("SIGSTOP short, long", format!("{}, {}", deeds.short_freezes, deeds.long_freezes)),
        ("SIGTERM", deeds.stops.to_string()),
        ("Redis killed", run.restarts.to_string()),
        ("the store was away", format!("{} in {times} times", seconds(away))),
        ("settled, deaths of the other", format!("{}, {}", run.deaths.settled, run.deaths.times)),
        ("attempts that lost their lease", deeds.lost.len().to_string()),
        ("attempts handed back", deeds.handed_back.len().to_string()),
    ]
}

/// How soon the jobs of killed workers were given back.
#[derive(Default)]
struct Recoveries {
    /// As the clock on the wall has it.
    all: Vec<Duration>,
    /// Without the time that the store was away, and after an outage anew from its end.
    promised: Vec<Duration>,
    /// How many are late but for that.
    excused: u64,
    problems: Vec<String>,
}

impl Recoveries {
    fn of(run: &Run) -> Self {
        let mut found = Self::default();
        for one in &run.inherited {
            let Some(reclaimed) = one.reclaimed else {
                found.problems.push(format!("{} of killed worker {} was never given back", one.job, one.number));
                continue;
            };
            let took = reclaimed.saturating_duration_since(one.killed);
            let counted = run.away.promised_time(one.killed, reclaimed);
            found.excused += u64::from(took > PROMISED && counted <= PROMISED);
            if counted > PROMISED {
                let (job, number) = (&one.job, one.number);
                found.problems.push(format!(
                    "{job} of killed worker {number} was given back after {took:.1?}, {counted:.1?} of them with the store there"
                ));
            }
            found.all.push(took);
            found.promised.push(counted);
        }
        found
    }

    fn rows(&self) -> Vec<(&'static str, String)> {
        let late = self.all.iter().filter(|took| **took > PROMISED).count();
        vec![
            ("jobs held by killed workers", self.all.len().to_string()),
            ("kill to given back", spread(&self.all)),
            ("without absences of the store", spread(&self.promised)),
            ("after 15 s, of these excused", format!("{late}, {}", self.excused)),
        ]
    }
}

fn wrong_counts(place: &Workplace, effects: &Effects) -> Vec<String> {
    let Some(counts) = counts(place) else { return vec!["the store does not answer in the end".to_owned()] };
    let mut wrong = Vec::new();
    for (queue, found) in QUEUES.into_iter().zip(counts) {
        let (stored, failed) = effects.stored.get(queue).copied().unwrap_or_default();
        let due = [0, 0, 0, stored - failed, failed];
        if found != due {
            wrong
                .push(format!("{queue} counts {found:?}, due were {due:?} (waiting, delayed, reserved, done, failed)"));
        }
    }
    wrong
}

/// What is still stored of jobs that are over, and whether a file is damaged:
/// a line each, none if all is well. No job may be under way.
pub fn leftovers(place: &Workplace) -> Vec<String> {
    if place.is_redis() { of_unfinished_jobs(place.server().keys()) } else { left_in_file(place) }
}

/// Those keys that are there only while there are jobs that are not over, a line each.
fn of_unfinished_jobs(keys: Vec<String>) -> Vec<String> {
    let left = |key: &String| OF_UNFINISHED_JOBS.iter().any(|suffix| key.ends_with(suffix));
    keys.into_iter().filter(left).map(|key| format!("{key} is left")).collect()
}

fn left_in_file(place: &Workplace) -> Vec<String> {
    let questions = [
        ("jobs that are not over", "SELECT count(*) FROM jobs WHERE state < 3"),
        ("leases", "SELECT count(*) FROM jobs WHERE state <> 2 AND token IS NOT NULL"),
        ("bodies of done jobs", "SELECT count(*) FROM bodies LEFT JOIN jobs USING (row) WHERE state IS NOT 4"),
    ];
    let sql = rusqlite::Connection::open(place.path("jobhost.db")).expect("the file can be opened");
    let ask = |question: &str| sql.query_row(question, [], |row| row.get::<_, i64>(0)).expect("the tables are there");
    let mut left: Vec<_> = questions
        .iter()
        .filter_map(|(what, question)| {
            Some(ask(question)).filter(|found| *found > 0).map(|n| format!("{n} {what} are left"))
        })
        .collect();
    let whole: String = sql.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("the file can be checked");
    if whole != "ok" {
        left.push(format!("the file is damaged: {whole}"));
    }
    left
}

/// Least, median, nine in ten, and greatest.
fn spread(times: &[Duration]) -> String {
    let mut times = times.to_vec();
    times.sort();
    let at =
        |tenths: usize| seconds(times.get(times.len().saturating_sub(1) * tenths / 10).copied().unwrap_or_default());
    format!("min {}, median {}, p90 {}, max {}", at(0), at(5), at(9), at(10))
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
