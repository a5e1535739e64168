//! How many executions are repeated for each killed worker: short jobs of mixed length run in several workers, which
//! are killed one after the other. Each execution leaves a mark, so that those that were told of by nobody count, too.

use std::collections::HashSet;
use std::fs;
use std::thread;
use std::time::Duration;

use serde_json::json;

use super::figure::load_now;
use super::stream::{Stream, Told};
use super::{Figure, Unit, both_stores, push_lines};
use crate::artifacts::guest;
use crate::text::wait_until;
use crate::workplace::Workplace;

const KILLS: usize = 50;
const WORKERS: usize = 3;
const CONCURRENCY: &str = "4";
/// Enough to keep all workers busy until the next kill.
const JOBS_A_KILL: usize = 80;

pub(super) fn run() -> Vec<Figure> {
    both_stores().into_iter().map(|(store, place)| measured(store, &place)).collect()
}

fn measured(store: &str, place: &Workplace) -> Figure {
    let load = load_now();
    place.make_folder("marks");
    place.configure(&format!(
        "[queues.work]\nmax-crashes = 1000\n[plugins.it]\npath = '{}'\njobs = [\"*\"]\n\
         grants = {{ fs = [{{ host = \"marks\", guest = \"/marks\", mode = \"rw\" }}] }}\n",
        guest("leave-marks").display()
    ));
    let mut pushed = 0;
    let mut push = || {
        let lines = (pushed..pushed + JOBS_A_KILL).map(line).collect();
        push_lines(place, "work", lines);
        pushed += JOBS_A_KILL;
    };
    push();
    let worker = || (Stream::listen(place, &["--concurrency", CONCURRENCY]), HashSet::new());
    let mut workers: Vec<_> = (0..WORKERS).map(|_| worker()).collect();
    let mut running_when_killed = Vec::new();
    for kill in 0..KILLS {
        push();
        let (doomed, mut running) = workers.remove(0);
        // Killed amid its work.
        while running.is_empty() {
            note(&mut running, &doomed.next());
        }
        thread::sleep(Duration::from_millis(100 + (kill as u64 * 37) % 150));
        let (_, rest) = doomed.kill();
        for told in &rest {
            note(&mut running, told);
        }
        running_when_killed.push(running.len() as u64);
        workers.push(worker());
    }
    let due = [0, 0, 0, pushed as u64, 0];
    wait_until("the end of all jobs", Duration::from_mins(2), || {
        let counts = place.counts("work");
        if counts == due { Ok(()) } else { Err(counts) }
    });
    drop(workers);
    let begun = (0..pushed).map(|number| begun(place, number)).sum::<usize>();
    let more = begun.saturating_sub(pushed);
    let hundredths = more * 100 / KILLS;
    Figure::new(
        format!("duplicates, {store}, concurrency {CONCURRENCY}: jobs running at a kill"),
        Unit::Count,
        running_when_killed,
        &load,
    )
    .noted(format!(
        "{begun} executions of {pushed} jobs: {more} repeated, {}.{:02} for each of {KILLS} kills",
        hundredths / 100,
        hundredths % 100
    ))
}

/// Most are short, some outlast their worker.
fn line(number: usize) -> String {
    let ms = if number.is_multiple_of(20) { 400 } else { number * 13 % 120 };
    let payload = json!({"mark": format!("/marks/{number}"), "ms": ms, "good": 1});
    format!("{}\n", json!({"name": "Leave", "payload": payload}))
}

fn note(running: &mut HashSet<String>, told: &Told) {
    match told.kind() {
        "started" => drop(running.insert(told.job().to_owned())),
        _ => drop(running.remove(told.job())),
    }
}

/// How often the job has begun; it must have ended, too.
fn begun(place: &Workplace, number: usize) -> usize {
    let marks = fs::read_to_string(place.path(&format!("marks/{number}"))).unwrap_or_default();
    let count = |word: &str| marks.lines().filter(|line| line.starts_with(word)).count();
    assert!(count("ended") > 0, "job {number} never ended well: {marks:?}");
    count("begun")
}
