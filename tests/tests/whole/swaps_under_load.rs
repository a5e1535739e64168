//! A plugin that is replaced two hundred times while jobs run.

use std::collections::{HashMap, HashSet};
use std::fs;

use jobhost_tests::{PATIENCE, Worker, guest, replace, version, wait_until};
use serde_json::{Value, json};

const SWAPS: usize = 200;
/// Different files. Some versions come back, and are found compiled then.
const CONTENTS: usize = 20;
/// Before each of these a file comes that cannot be used.
const BROKEN_EACH: usize = 60;
/// Slots, and jobs that are there at any time.
const CONCURRENCY: usize = 4;
const JOBS: usize = 8;

/// KiB that a version takes at the least when it stays.
const VERSION: u64 = 200;
/// Images of memory that a worker may hold open: that of the version in force, and those that unused slots of the pool
/// still remember. A slot for each call, each hook, each push and the trial.
const IMAGES: usize = 1 + CONCURRENCY * 3 + 1;

on_both_stores! {
    fn two_hundred_swaps_under_load_fail_no_job_and_leave_nothing_behind(place) {
        let behaviour = "push-itself-again";
        let path = place.write("it.wasm", version(behaviour, 0));
        // Versions are compiled here and not in an earlier run.
        place.configure(
            "cache = 'compiled'\n[queues.work]\n[plugins.it]\npath = 'it.wasm'\njobs = ['*']\ngrants = { queues = ['work'] }\n",
        );
        let line = format!("{}\n", json!({"name": "Again", "payload": {"ms": "20"}}));
        place.jobhost(&["push", "--queue", "work", "--batch", "-"]).stdin(line.repeat(JOBS)).run().success();
        let mut worker = place.listen(&["--concurrency", &CONCURRENCY.to_string()]);
        worker.wait_for("done");

        let mut memory = 0;
        for number in 1..=SWAPS {
            if number % BROKEN_EACH == 0 {
                replace(&path, &fs::read(guest("wrong-type")).unwrap());
                worker.wait_until("a refusal", PATIENCE, |event| event["event"] == "plugin-refused");
            }
            replace(&path, &version(behaviour, number % CONTENTS));
            swapped_and_used(&mut worker);
            if number == 10 {
                memory = resident_kib(worker.pid());
            }
        }
        let at_the_end = resident_kib(worker.pid());

        // It pushes nothing, which ends the load.
        replace(&path, &version("echo", 0));
        swapped_and_used(&mut worker);
        wait_until("the end of all jobs", PATIENCE, || match place.counts("work") {
            [0, 0, 0, _, _] => Ok(()),
            counts => Err(counts),
        });
        let images = images(worker.pid());
        assert_eq!(place.counts("work")[4], 0, "a job is in the failed set");
        let told = worker.stop();
        check_executions(&told.stdout);
        assert!(images <= IMAGES, "{images} images of versions are still open");
        let grown = at_the_end.saturating_sub(memory);
        crate::settings::tell(&format!("{memory} KiB after 10 swaps, {grown} KiB more after {SWAPS}; {images} images"));
        assert!(grown < (SWAPS as u64 - 10) * VERSION / 2, "{grown} KiB more than {memory}");
    }
}

/// Waits for a swap, and then for a job that ran on that version: jobs go on between any two.
#[track_caller]
fn swapped_and_used(worker: &mut Worker) {
    let swap = worker.wait_until("a swap", PATIENCE, |event| event["event"] == "plugin-swapped");
    worker.wait_until("a job on the new version", PATIENCE, |event| {
        event["event"] == "done" && event["record"]["digest"] == swap["to"]
    });
}

/// Each job ran once, at its first attempt, to a good end, on a version that was in force when it started.
#[track_caller]
fn check_executions(events: &str) {
    let mut in_force: Vec<String> = Vec::new();
    // How many versions had been in force before the start of a job.
    let mut begun: HashMap<String, usize> = HashMap::new();
    let mut done = HashSet::new();
    let events: Vec<Value> = events.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let text = |event: &Value, key: &str| event[key].as_str().unwrap_or_default().to_owned();
    in_force.extend(events.iter().find(|event| event["event"] == "plugin-swapped").map(|event| text(event, "from")));
    for event in &events {
        let id = text(event, "id");
        match text(event, "event").as_str() {
            "plugin-swapped" => in_force.push(text(event, "to")),
            "started" => assert!(begun.insert(id, in_force.len()).is_none(), "a second start: {event}"),
            "done" => {
                // A swap is in force a moment before it is told, and a start is told a moment after its version was
                // chosen.
                let told = begun[&id];
                let later = in_force.len().min(told + 1);
                let possible = &in_force[told.saturating_sub(2)..later];
                let digest = event["record"]["digest"].as_str().unwrap();
                assert!(possible.iter().any(|version| version == digest), "not in force: {event}");
                assert_eq!(event["attempt"], 1, "{event}");
                assert!(done.insert(id), "a second end: {event}");
            }
            "failed" | "lost" | "handed-back" | "postponed" | "reclaimed" => panic!("{event}"),
            _ => {}
        }
    }
    assert_eq!(begun.len(), done.len(), "of all that began all is done");
    assert_eq!(in_force.len(), SWAPS + 2);
    assert!(done.len() > SWAPS, "only {} jobs", done.len());
}

/// The memory of a process that is in use.
fn resident_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Initial memories of components that a process holds open, from which instances are made: one for each version.
fn images(pid: u32) -> usize {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
    let targets = open.filter_map(|entry| fs::read_link(entry.path()).ok());
    targets.filter(|target| target.to_string_lossy().contains("memory-image")).count()
}
