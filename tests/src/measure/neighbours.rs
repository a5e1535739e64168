//! What one greedy job costs the others in the same worker. Fifty jobs at a time wait a little, as if for another
//! system, and then do a small fixed work; beside them a greedy job runs again and again in every other phase. Measured
//! is the time of each neighbour's attempt beyond its wait: start, delays and work.

use std::time::{Duration, Instant};

use serde_json::json;

use super::figure::load_now;
use super::stream::Stream;
use super::{Figure, Goal, Unit, push_lines};
use crate::artifacts::guest;
use crate::workplace::Workplace;

/// The fifty, and the greedy one.
const CONCURRENCY: &str = "51";
const ROUNDS: usize = 3;
const PHASE: Duration = Duration::from_secs(4);
/// What is told so early in a phase may belong to the one before.
const TRANSITION: Duration = Duration::from_millis(600);
/// The neighbours' wait.
const WAIT_US: u64 = 100_000;
/// More than 51 slots can run in a phase.
const JOBS_A_PHASE: usize = 3_000;

struct Greed {
    name: &'static str,
    payload: &'static str,
    /// The most that the neighbours' 99th percentile may grow to, times of that without it.
    most: Option<u64>,
}

const GREED: [Greed; 3] = [
    Greed { name: "Bomb", payload: "{}", most: Some(2) },
    Greed { name: "Bomb", payload: "{\"touch\":\"no\"}", most: Some(2) },
    Greed { name: "Loop", payload: "{}", most: None },
];
const SHOWN: [&str; 3] = ["a bomb that fills its memory", "a bomb that only takes it", "an endless loop"];

pub(super) fn run() -> Vec<Figure> {
    let load = load_now();
    let place = Workplace::redis();
    let plugin =
        |file: &str, job: &str| format!("[plugins.{file}]\npath = '{}'\njobs = [\"{job}\"]\n", guest(file).display());
    place.configure(&format!(
        "[queues.work]\nretain = {{ done = \"0s\" }}\n\
         [queues.greedy]\nttr = \"1s\"\nattempts = 1000000\nbackoff = {{ initial = \"0s\", max = \"0s\" }}\n{}{}{}",
        plugin("answer-after-pause", "Answer"),
        plugin("eat-memory", "Bomb"),
        plugin("loop-forever", "Loop")
    ));
    let worker = Stream::listen(&place, &["--concurrency", CONCURRENCY]);
    let mut without = Vec::new();
    let mut with = [Vec::new(), Vec::new(), Vec::new()];
    let mut attempts = [0; 3];
    for _ in 0..ROUNDS {
        for (index, greed) in GREED.iter().enumerate() {
            without.extend(phase(&place, &worker).0);
            let job = place.push("greedy", greed.name, greed.payload);
            let (of_neighbours, of_greedy) = phase(&place, &worker);
            with[index].extend(of_neighbours);
            attempts[index] += of_greedy;
            place.jobhost(&["remove", &job]).run().success();
        }
    }
    let work = "neighbours, 50 at once";
    let alone = Figure::new(format!("{work}: alone"), Unit::Micros, without, &load);
    let p99 = alone.percentile(99);
    let mut figures = vec![alone];
    for (index, values) in with.into_iter().enumerate() {
        let figure = Figure::new(format!("{work}: beside {}", SHOWN[index]), Unit::Micros, values, &load);
        let hundredths = figure.percentile(99) * 100 / p99.max(1);
        let note = format!(
            "p99 is {}.{:02} times that of the neighbours alone; {} greedy attempts ended meanwhile",
            hundredths / 100,
            hundredths % 100,
            attempts[index]
        );
        let figure = figure.noted(note);
        figures.push(match GREED[index].most {
            Some(times) => figure.reaches(Goal::P99(times * p99)),
            None => figure,
        });
    }
    figures
}

/// The neighbours' attempts of a phase in microseconds, and how many of the greedy ended in it.
fn phase(place: &Workplace, worker: &Stream) -> (Vec<u64>, usize) {
    let began = Instant::now();
    let numbers = (0..200).map(|number: u32| number.to_string()).collect::<Vec<_>>().join(" ");
    let payload = json!({"ms": WAIT_US / 1000, "times": 20, "numbers": numbers});
    let line = format!("{}\n", json!({"name": "Answer", "payload": payload}));
    push_lines(place, "work", line.repeat(JOBS_A_PHASE));
    let mut values = Vec::new();
    let mut greedy = 0;
    while let Some(told) = worker.next_until(began + PHASE) {
        let of_neighbours = told.job().starts_with("work/");
        match told.kind() {
            "started" => {}
            _ if told.at < began + TRANSITION => {}
            "done" if of_neighbours => values.push(told.duration_us().saturating_sub(WAIT_US)),
            _ if of_neighbours => panic!("a neighbour suffered: {}", told.event),
            _ => greedy += 1,
        }
    }
    (values, greedy)
}
