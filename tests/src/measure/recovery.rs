//! How long a killed worker's job waits for its next start. Beside the worker that runs the job there is always an
//! idle one; many such pairs go on at the same time, each with a queue of its own, since a lease takes its time to die.

use std::thread;
use std::time::{Duration, Instant};

use super::figure::{load_now, micros};
use super::stream::{Stream, Told};
use super::{Figure, Goal, Unit, both_stores};
use crate::artifacts::guest;
use crate::workplace::Workplace;

const KILLS: u64 = 50;
/// At the same time, half of them with a time to run of a second.
const PAIRS: u64 = 10;
const MOST: Goal = Goal::Max(15_000_000);
/// The job's length; it has to end by the shortest time to run.
const JOB: &str = "{\"ms\":800}";

pub(super) fn run() -> Vec<Figure> {
    both_stores()
        .into_iter()
        .flat_map(|(store, place)| {
            let load = load_now();
            let queues = |pair| format!("[queues.q{pair}]\nttr = \"{}\"\nattempts = 1\n", ttr(pair));
            let queues: String = (0..PAIRS).map(queues).collect();
            let path = guest("take-time");
            place.configure(&format!("{queues}[plugins.it]\npath = '{}'\njobs = [\"*\"]\n", path.display()));
            let all: Vec<_> = thread::scope(|scope| {
                let place = &place;
                let pairs: Vec<_> = (0..PAIRS).map(|pair| scope.spawn(move || kills(place, pair))).collect();
                pairs.into_iter().map(|pair| pair.join().expect("the pair went on to its end")).collect()
            });
            ["1s", "60s"].map(|of| {
                let waits = (0..PAIRS).zip(&all).filter(|(pair, _)| ttr(*pair) == of).flat_map(|(_, waits)| waits);
                let waits = waits.map(|wait| micros(*wait)).collect();
                Figure::new(format!("recovery, {store}, ttr {of}: kill to next start"), Unit::Micros, waits, &load)
                    .reaches(MOST)
            })
        })
        .collect()
}

fn ttr(pair: u64) -> &'static str {
    if pair.is_multiple_of(2) { "1s" } else { "60s" }
}

/// Kills whichever of two workers runs the job, again and again.
fn kills(place: &Workplace, pair: u64) -> Vec<Duration> {
    let queue = format!("q{pair}");
    let worker = || Stream::listen(place, &["--queue", &queue, "--concurrency", "1"]);
    let mut idle = worker();
    let mut waits = Vec::new();
    for kill in 0..KILLS / PAIRS {
        let other = worker();
        let job = place.push(&queue, "X", JOB);
        let (doomed, heir) = who_starts(idle, other, &job);
        // At different moments of the job and of the idle worker's rounds.
        thread::sleep(Duration::from_millis((pair * 61 + kill * 137) % 600));
        let (killed, _) = doomed.kill();
        waits.push(until(&heir, "started", &job).at.saturating_duration_since(killed));
        let ended = heir.next();
        assert!(["done", "failed"].contains(&ended.kind()), "{}", ended.event);
        idle = heir;
    }
    waits
}

/// The two workers, the one that starts the job first.
fn who_starts(one: Stream, other: Stream, job: &str) -> (Stream, Stream) {
    let is_it = |told: Told| told.kind() == "started" && told.job() == job;
    let deadline = Instant::now() + Duration::from_mins(1);
    while Instant::now() < deadline {
        let soon = Instant::now() + Duration::from_millis(1);
        if one.next_until(soon).is_some_and(is_it) {
            return (one, other);
        }
        if other.next_until(soon).is_some_and(is_it) {
            return (other, one);
        }
    }
    panic!("nobody started {job}")
}

/// The next event of this kind about this job.
#[track_caller]
fn until(worker: &Stream, kind: &str, job: &str) -> Told {
    loop {
        let told = worker.next();
        if told.kind() == kind && told.job() == job {
            return told;
        }
    }
}
