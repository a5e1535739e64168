//! A worker that is killed: its jobs run again soon, elsewhere. These tests
//! take as long as leases live.

use std::time::{Duration, Instant};

use jobhost_tests::Workplace;
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
}

fn kind(place: &Workplace) -> &'static str {
    if place.is_redis() { "redis" } else { "sqlite" }
}
