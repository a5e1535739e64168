//! What a chaos run came to: the figures, and all that is not as it should be.

use std::fmt;
use std::time::Duration;

use super::crew::CONCURRENCY;
use super::{Plan, QUEUES, Run, counts};
use crate::workplace::Workplace;

/// What is in a channel's keys only while there are jobs that are not over.
const OF_UNFINISHED_JOBS: [&str; 8] =
    [".messages", ".waiting", ".delayed", ".reserved", ".attempts", ":jobs", ":leases_at", ":orphans"];

/// The end of a run.
pub struct Report {
    rows: Vec<(&'static str, String)>,
    /// What is not as it should be, a line each. Empty if all held.
    pub problems: Vec<String>,
    command: String,
}

impl Report {
    pub(super) fn of(plan: &Plan, place: &Workplace, run: &Run) -> Self {
        let effects = run.load.effects(place);
        let deeds = &run.crew.deeds;
        let mut problems = [effects.problems.as_slice(), &deeds.problems].concat();
        problems.extend(wrong_counts(place, run));
        problems.extend(leftovers(place));
        let repeated = effects.begun.saturating_sub(effects.planned);
        let blows = deeds.kills + deeds.long_freezes + deeds.stops;
        if repeated > blows * CONCURRENCY + run.deaths.deaths {
            problems.push(format!("{repeated} executions were repeated, more than {blows} blows explain"));
        }
        let [min, median, max] = spread(&deeds.recoveries);
        let rows = vec![
            ("seed", plan.seed.to_string()),
            ("jobs pushed", run.load.len().to_string()),
            ("pushes refused", run.load.refused.to_string()),
            ("follow-ups due", run.load.follow_ups().to_string()),
            ("jobs lost", effects.problems.iter().filter(|line| line.contains("LOST")).count().to_string()),
            ("executions planned", effects.planned.to_string()),
            ("executions begun", effects.begun.to_string()),
            ("of these repeated", repeated.to_string()),
            ("effects doubled", effects.doubled.to_string()),
            ("SIGKILL", deeds.kills.to_string()),
            ("SIGSTOP short, long", format!("{}, {}", deeds.short_freezes, deeds.long_freezes)),
            ("SIGTERM", deeds.stops.to_string()),
            ("Redis killed", run.restarts.to_string()),
            ("settled, deaths of the other", format!("{}, {}", run.deaths.settled, run.deaths.deaths)),
            ("attempts that lost their lease", deeds.lost_leases.to_string()),
            ("recoveries", deeds.recoveries.len().to_string()),
            ("kill to next start", format!("min {min:.1?}, median {median:.1?}, max {max:.1?}")),
            ("problems", problems.len().to_string()),
        ];
        Self { rows, problems, command: plan.command() }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.rows {
            writeln!(f, "{name:>32}  {value}")?;
        }
        // A hundred tell enough.
        for problem in self.problems.iter().take(100) {
            writeln!(f, "{problem}")?;
        }
        if self.problems.is_empty() { Ok(()) } else { writeln!(f, "repeat it with `{}`", self.command) }
    }
}

fn wrong_counts(place: &Workplace, run: &Run) -> Vec<String> {
    let mut wrong = Vec::new();
    for (queue, found) in QUEUES.into_iter().zip(counts(place)) {
        let (pushed, failed) = if queue == "next" { (run.load.follow_ups(), 0) } else { run.load.of(queue) };
        let due = [0, 0, 0, pushed - failed, failed];
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
    if place.is_redis() {
        let left = |key: &String| OF_UNFINISHED_JOBS.iter().any(|suffix| key.ends_with(suffix));
        return place.server().keys().into_iter().filter(left).map(|key| format!("{key} is left")).collect();
    }
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

/// Least, median and greatest; zeros of none.
fn spread(times: &[Duration]) -> [Duration; 3] {
    let mut times = times.to_vec();
    times.sort();
    let at = |index: usize| times.get(index).copied().unwrap_or_default();
    [at(0), at(times.len() / 2), at(times.len().saturating_sub(1))]
}
