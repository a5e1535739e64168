//! How long after its time to run an attempt ends. The attempt's time begins just before instantiation; the host's
//! record tells how long it took, and what is beyond the time to run is the lateness. What a reader of the events sees
//! includes the start, the settlement and the way through the pipe.

use std::collections::HashMap;
use std::thread;
use std::time::Duration;

use super::burners::Burners;
use super::figure::{load_now, micros};
use super::stream::Stream;
use super::{Figure, Goal, Unit, push_lines};
use crate::artifacts::guest;
use crate::workplace::Workplace;

/// Of each kind of guest under each condition.
const ATTEMPTS: usize = 1000;
/// The least there is.
const TTR: Duration = Duration::from_secs(1);
const IDLE: Goal = Goal::P99(25_000);
const LOADED: Goal = Goal::Max(250_000);

/// A guest that computes, and its plugin.
const COMPUTING: (&str, &str) = ("computing", "loop-forever");
/// A guest that waits in a call of the host, and its plugin.
const BLOCKED: (&str, &str) = ("blocked", "sleep-forever");

struct Case {
    condition: &'static str,
    guests: &'static [(&'static str, &'static str)],
    concurrency: &'static str,
    burn: bool,
    goal: Goal,
}

const CASES: [Case; 3] = [
    Case { condition: "idle host, 16 at once", guests: &[COMPUTING], concurrency: "16", burn: false, goal: IDLE },
    Case { condition: "idle host, 64 at once", guests: &[BLOCKED], concurrency: "64", burn: false, goal: IDLE },
    Case {
        condition: "loaded host, 32 + 32 at once",
        guests: &[COMPUTING, BLOCKED],
        concurrency: "64",
        burn: true,
        goal: LOADED,
    },
];

pub(super) fn run() -> Vec<Figure> {
    CASES.iter().flat_map(measured).collect()
}

/// What was measured of one kind of guest.
#[derive(Default)]
struct Late {
    recorded: Vec<u64>,
    told: Vec<u64>,
}

fn measured(case: &Case) -> Vec<Figure> {
    let load = load_now();
    let place = Workplace::redis();
    let plugin = |(name, file): (&str, &str)| format!("[plugins.{name}]\npath = '{}'\n", guest(file).display());
    place.configure(&format!("[queues.work]\nttr = \"1s\"\nattempts = 1\n{}{}", plugin(COMPUTING), plugin(BLOCKED)));
    // In turn, so that about as many of each run at a time.
    let line = |(name, _): &(&str, &str)| format!("{{\"name\":\"{name}\"}}\n");
    push_lines(&place, "work", case.guests.iter().map(line).collect::<String>().repeat(ATTEMPTS));
    let burners = case.burn.then(Burners::one_per_core);
    if case.burn {
        // The load has to be there before the first attempt is.
        thread::sleep(Duration::from_secs(1));
    }
    let late = listen(&place, case);
    drop(burners);
    case.guests
        .iter()
        .flat_map(|(name, _)| {
            let Late { recorded, told } = &late[*name];
            let figure = |what, values: &[u64]| {
                let name = format!("lateness, {name}, {}: {what}", case.condition);
                Figure::new(name, Unit::Micros, values.to_vec(), &load)
            };
            [figure("recorded", recorded).reaches(case.goal.clone()), figure("told", told)]
        })
        .collect()
}

/// Runs all jobs, each of which has to end by its time.
fn listen(place: &Workplace, case: &Case) -> HashMap<String, Late> {
    let worker = Stream::listen(place, &["--concurrency", case.concurrency]);
    let mut started = HashMap::new();
    let mut late: HashMap<String, Late> = HashMap::new();
    let mut ended = 0;
    while ended < ATTEMPTS * case.guests.len() {
        let told = worker.next();
        match told.kind() {
            "started" => {
                started.insert(told.job().to_owned(), told.at);
            }
            "failed" => {
                let record = &told.event["record"];
                assert_eq!(record["cause"]["kind"], "timed-out", "{}", told.event);
                let late = late.entry(record["plugin"].as_str().unwrap_or_default().to_owned()).or_default();
                late.recorded.push(told.duration_us().saturating_sub(micros(TTR)));
                let took = told.at.saturating_duration_since(started[told.job()]);
                late.told.push(micros(took.saturating_sub(TTR)));
                ended += 1;
            }
            _ => panic!("an attempt did not end by its time: {}", told.event),
        }
    }
    late
}
