//! A worker that is killed: its jobs run again soon, elsewhere. These tests
//! take as long as leases live.

use std::time::{Duration, Instant};

use jobhost_tests::{PATIENCE, Workplace, wait_until};
use nix::sys::signal::Signal;
use serde_json::json;

use crate::settings::one_guest;

on_both_stores! {
    fn the_job_of_a_killed_worker_runs_again_within_15_s_uncounted(place) {
        one_guest(place, "take-time", "attempts = 1", "");
        let mut doomed = place.listen(&[]);
        place.push("work", "X", "{\"ms\":1500}");
        doomed.wait_for_job("started", "work/1");
        let mut heir = place.listen(&[]);
        doomed.kill();
        let killed = Instant::now();
        let started = heir.wait_for_job("started", "work/1");
        let took = killed.elapsed();
        crate::settings::tell(&format!("the job ran again after {took:?} ({})", kind(place)));
        assert!(took < Duration::from_secs(15), "{took:?}");
        assert_eq!(started["attempt"], 1, "a crash is not counted: {started}");
        heir.wait_for_job("done", "work/1");
        heir.stop();
        assert_eq!(place.counts("work"), [0, 0, 0, 1, 0]);
        let status = place.status("work/1");
        assert_eq!((&status["state"], &status["attempts"]), (&json!("done"), &json!(1)), "{status}");
    }

    fn a_worker_that_slept_through_its_lease_settles_nothing(place) {
        one_guest(place, "take-time", "", "");
        let mut sleeper = place.listen(&[]);
        place.push("work", "X", "{\"ms\":1500}");
        sleeper.wait_for_job("started", "work/1");
        sleeper.signal(Signal::SIGSTOP);
        let mut heir = place.listen(&[]);
        assert_eq!(heir.wait_for_job("done", "work/1")["attempt"], 1);
        sleeper.signal(Signal::SIGCONT);
        // It may find out by its clock, by an extension or when it settles.
        let end = sleeper.wait_until("its end", PATIENCE, |event| {
            event["id"] == "work/1" && event["event"] != "started"
        });
        assert!(["lost", "handed-back"].contains(&end["event"].as_str().unwrap()), "{end}");
        assert_eq!(place.counts("work"), [0, 0, 0, 1, 0], "it is done once");
        let worker = place.status("work/1")["record"]["worker"].to_string();
        assert!(worker.contains(&format!(":{}", heir.pid())), "the heir's record stands: {worker}");
        sleeper.stop();
        heir.stop();
    }

    fn a_job_that_runs_longer_than_a_lease_lives_runs_once_beside_an_idle_worker(place) {
        one_guest(place, "take-time", "", "");
        let mut first = place.listen(&[]);
        place.push("work", "X", "{\"ms\":14000}");
        first.wait_for_job("started", "work/1");
        let idle = place.listen(&[]);
        assert_eq!(first.wait_for_job("done", "work/1")["attempt"], 1);
        let told = idle.stop();
        assert!(!told.stdout.contains("work/1"), "{told}");
        first.stop();
        assert_eq!(place.counts("work"), [0, 0, 0, 1, 0]);
    }

    fn a_job_that_takes_its_workers_down_ends_in_the_failed_set(place) {
        one_guest(place, "take-time", "attempts = 9\nmax-crashes = 1", "");
        let mut doomed = place.listen(&[]);
        place.push("work", "X", "{\"ms\":60000}");
        doomed.wait_for_job("started", "work/1");
        let mut heir = place.listen(&[]);
        doomed.kill();
        let failed = heir.wait_for_job("failed", "work/1");
        assert_eq!(failed["record"]["cause"]["kind"], "crashed", "{failed}");
        heir.stop();
        assert_eq!(place.counts("work"), [0, 0, 0, 0, 1]);
        place.jobhost(&["failed", "show", "1"]).run().success().prints("took its worker down 1 times");
    }

    fn however_often_workers_are_killed_each_job_is_done_and_handed_on_once(place) {
        hand_on(place);
        let jobs = 1000;
        push_many(place, jobs);
        // Killed amid their work: after so many of their jobs, whatever they do at that moment.
        for done_before in [5, 23, 1, 40, 11] {
            let mut doomed = place.listen(&["--queue", "work", "--concurrency", "8"]);
            for _ in 0..done_before {
                doomed.wait_for("done");
            }
            doomed.kill();
        }
        assert!(place.counts("work")[3] < 1000, "the last one was killed amid its work, too");
        let heir = place.listen(&["--queue", "work", "--concurrency", "8"]);
        all_handed_on(place, jobs);
        heir.stop();
    }
}

#[test]
fn however_often_redis_is_killed_each_job_is_done_and_handed_on_once() {
    let mut place = Workplace::durable_redis();
    hand_on(&place);
    let jobs = 1000;
    push_many(&place, jobs);
    let mut worker = place.listen(&["--queue", "work", "--concurrency", "8"]);
    for done_before in [7, 31, 1] {
        for _ in 0..done_before {
            worker.wait_for("done");
        }
        place.server_mut().kill();
        worker.wait_for("store-lost");
        place.server_mut().restart();
        worker.wait_for("store-back");
    }
    all_handed_on(&place, jobs);
    worker.stop();
}

/// Each job of `work` pushes one to `next`, in the step that settles it.
fn hand_on(place: &Workplace) {
    let grant = "grants = { queues = [\"next\"] }\n[queues.next]";
    one_guest(place, "push-follow-up", "max-crashes = 100", grant);
}

fn push_many(place: &Workplace, jobs: usize) {
    let line = "{\"name\":\"X\",\"payload\":{\"queue\":\"next\",\"payload\":\"{}\"}}\n";
    place.jobhost(&["push", "--queue", "work", "--batch", "-"]).stdin(line.repeat(jobs)).run().success();
}

/// Waits until all are done, and requires that each was handed on once.
#[track_caller]
fn all_handed_on(place: &Workplace, jobs: usize) {
    let jobs = jobs as u64;
    wait_until("all done", Duration::from_mins(1), || {
        let counts = place.counts("work");
        if counts == [0, 0, 0, jobs, 0] { Ok(()) } else { Err(counts) }
    });
    assert_eq!(place.counts("next"), [jobs, 0, 0, 0, 0], "each was handed on once");
}

fn kind(place: &Workplace) -> &'static str {
    if place.is_redis() { "redis" } else { "sqlite" }
}
