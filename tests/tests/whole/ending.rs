//! How a worker ends: signals, the grace, and what becomes of its jobs.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;

use crate::settings::one_guest;

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
        shorten_grace(place);
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
}

fn shorten_grace(place: &jobhost_tests::Workplace) {
    let configured = String::from_utf8(place.read("jobhost.toml")).unwrap();
    place.configure_with(&format!("shutdown-grace = \"500ms\"\n{configured}"));
}
