//! How a worker ends: signals, the grace, and what becomes of its jobs.

use std::time::{Duration, Instant};

use jobhost_tests::{Fate, Finished, Workplace, wait_until};
use nix::sys::signal::Signal;
use serde_json::json;

use crate::settings::{marked_jobs, marked_to_hand_on, one_guest, set_grace};

on_both_stores! {
    fn the_first_signal_lets_a_running_job_finish(place) {
        one_guest(place, "take-time", "", "");
        for signal in [Signal::SIGTERM, Signal::SIGINT] {
            let id = place.push("work", "X", "{\"ms\":1000}");
            let mut worker = place.listen(&[]);
            worker.wait_for_job("started", &id);
            worker.signal(signal);
            let stopping = worker.wait_for("worker-stopping");
            assert_eq!(stopping["grace_ms"], 25_000, "{stopping}");
            // It takes no more jobs.
            place.push("work", "Y", "{\"ms\":1}");
            worker.wait_for_job("done", &id);
            worker.wait_for("worker-stopped");
            worker.end().success();
            assert_eq!(place.counts("work")[0], 1);
            place.run("work");
        }
        assert_eq!(place.counts("work"), [0, 0, 0, 4, 0]);
    }

    fn a_job_that_outlasts_the_grace_is_handed_back_uncounted(place) {
        one_guest(place, "take-time", "", "");
        set_grace(place, "500ms");
        place.push("work", "X", "{\"ms\":3000}");
        place.push("work", "Y", "{\"ms\":1}");
        let mut worker = place.listen(&["--concurrency", "1"]);
        worker.wait_for_job("started", "work/1");
        let told = Instant::now();
        worker.signal(Signal::SIGTERM);
        worker.wait_for_job("handed-back", "work/1");
        worker.end().success();
        assert!(told.elapsed() < Duration::from_secs(3), "{:?}", told.elapsed());
        assert_eq!(place.counts("work"), [2, 0, 0, 0, 0]);
        let status = place.status("work/1");
        assert_eq!((&status["attempts"], &status["crashes"]), (&json!(0), &json!(0)), "{status}");

        let events = place.jobhost(&["run", "--json", "--concurrency", "1"]).run().success();
        let order: Vec<_> = events.lines().into_iter().filter(|line| line.contains("\"done\"")).collect();
        assert!(order[0].contains("\"work/1\"") && order[0].contains("\"attempt\":1"), "it is served first: {events}");
        assert_eq!(place.counts("work"), [0, 0, 0, 2, 0]);
    }

    fn the_time_that_is_left_shrinks_to_the_grace(place) {
        one_guest(place, "take-time", "", "");
        place.push("work", "X", "{\"ms\":1}");
        place.run("work");
        let left = place.status("work/1")["output"]["remaining"].as_u64().unwrap();
        assert!((295_000..=300_000).contains(&left), "of a ttr of 300 s: {left} ms");
    }

    fn a_second_signal_ends_the_worker_at_once_and_loses_nothing(place) {
        one_guest(place, "take-time", "", "");
        for (signal, code) in [(Signal::SIGTERM, 143), (Signal::SIGINT, 130)] {
            let id = place.push("work", "X", "{\"ms\":60000}");
            let mut worker = place.listen(&[]);
            worker.wait_for_job("started", &id);
            worker.signal(signal);
            worker.wait_for("worker-stopping");
            let told = Instant::now();
            worker.signal(signal);
            worker.end().exits_with(code);
            assert!(told.elapsed() < Duration::from_secs(5), "{:?}", told.elapsed());
            let status = place.status(&id);
            assert!(["reserved", "waiting"].contains(&status["state"].as_str().unwrap()), "{status}");
            place.jobhost(&["remove", &id]).run().success();
        }
    }

    fn run_can_be_stopped_too(place) {
        one_guest(place, "take-time", "", "");
        place.push("work", "X", "{\"ms\":700}");
        place.push("work", "X", "{\"ms\":700}");
        let mut worker = place.jobhost(&["run", "--json", "--concurrency", "1"]).start();
        worker.wait_for_job("started", "work/1");
        worker.stop();
        assert_eq!(place.counts("work"), [1, 0, 0, 1, 0]);
    }

    fn a_hundred_running_jobs_end_or_are_handed_back_and_none_is_lost(place) {
        one_guest(place, "take-time", "", "");
        set_grace(place, "10s");
        push_many(place, 50, 4_000);
        push_many(place, 50, 60_000);
        let mut worker = place.listen(&["--concurrency", "100"]);
        for _ in 0..100 {
            worker.wait_for("started");
        }
        let told = Instant::now();
        worker.signal(Signal::SIGTERM);
        worker.wait_for("worker-stopping");
        push_many(place, 10, 60_000);
        let ended = worker.end().success();
        assert!(told.elapsed() < Duration::from_secs(14), "{:?}", told.elapsed());
        assert_eq!(events(&ended, "started"), 100, "it takes no more: {ended}");
        assert_eq!((events(&ended, "done"), events(&ended, "handed-back")), (50, 50), "{ended}");
        assert_eq!(place.counts("work"), [60, 0, 0, 50, 0]);

        one_guest(place, "echo", "", "");
        let rest = place.jobhost(&["run", "--json"]).run().success();
        let first = rest.lines().iter().filter(|line| line.contains("\"done\"") && line.contains("\"attempt\":1,")).count();
        assert_eq!((events(&rest, "done"), first), (60, 60), "no attempt was counted: {rest}");
        assert_eq!(place.counts("work"), [0, 0, 0, 110, 0]);
    }
}

