//! `run` and `listen`: their lines, when they wake, and what they do when the
//! store goes away.

use std::time::{Duration, Instant};

use jobhost_tests::{PATIENCE, Workplace, digits_as_zeros, matches};
use nix::sys::signal::Signal;
use serde_json::json;

use crate::settings::one_guest;

on_both_stores! {
    fn run_prints_a_line_for_each_event_and_stops_when_nothing_waits(place) {
        one_guest(place, "echo", "", "");
        place.push("work", "X", "{}");
        place.jobhost(&["push", "X", "--delay", "1h"]).run().success();
        // The hour and minute are this zone's, which has no summer time.
        let run = place.jobhost(&["run"]).env("TZ", "Asia/Kolkata").run().success();
        let utc = place.jobhost(&["run"]).env("TZ", "UTC").run().success();
        let lines: Vec<_> = run.lines().into_iter().map(digits_as_zeros).collect();
        let expected = [
            "0000-00-00 00:00:00 [pid: …] - Worker is started",
            "0000-00-00 00:00:00 [0] X (attempt: 0, pid: …) - Started",
            "0000-00-00 00:00:00 [0] X (attempt: 0, pid: …) - Done (0.000 s)",
            "0000-00-00 00:00:00 [pid: …] - Worker is stopped (0:00:00)",
        ];
        let fits = lines.len() == 4 && expected.iter().zip(&lines).all(|(pattern, line)| matches(pattern, line));
        assert!(fits, "{run}");
        let pid_of = |line: &str| line.split("pid: ").nth(1).unwrap().split([']', ')']).next().unwrap().to_owned();
        assert!(run.lines().iter().all(|line| pid_of(line) == pid_of(run.lines()[0])), "{run}");
        assert_eq!(utc.lines().len(), 2, "nothing waits: {utc}");
        let minutes = |line: &str| line[14..16].parse::<i32>().unwrap();
        let apart = (minutes(run.lines()[0]) - minutes(utc.lines()[0])).rem_euclid(60);
        assert!((28..=30).contains(&apart), "local time: {run} {utc}");
        assert_eq!(place.counts("work"), [0, 1, 0, 1, 0]);
    }

    fn listen_wakes_when_another_process_pushes(place) {
        one_guest(place, "echo", "", "");
        let mut worker = place.listen(&[]);
        let mut waits = Vec::new();
        for n in 1..=5 {
            let id = place.push("work", "X", "{}");
            assert_eq!(id, format!("work/{n}"));
            let done = worker.wait_for_job("done", &id);
            // From the push to the reservation, by the store's clock.
            waits.push(done["record"]["waited_ms"].as_u64().unwrap());
        }
        crate::settings::tell(&format!("listen woke after {waits:?} ms ({})", if place.is_redis() { "redis" } else { "sqlite" }));
        waits.sort_unstable();
        assert!(waits[2] < 500, "half of the pauses are longer: {waits:?} ms");
        worker.stop();
    }

    fn a_delayed_job_runs_when_it_is_due(place) {
        one_guest(place, "echo", "", "");
        let mut worker = place.listen(&[]);
        let began = Instant::now();
        place.jobhost(&["push", "X", "--delay", "1s"]).run().success();
        let started = worker.wait_for_job("started", "work/1");
        let took = began.elapsed();
        // A second later; Redis keeps whole seconds, so that it may be nearly one more.
        assert!(took >= Duration::from_millis(990), "{took:?} {started}");
        assert!(took < Duration::from_secs(5), "{took:?} {started}");
        worker.wait_for_job("done", "work/1");
        worker.stop();
    }

    fn two_workers_share_a_queue_and_run_each_job_once(place) {
        one_guest(place, "echo", "", "");
        let workers = [place.listen(&["--concurrency", "2"]), place.listen(&["--concurrency", "2"])];
        let jobs = "{\"name\":\"X\"}\n".repeat(200);
        place.jobhost(&["push", "--batch", "-"]).stdin(jobs).run().success();
        jobhost_tests::wait_until("all done", PATIENCE, || {
            let counts = place.counts("work");
            if counts == [0, 0, 0, 200, 0] { Ok(()) } else { Err(counts) }
        });
        let told: Vec<_> = workers.into_iter().map(jobhost_tests::Worker::stop).collect();
        let mut ids: Vec<_> = told
            .iter()
            .flat_map(jobhost_tests::Finished::lines)
            .filter(|line| line.contains("\"done\""))
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].to_string())
            .collect();
        ids.sort();
        ids.dedup();
        let all: usize = told.iter().map(|one| one.stdout.matches("\"event\":\"done\"").count()).sum();
        assert_eq!((ids.len(), all), (200, 200));
    }

    fn listen_reads_along_while_nobody_reads_its_lines(place) {
        one_guest(place, "echo", "", "");
        let mut command = place.jobhost(&["listen"]).into_command();
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut child = command.stdout(writer).stderr(std::process::Stdio::null()).spawn().unwrap();
        place.push("work", "X", "{}");
        jobhost_tests::wait_until("done", PATIENCE, || {
            let counts = place.counts("work");
            if counts == [0, 0, 0, 1, 0] { Ok(()) } else { Err(counts) }
        });
        let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
        nix::sys::signal::kill(pid, Signal::SIGTERM).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
}

#[test]
fn listen_waits_for_a_redis_server_that_went_away_and_goes_on() {
    let mut place = Workplace::durable_redis();
    one_guest(&place, "take-time", "", "");
    let mut worker = place.listen(&["--concurrency", "4"]);
    place.push("work", "X", "{\"ms\":1}");
    worker.wait_for_job("done", "work/1");
    // One waits, one is due later, one runs: the outage may cost none of them.
    place.push("work", "X", "{\"ms\":2500}");
    worker.wait_for_job("started", "work/2");
    place.jobhost(&["push", "X", "{\"ms\":1}", "--delay", "1s"]).run().success();

    place.server_mut().kill();
    let lost = worker.wait_for("store-lost");
    assert!(lost["reason"].as_str().unwrap().contains(&place.server().address()), "{lost}");
    place.server_mut().restart();
    worker.wait_for("store-back");

    assert_eq!(worker.wait_for_job("done", "work/2")["attempt"], 1);
    assert_eq!(worker.wait_for_job("done", "work/3")["attempt"], 1);
    place.push("work", "X", "{\"ms\":1}");
    assert_eq!(worker.wait_for_job("done", "work/4")["attempt"], 1);
    worker.stop();
    assert_eq!(place.counts("work"), [0, 0, 0, 4, 0]);
}

#[test]
fn listen_waits_for_a_redis_server_that_is_not_there_yet() {
    let mut place = Workplace::durable_redis();
    one_guest(&place, "echo", "", "");
    place.push("work", "X", "{}");
    place.server_mut().kill();
    let mut worker = place.jobhost(&["listen", "--json"]).start();
    let waits = || worker.complaints().contains("waiting for it").then_some(()).ok_or_else(|| worker.complaints());
    jobhost_tests::wait_until("the complaint", PATIENCE, waits);
    place.server_mut().restart();
    worker.wait_for_job("done", "work/1");
    worker.stop();
}

#[test]
fn a_worker_that_is_told_to_stop_while_its_server_is_away_stops() {
    let mut place = Workplace::durable_redis();
    one_guest(&place, "echo", "", "");
    let mut worker = place.listen(&[]);
    place.server_mut().kill();
    worker.wait_for("store-lost");
    let began = Instant::now();
    worker.stop();
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    place.server_mut().restart();
    assert_eq!(json!(place.counts("work")), json!([0, 0, 0, 0, 0]));
}
