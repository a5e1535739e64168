//! What becomes of a job when it runs: retries, limits, faults, follow-ups.

use std::process::Stdio;
use std::time::Duration;

use jobhost_tests::{PATIENCE, Workplace, guest, wait_until};
use serde_json::json;

use crate::settings::{one_guest, quoted};

const NO_WAIT: &str = "backoff = { initial = \"0\", max = \"0\" }";

on_both_stores! {
    fn a_temporary_failure_is_tried_as_often_as_the_queue_allows(place) {
        one_guest(place, "fail-temporary", &format!("attempts = 3\n{NO_WAIT}"), "");
        place.push("work", "X", "{}");
        let run = place.run("work");
        let attempts: Vec<_> = run.lines().into_iter().filter(|line| line.ends_with("Started")).collect();
        assert_eq!(attempts.len(), 3, "{run}");
        run.prints("> upstream-503: work is busy\n");
        assert_eq!(place.counts("work"), [0, 0, 0, 0, 1]);
        let failure = place.failure("work/1");
        let cause = &failure["record"]["cause"];
        assert_eq!((&failure["attempts"], &cause["kind"]), (&json!(3), &json!("returned")), "{failure}");
        assert_eq!(cause["details"], json!([["attempt", "3"]]), "the last attempt is kept: {failure}");
        assert_eq!(cause["given_up"], "attempt 3 of 3");
    }

    fn a_retry_waits_for_its_backoff_and_run_does_not_wait_for_it(place) {
        one_guest(place, "fail-temporary", "attempts = 2\nbackoff = { initial = \"1s\", max = \"1s\" }", "");
        place.push("work", "X", "{}");
        place.run("work").prints("> next attempt in ");
        let status = place.status("work/1");
        // Full jitter may come out as next to nothing, and then it is due at once.
        assert!(["delayed", "waiting"].contains(&status["state"].as_str().unwrap()), "{status}");
        assert_eq!(status["attempts"], 1);
        let mut worker = place.listen(&[]);
        let failed = worker.wait_for_job("failed", "work/1");
        assert_eq!((&failed["attempt"], &failed["retry_after_ms"]), (&json!(2), &json!(null)));
        worker.stop();
        assert_eq!(place.counts("work"), [0, 0, 0, 0, 1]);
    }

    fn a_permanent_failure_is_not_tried_again(place) {
        one_guest(place, "fail-permanent", "attempts = 5", "");
        place.push("work", "X", "{}");
        place.run("work");
        assert_eq!(place.counts("work"), [0, 0, 0, 0, 1]);
        assert_eq!(place.failure("work/1")["attempts"], 1);
    }

    fn a_failure_may_say_when_to_try_again(place) {
        one_guest(place, "fail-retry-after", "attempts = 2", "");
        place.push("work", "X", "{}");
        let mut worker = place.listen(&[]);
        let first = worker.wait_for_job("failed", "work/1");
        assert_eq!(first["retry_after_ms"], 2000, "1.5 s, which the store rounds up: {first}");
        let second = worker.wait_for_job("started", "work/1");
        assert_eq!(second["attempt"], 1);
        let second = worker.wait_for_job("failed", "work/1");
        let [began, again] = [&first, &second].map(|event| event["record"]["started_at"].as_u64().unwrap());
        assert!(again - began >= 1_500, "{first} {second}");
        worker.stop();
        assert_eq!(place.failure("work/1")["attempts"], 2);
    }

    fn can_retry_allows_more_attempts_than_the_queue(place) {
        one_guest(place, "come-back", "attempts = 1", "");
        place.push("work", "X", "{\"good\":3}");
        let run = place.run("work");
        assert_eq!(run.lines().iter().filter(|line| line.contains("Error")).count(), 2, "{run}");
        let status = place.status("work/1");
        assert_eq!((&status["state"], &status["output"]), (&json!("done"), &json!(3)), "{status}");
    }

    fn get_ttr_is_stored_with_the_message_unless_a_ttr_was_given(place) {
        one_guest(place, "policy", "ttr = \"2m\"", "");
        place.push("work", "X", "{\"ttr\":77}");
        place.push("work", "X", "{}");
        place.jobhost(&["push", "X", "{\"ttr\":77}", "--ttr", "5s"]).run().success();
        let ttrs = ["work/1", "work/2", "work/3"].map(|id| place.status(id)["ttr"].clone());
        assert_eq!(ttrs, [json!(77), json!(120), json!(5)]);
    }

    fn the_time_to_run_ends_a_job_whatever_it_does(place) {
        for behaviour in ["loop-forever", "sleep-forever"] {
            one_guest(place, behaviour, "", "");
            let pushed = place.jobhost(&["push", "X", "--ttr", "1s"]).run().success();
            place.run("work").prints("timed out after 1000 ms");
            let record = &place.failure(pushed.text())["record"];
            assert_eq!(record["cause"]["kind"], "timed-out", "{behaviour}: {record}");
            let took = record["duration_us"].as_u64().unwrap();
            assert!((1_000_000..2_500_000).contains(&took), "{behaviour}: {record}");
        }
    }

    fn a_job_that_wants_too_much_memory_ends_and_its_neighbour_does_not_notice(place) {
        place.configure(&format!(
            "[queues.work]\n[plugins.eat]\npath = {}\nlimits = {{ memory = \"8MiB\" }}\n[plugins.echo]\npath = {}\n",
            quoted(&guest("eat-memory")), quoted(&guest("echo"))
        ));
        place.push("work", "eat", "{}");
        place.push("work", "echo", "{}");
        place.run("work").prints("> out of memory");
        assert_eq!(place.counts("work"), [0, 0, 0, 1, 1]);
        let record = &place.failure("work/1")["record"];
        assert_eq!(record["cause"]["kind"], "out-of-memory", "{record}");
        let peak = record["peak_memory_bytes"].as_u64().unwrap();
        assert!((4 << 20..=8 << 20).contains(&peak), "{record}");
    }

    fn a_trap_is_kept_with_its_message_and_backtrace(place) {
        one_guest(place, "trap", "", "");
        place.push("work", "X", "{\"a\":1}");
        place.run("work");
        let failure = place.failure("work/1");
        let cause = &failure["record"]["cause"];
        assert_eq!(cause["kind"], "trapped", "{failure}");
        assert!(cause["backtrace"].as_str().unwrap().contains("execute"), "{failure}");
        assert!(cause["stderr"].as_str().unwrap().contains("no handler for {\"class\":\"X\",\"a\":1}"), "{failure}");
        let shown = place.jobhost(&["failed", "show", "1"]).run().success();
        for part in ["backtrace", "execute", "stderr", "no handler for"] {
            assert!(shown.stdout.contains(part), "{part}: {shown}");
        }
    }

    fn other_ends_of_a_guest_have_causes_of_their_own(place) {
        for (behaviour, payload, plugin, kind) in [
            ("exit", "{}", "", "exited"),
            ("abort", "{}", "", "trapped"),
            ("stack-overflow", "{}", "", "trapped"),
            ("divide-by-zero", "{}", "", "trapped"),
            ("loop-forever", "{}", "limits = { fuel = 1000000 }", "out-of-fuel"),
            ("huge-output", "{\"bytes\":70000}", "limits = { output = \"64KiB\" }", "limit"),
        ] {
            one_guest(place, behaviour, "", plugin);
            let id = place.push("work", "X", payload);
            place.run("work");
            let failure = place.failure(&id);
            assert_eq!(failure["record"]["cause"]["kind"], kind, "{behaviour}: {failure}");
        }
    }

    fn a_name_that_nobody_handles_may_be_left_to_other_workers(place) {
        place.configure(&format!(
            "[queues.work]\nunknown = \"release\"\n[plugins.echo]\npath = {}\n", quoted(&guest("echo"))
        ));
        place.push("work", "other", "{}");
        place.run("work").prints("Postponed for 30.0 s");
        assert_eq!(place.counts("work"), [0, 1, 0, 0, 0]);
        assert_eq!(place.status("work/1")["attempts"], 0, "it is not counted");
    }

    fn a_follow_up_is_stored_with_the_settlement_that_it_belongs_to(place) {
        let grant = "grants = { queues = [\"next\"] }\n[queues.next]";
        one_guest(place, "push-follow-up", "", grant);
        place.push("work", "X", "{\"queue\":\"next\",\"payload\":\"{}\"}");
        place.run("work");
        assert_eq!(place.counts("next"), [1, 0, 0, 0, 0]);
        let next = place.status("next/1");
        assert_eq!((&next["name"], &next["metadata"]["parent"]), (&json!("FollowUp"), &place.status("work/1")["key"]));

        // It pushes as often as it may, and fails then.
        one_guest(place, "push-flood", "", grant);
        place.push("work", "X", "{\"queue\":\"next\",\"payload\":\"{}\",\"batch\":10}");
        place.run("work");
        assert_eq!(place.failure("work/2")["record"]["cause"]["code"], "1000", "it did push");
        assert_eq!(place.counts("next"), [1, 0, 0, 0, 0], "nothing of a failed attempt is stored");

        // Its work is done and its push accepted, but it does not end in time.
        one_guest(place, "hold-back", "", grant);
        place.jobhost(&["push", "X", "{\"queue\":\"next\"}", "--ttr", "1s", "--queue", "work"]).run().success();
        place.run("work").prints("timed out after 1000 ms");
        assert_eq!(place.counts("next"), [1, 0, 0, 0, 0], "nothing of a late attempt is stored");

        one_guest(place, "push-now", "", grant);
        place.push("work", "X", "{\"queue\":\"next\"}");
        place.run("work");
        assert_eq!(place.counts("next"), [2, 0, 0, 0, 0]);
        assert_eq!(place.status("work/4")["output"], "next/2");
    }

    fn a_push_without_a_grant_is_denied_with_the_line_that_would_allow_it(place) {
        one_guest(place, "push-follow-up", "", "[queues.next]");
        place.push("work", "X", "{\"queue\":\"next\",\"payload\":\"{}\"}");
        let run = place.run("work");
        let line = "set `queues = [\"next\"]` under `[plugins.it.grants]`";
        run.complains(line);
        assert_eq!(place.counts("next"), [0; 5]);
        let failure = place.failure("work/1").to_string();
        assert!(failure.to_lowercase().contains("denied"), "{failure}");
    }

    fn progress_is_seen_while_the_job_runs(place) {
        one_guest(place, "take-time", "", "");
        place.push("work", "X", "{\"ms\":5000}");
        let mut worker = place.listen(&[]);
        worker.wait_for_job("started", "work/1");
        let seen = wait_until("progress", PATIENCE, || {
            let status = place.status("work/1");
            if status["progress"]["note"] == "half way" { Ok(status) } else { Err(status) }
        });
        assert_eq!((&seen["progress"]["done"], &seen["progress"]["total"]), (&json!(1), &json!(2)));
        assert_eq!(seen["state"], "reserved", "it is still running: {seen}");
        assert!(seen["worker"].as_str().unwrap().ends_with(&format!(":{}", worker.pid())), "{seen}");
        worker.wait_for_job("done", "work/1");
        worker.stop();
        place.jobhost(&["status", "1"]).run().success().prints("half way");
    }

    fn the_output_of_a_done_job_is_kept_as_long_as_its_queue_says(place) {
        one_guest(place, "echo", "", "");
        place.push("work", "X", "{\"a\":[1,2]}");
        place.run("work");
        let status = place.status("work/1");
        assert_eq!((&status["state"], &status["output"]), (&json!("done"), &json!({"class": "X", "a": [1, 2]})));
        one_guest(place, "echo", "retain = { done = \"0\" }", "");
        place.push("work", "X", "{}");
        place.run("work");
        place.jobhost(&["status", "2"]).run().exits_with(1);
        assert_eq!(place.counts("work"), [0, 0, 0, 2, 0]);
    }

    fn a_failed_job_runs_again_when_it_is_retried(place) {
        place.configure("[queues.work]\n");
        place.push("work", "X", "{\"a\":1}");
        place.push("work", "Y", "{}");
        place.run("work").complains("no plugin is configured");
        assert_eq!(place.counts("work"), [0, 0, 0, 0, 2]);
        one_guest(place, "echo", "", "");
        place.jobhost(&["failed", "retry", "work/1"]).run().success().prints("work/1");
        assert_eq!(place.counts("work"), [1, 0, 0, 0, 1]);
        place.jobhost(&["failed", "retry", "--all"]).run().success().prints("work/2");
        place.run("work").prints("[1] X (attempt: 1,");
        assert_eq!(place.counts("work"), [0, 0, 0, 2, 0]);
        assert_eq!(place.status("work/1")["output"]["a"], 1);
    }

    fn jobs_run_side_by_side_up_to_the_concurrency(place) {
        one_guest(place, "take-time", "", "");
        for _ in 0..4 {
            place.push("work", "X", "{\"ms\":400}");
        }
        let events = place.jobhost(&["run", "--json", "--concurrency", "2"]).run().success();
        let (mut running, mut most) = (0, 0);
        for line in events.lines() {
            running += i32::from(line.contains("\"started\"")) - i32::from(line.contains("\"done\""));
            most = most.max(running);
        }
        assert_eq!((running, most), (0, 2), "{events}");
    }

    fn several_queues_are_served_and_told_apart(place) {
        place.configure(&format!(
            "[queues.a]\n[queues.b]\n[queues.c]\n[plugins.echo]\npath = {}\njobs = [\"*\"]\n", quoted(&guest("echo"))
        ));
        for queue in ["a", "b", "c"] {
            place.push(queue, "X", "{}");
        }
        let two = place.jobhost(&["run", "--queue", "a", "--queue", "b"]).run().success();
        assert!(two.stdout.contains("[a/1] X") && two.stdout.contains("[b/1] X"), "{two}");
        assert_eq!(["a", "b", "c"].map(|queue| place.counts(queue)[0]), [0, 0, 1]);
        place.jobhost(&["run"]).run().success().prints("[c/1] X");
    }

    fn nothing_survives_from_one_attempt_to_the_next(place) {
        one_guest(place, "count", "", "");
        for _ in 0..3 {
            place.push("work", "X", "{}");
        }
        place.run("work");
        assert_eq!(["work/1", "work/2", "work/3"].map(|id| place.status(id)["output"].clone()), [json!(1), json!(1), json!(1)]);
    }
}

#[test]
fn a_reader_of_the_logs_who_pauses_stops_no_job() {
    let place = Workplace::sqlite();
    one_guest(&place, "echo", "", "");
    let batch = "{\"name\":\"X\"}\n".repeat(500);
    place.jobhost(&["push", "--batch", "-", "--queue", "work"]).stdin(batch).run().success();
    // More than a pipe holds, and nobody reads it.
    let mut command = place.jobhost(&["run"]).env("RUST_LOG", "trace").into_command();
    let mut run = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let ended = wait_until("the end of run", Duration::from_mins(1), || run.try_wait().unwrap().ok_or("it still runs"));
    assert!(ended.success(), "{ended}");
    assert_eq!(place.counts("work"), [0, 0, 0, 500, 0]);
}