#[test]
fn a_worker_with_running_jobs_whose_server_hangs_or_is_gone_ends_in_time_and_loses_none() {
    for hangs in [true, false] {
        let mut place = Workplace::durable_redis();
        one_guest(&place, "take-time", "", "");
        set_grace(&place, "1s");
        // Some end while the server is away, and their settlements cannot be brought; the others are handed back in vain.
        push_many(&place, 10, 900);
        push_many(&place, 10, 60_000);
        let mut worker = place.listen(&["--concurrency", "20"]);
        for _ in 0..20 {
            worker.wait_for("started");
        }
        if hangs {
            place.server().freeze(true);
        } else {
            place.server_mut().kill();
        }
        worker.wait_for("store-lost");
        let told = Instant::now();
        worker.signal(Signal::SIGTERM);
        let ended = worker.end().success();
        let took = told.elapsed();
        crate::settings::tell(&format!("it ended after {took:?} (the server hangs: {hangs})"));
        assert!(took < Duration::from_secs(10), "a grace of 1 s, and what the last settlements get: {took:?}");
        assert_eq!(events(&ended, "started"), 20, "{ended}");
        if hangs {
            place.server().freeze(false);
        } else {
            place.server_mut().restart();
        }

        one_guest(&place, "echo", "", "");
        let heir = place.listen(&[]);
        wait_until("all done", Duration::from_mins(1), || {
            let counts = place.counts("work");
            if counts == [0, 0, 0, 20, 0] { Ok(()) } else { Err(counts) }
        });
        heir.stop();
    }
}

#[test]
fn a_worker_that_gets_no_answers_any_more_ends_in_time_and_at_a_second_signal_at_once() {
    for signals in [1, 2] {
        let place = Workplace::proxied_redis();
        marked_jobs(&place);
        set_grace(&place, if signals == 1 { "1s" } else { "1m" });
        // One ends and its settlement's answer does not come, one is handed back.
        place.push("work", "X", &marked_to_hand_on("short", 1_500));
        place.push("work", "X", &marked_to_hand_on("long", 60_000));
        let mut worker = place.listen(&["--queue", "work"]);
        worker.wait_for("started");
        worker.wait_for("started");
        place.proxy().hold(true);
        worker.wait_for("store-lost");
        worker.signal(Signal::SIGTERM);
        worker.wait_for("worker-stopping");
        let told = Instant::now();
        if signals == 2 {
            worker.signal(Signal::SIGTERM);
            worker.end().exits_with(143);
            assert!(told.elapsed() < Duration::from_secs(3), "{:?}", told.elapsed());
        } else {
            worker.end().success();
            assert!(told.elapsed() < Duration::from_secs(10), "{:?}", told.elapsed());
        }
        place.proxy().hold(false);

        one_guest(&place, "echo", "", "[queues.next]");
        let heir = place.listen(&["--queue", "work"]);
        wait_until("all done", Duration::from_mins(1), || match place.counts("work") {
            [0, 0, 0, 2, 0] => Ok(()),
            other => Err(other),
        });
        heir.stop();
        // It was handed on by the settlement whose answer was lost, or by nobody: the heir's guest does not.
        assert!(place.counts("next")[0] <= 1);
        let status = place.status("work/2");
        assert_eq!(status["attempts"], 1, "only the heir's attempt is counted: {status}");
    }
}

#[test]
fn a_worker_that_is_told_to_stop_before_its_server_answered_ends_at_once() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let place = Workplace::proxied_redis();
        one_guest(&place, "echo", "", "");
        place.push("work", "X", "{}");
        let (asked, asks) = std::sync::mpsc::channel();
        place.proxy().hold(true);
        place.proxy().rule(move |_| {
            let _ = asked.send(());
            Fate::Pass
        });
        let worker = place.jobhost(&["listen", "--json"]).start();
        asks.recv_timeout(Duration::from_secs(20)).unwrap();
        let told = Instant::now();
        worker.signal(signal);
        let ended = worker.end().success();
        assert!(told.elapsed() < Duration::from_secs(2), "{:?}", told.elapsed());
        assert_eq!(ended.stdout, "", "it had not begun");
        place.proxy().hold(false);
        assert_eq!(place.counts("work"), [1, 0, 0, 0, 0]);
    }
}

fn push_many(place: &Workplace, jobs: usize, ms: u64) {
    let line = format!("{{\"name\":\"X\",\"payload\":{{\"ms\":{ms}}}}}\n");
    place.jobhost(&["push", "--queue", "work", "--batch", "-"]).stdin(line.repeat(jobs)).run().success();
}

/// How often a worker told an event of this kind.
fn events(ended: &Finished, kind: &str) -> usize {
    ended.stdout.matches(&format!("\"event\":\"{kind}\"")).count()
}
