//! A worker is killed at each step of its work in turn: the job is done in the
//! end, once, and what it hands on exists once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jobhost_tests::chaos::leftovers;
use jobhost_tests::{Fate, Workplace, guest, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::settings::{marks, quoted};

/// More than a worker says to its server for one job.
const MOST_COMMANDS: usize = 60;

/// More than the pages that a worker writes for a few jobs.
const MOST_WRITES: usize = 60;

/// So many pairs of queues: a job of `work-N` hands on to `next-N`.
fn pairs_of_queues(place: &Workplace, pairs: usize) {
    place.make_folder("marks");
    let queues = |kind: &str| (0..pairs).map(|n| format!("[queues.{kind}-{n}]\n")).collect::<Vec<_>>().concat();
    let targets: Vec<_> = (0..pairs).map(|n| format!("\"next-{n}\"")).collect();
    place.configure(&format!(
        "{}{}[plugins.it]\npath = {}\njobs = [\"*\"]\n\
         grants = {{ queues = [{}], fs = [{{ host = \"marks\", guest = \"/marks\", mode = \"rw\" }}] }}\n",
        queues("work"),
        queues("next"),
        quoted(&guest("leave-marks")),
        targets.join(", "),
    ));
}

/// Jobs of a pair.
fn push(place: &Workplace, n: usize, jobs: usize) {
    let after = json!({"mark": format!("/marks/{n}-next"), "ms": 1, "good": 1}).to_string();
    let payload = json!({
        "mark": format!("/marks/{n}"), "ms": 1, "good": 1, "next": format!("next-{n}"), "after": after,
    });
    let line = format!("{}\n", json!({"name": "X", "payload": payload}));
    let queue = format!("work-{n}");
    place.jobhost(&["push", "--queue", &queue, "--batch", "-"]).stdin(line.repeat(jobs)).run().success();
}

/// A worker heals what was left behind by those that were killed: each job was done once and handed on once.
#[track_caller]
fn all_are_done_once_and_handed_on_once(place: &Workplace, pairs: usize, jobs: usize) {
    let all = jobs as u64;
    let heir = listen_args(pairs, "work");
    let heir = place.listen(&heir.iter().map(String::as_str).collect::<Vec<_>>());
    wait_until("all done", Duration::from_mins(1), || {
        let open: Vec<_> =
            counts(place, "work", pairs).into_iter().filter(|(_, of)| *of != [0, 0, 0, all, 0]).collect();
        if open.is_empty() { Ok(()) } else { Err(open) }
    });
    heir.stop();
    let next = counts(place, "next", pairs);
    let wrong: Vec<_> = next.into_iter().filter(|(_, of)| *of != [all, 0, 0, 0, 0]).collect();
    assert!(wrong.is_empty(), "handed on not once: {wrong:?}");
    let run = listen_args(pairs, "next");
    place.jobhost(&[&["run"], &*run.iter().map(String::as_str).collect::<Vec<_>>()].concat()).run().success();
    let run: Vec<_> = (0..pairs).map(|n| marks(place, &format!("{n}-next"))).collect();
    assert_eq!(run, vec![(jobs, jobs); pairs], "each follow-up ran once");
    assert_eq!(leftovers(place), [""; 0]);
}

fn listen_args(pairs: usize, kind: &str) -> Vec<String> {
    (0..pairs).flat_map(|n| ["--queue".to_owned(), format!("{kind}-{n}")]).collect()
}

/// By queue: how many are waiting, delayed, reserved, done, failed.
fn counts(place: &Workplace, kind: &str, pairs: usize) -> Vec<(usize, [u64; 5])> {
    let info = place.jobhost(&["info", "--json"]).run().success().json();
    let of = |n: usize| {
        let counts = &info["queues"][format!("{kind}-{n}")];
        ["waiting", "delayed", "reserved", "done", "failed"].map(|state| counts[state].as_u64().unwrap())
    };
    (0..pairs).map(|n| (n, of(n))).collect()
}

#[test]
fn a_worker_that_is_killed_at_any_of_its_commands_hands_on_once_or_not_at_all() {
    let place = Workplace::proxied_redis();
    pairs_of_queues(&place, MOST_COMMANDS);
    // The n-th worker dies when its n-th command is on its way; the last one does not get that far.
    let mut died = 0;
    let mut ran = [0, 0];
    for n in 0..MOST_COMMANDS {
        push(&place, n, 1);
        let (pid, said) = (Arc::new(AtomicUsize::new(0)), AtomicUsize::new(0));
        let doomed = Arc::clone(&pid);
        let worker = {
            // Its commands wait until it is known whom to kill.
            place.proxy().rule(move |_| {
                if said.fetch_add(1, Ordering::SeqCst) < n {
                    return Fate::Pass;
                }
                let pid = loop {
                    match doomed.load(Ordering::SeqCst) {
                        0 => std::thread::yield_now(),
                        pid => break pid,
                    }
                };
                let _ = kill(Pid::from_raw(i32::try_from(pid).unwrap()), Signal::SIGKILL);
                Fate::Cut
            });
            let queue = format!("work-{n}");
            place.jobhost(&["run", "--json", "--queue", &queue]).start()
        };
        pid.store(worker.pid() as usize, Ordering::SeqCst);
        let ended = worker.end();
        place.proxy().pass();
        ran[usize::from(marks(&place, &n.to_string()).1 > 0)] += 1;
        if ended.code == Some(0) {
            break;
        }
        assert_eq!(ended.code, None, "{ended}");
        died += 1;
    }
    crate::settings::tell(&format!("{died} workers were killed, {} after their job had run", ran[1]));
    assert!(died < MOST_COMMANDS - 1, "the job's end was not reached");
    assert!(ran[0] >= 3 && ran[1] >= 2, "they died before and after their job ran: {ran:?}");
    all_are_done_once_and_handed_on_once(&place, died + 1, 1);
}

/// A worker that ends its transactions one by one writes each to the log of
/// the file, whose length so tells what it has done.
#[test]
fn a_worker_that_is_killed_at_any_write_to_its_file_hands_on_once_or_not_at_all() {
    // The page that a transaction writes to the log, with its header.
    const FRAME: u64 = 4096 + 24;
    // The shared memory beside the file has this size from the first moment.
    const SHARED: u64 = 32 << 10;
    const JOBS: usize = 2;
    let place = Workplace::sqlite();
    pairs_of_queues(&place, MOST_WRITES);
    let mut ran = BTreeMap::new();
    for n in 0..MOST_WRITES {
        push(&place, n, JOBS);
        let queue = format!("work-{n}");
        // Some die between two pages, some within one.
        let most = SHARED + n as u64 * FRAME + [64, 2_000, 4_000][n % 3];
        let run = ["run", "--json", "--queue", &queue, "--concurrency", "1"];
        let ended = place.jobhost(&run).files_at_most(most, false).run();
        assert!(ended.code.is_none() || ended.code == Some(0), "{ended}");
        let done = ended.stdout.matches("\"event\":\"done\"").count();
        *ran.entry((marks(&place, &n.to_string()).1, done)).or_insert(0) += 1;
        if done == JOBS {
            break;
        }
    }
    let pairs = ran.values().sum();
    crate::settings::tell(&format!("{pairs} workers; how many had run and settled so many of {JOBS} jobs: {ran:?}"));
    assert!(ran.keys().any(|(_, done)| *done == JOBS), "the jobs' end was not reached: {ran:?}");
    let amid = ran.keys().filter(|(run, done)| run > done).count();
    assert!(amid > 0 && ran.len() > 2, "they died at each step: {ran:?}");
    all_are_done_once_and_handed_on_once(&place, pairs, JOBS);
}
