//! What replacing a plugin costs: how soon a job runs on a version after its file was saved, and what the jobs beside it
//! notice. Eight jobs push themselves again and again into four slots; a version that comes for the first time is
//! compiled, one that comes back is found compiled.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde_json::json;

use super::figure::{load_now, micros};
use super::stream::Stream;
use super::{Figure, Unit, both_stores, push_lines};
use crate::text::PATIENCE;
use crate::versions::{replace, version};
use crate::workplace::Workplace;

/// Files that come one after the other, each of which is compiled; they come back in the same order.
const VERSIONS: usize = 100;
const CONCURRENCY: &str = "4";
const JOBS: usize = 8;
/// What a job waits for, as if for another system.
const JOB_MS: u64 = 10;
/// With and without swaps in turn.
const PHASES: usize = 5;
const PHASE: Duration = Duration::from_secs(4);
const BEHAVIOUR: &str = "push-itself-again";

pub(super) fn run() -> Vec<Figure> {
    both_stores().into_iter().flat_map(|(store, place)| measured(store, &place)).collect()
}

fn measured(store: &str, place: &Workplace) -> Vec<Figure> {
    let load = load_now();
    place.write("it.wasm", version(BEHAVIOUR, 0));
    place.configure(
        "cache = 'compiled'\n[queues.work]\nretain = { done = \"0s\" }\n\
         [plugins.it]\npath = 'it.wasm'\njobs = ['*']\ngrants = { queues = ['work'] }\n",
    );
    let line = format!("{}\n", json!({"name": "Again", "payload": {"ms": JOB_MS.to_string()}}));
    push_lines(place, "work", line.repeat(JOBS));
    let worker = Stream::listen(place, &["--concurrency", CONCURRENCY]);
    let compiled = (1..=VERSIONS).map(|number| until_used(place, &worker, number)).collect();
    let found = (1..=VERSIONS).map(|number| until_used(place, &worker, number)).collect();
    let mut phases = [Phase::default(), Phase::default()];
    for _ in 0..PHASES {
        phases[0].measure(&worker, || {});
        phases[1].measure_swaps(place, &worker);
    }
    let [without, with] = phases;
    let hundredths = with.ended() * 100 / without.ended().max(1);
    let swaps = with.swaps;
    let note = format!(
        "{} jobs in the phases with {swaps} swaps, {} in those without: {}.{:02} times as many",
        with.ended(),
        without.ended(),
        hundredths / 100,
        hundredths % 100
    );
    let figure = |what: &str, values| Figure::new(format!("swaps, {store}: {what}"), Unit::Micros, values, &load);
    vec![
        figure("saved file to first start, compiled", compiled),
        figure("saved file to first start, from the cache", found),
        figure("between two starts, without swaps", without.gaps),
        figure("between two starts, during swaps", with.gaps),
        figure("wait of a job, without swaps", without.waits),
        figure("wait of a job, during swaps", with.waits),
        figure("attempt beyond its wait, without swaps", without.durations),
        figure("attempt beyond its wait, during swaps", with.durations).noted(note),
    ]
}

/// From the rename that puts a version in its place to the event `started` of the first job that ran on it.
#[track_caller]
fn until_used(place: &Workplace, worker: &Stream, number: usize) -> u64 {
    let content = version(BEHAVIOUR, number);
    // What was told before is not about this version.
    let mut started = HashMap::new();
    let saved = Instant::now();
    replace(&place.path("it.wasm"), &content);
    let mut to = None;
    let mut first: Option<Instant> = None;
    let mut ended = 0;
    // A job that is told as done later may have started earlier: no more than the slots can have.
    while ended < JOBS {
        let Some(told) = worker.next_until(saved + PATIENCE) else { panic!("version {number} was not put in force") };
        match told.kind() {
            "plugin-swapped" => to = Some(told.event["to"].clone()),
            "started" => drop(started.insert(told.job().to_owned(), told.at)),
            "done" if to.is_some() => {
                let of_new = Some(&told.event["record"]["digest"]) == to.as_ref();
                if let Some(at) = started.get(told.job()).filter(|_| of_new) {
                    first = Some(first.map_or(*at, |first| first.min(*at)));
                    ended += 1;
                }
            }
            "failed" | "lost" | "plugin-refused" => panic!("{}", told.event),
            _ => {}
        }
    }
    micros(first.map_or(Duration::ZERO, |first| first.saturating_duration_since(saved)))
}

/// What jobs were like, with or without swaps.
#[derive(Default)]
struct Phase {
    /// Between two events `started`, in microseconds.
    gaps: Vec<u64>,
    /// From when a job could have been taken to when it was, as recorded: whole milliseconds, here in microseconds.
    waits: Vec<u64>,
    /// Of attempts, less the time for which jobs wait by themselves, in microseconds.
    durations: Vec<u64>,
    swaps: usize,
}

impl Phase {
    fn ended(&self) -> usize {
        self.durations.len()
    }

    /// One more phase with swaps: a version is saved when the one before is in force. Ends when the last one is.
    fn measure_swaps(&mut self, place: &Workplace, worker: &Stream) {
        let mut number = self.swaps % VERSIONS;
        let mut save = || {
            number = number % VERSIONS + 1;
            replace(&place.path("it.wasm"), &version(BEHAVIOUR, number));
        };
        save();
        self.measure(worker, save);
        // It belongs to no other phase.
        while worker.next().kind() != "plugin-swapped" {}
        self.swaps += 1;
    }

    /// One more phase; `swapped` is called after each swap in it.
    fn measure(&mut self, worker: &Stream, mut swapped: impl FnMut()) {
        let end = Instant::now() + PHASE;
        let mut before: Option<Instant> = None;
        while let Some(told) = worker.next_until(end).filter(|told| told.at < end) {
            match told.kind() {
                "plugin-swapped" => {
                    self.swaps += 1;
                    swapped();
                }
                "started" => {
                    self.gaps.extend(before.map(|before| micros(told.at.saturating_duration_since(before))));
                    before = Some(told.at);
                }
                "done" => {
                    self.waits.extend(told.event["record"]["waited_ms"].as_u64().map(|waited| waited * 1000));
                    self.durations.push(told.duration_us().saturating_sub(JOB_MS * 1000));
                }
                "failed" | "lost" | "plugin-refused" => panic!("{}", told.event),
                _ => {}
            }
        }
    }
}
