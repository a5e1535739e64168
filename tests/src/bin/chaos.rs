//! The long form of the chaos test, for `cargo xtask chaos`. It only reads
//! arguments; what happens is in the library.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line for developers")]

use std::process::ExitCode;
use std::time::Duration;

use jobhost_tests::chaos::{Plan, Target, some_seed};

const USAGE: &str =
    "usage: cargo xtask chaos [--minutes N | --seconds N] [--seed S] [--store sqlite|redis] [--others yes|no]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(plans) = plans(&arguments) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let mut good = true;
    for plan in plans {
        println!("{}", plan.command());
        let report = plan.run();
        println!("{report}");
        good &= report.problems.is_empty();
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// One for each store; `None` if the arguments are wrong.
fn plans(arguments: &[String]) -> Option<Vec<Plan>> {
    let (mut seed, mut seconds, mut others, mut targets) = (None, 60, None, vec![Target::Sqlite, Target::Redis]);
    for pair in arguments.chunks(2) {
        let [option, value] = pair else { return None };
        match (option.as_str(), value.as_str()) {
            ("--minutes", minutes) => seconds = minutes.parse::<u64>().ok()?.checked_mul(60)?,
            ("--seconds", value) => seconds = value.parse().ok()?,
            ("--seed", value) => seed = Some(value.parse().ok()?),
            ("--others", "yes") => others = Some(true),
            ("--others", "no") => others = Some(false),
            ("--store", "sqlite") => targets = vec![Target::Sqlite],
            ("--store", "redis") => targets = vec![Target::Redis],
            _ => return None,
        }
    }
    // A day is more than anybody wants.
    if !(1..=86_400).contains(&seconds) {
        return None;
    }
    let seed = seed.unwrap_or_else(some_seed);
    // Their losses come back late: too late for a short run.
    let others = others.unwrap_or(seconds >= 300);
    let plan = |target| Plan { target, seed, lasts: Duration::from_secs(seconds), kills: 0, workers: 6, others };
    Some(targets.into_iter().map(plan).collect())
}
