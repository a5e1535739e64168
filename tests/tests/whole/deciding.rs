//! What becomes of a failed job when those who may decide about it fail
//! themselves. What follows from their answers is a table in the worker.

use jobhost_tests::{Workplace, guest};
use serde_json::json;

use crate::settings::{one_guest, quoted};

const TWICE: &str = "attempts = 2\nbackoff = { initial = \"0\", max = \"0\" }";

/// Jobs of `work` fail, and a hook hears of it.
fn failing(place: &Workplace, hook: &str) {
    failing_with(place, "fail-temporary", hook);
}

fn failing_with(place: &Workplace, behaviour: &str, hook: &str) {
    place.configure(&format!(
        "[queues.work]\n{TWICE}\nhooks = [\"hook\"]\n[queues.next]\n\
         [plugins.it]\npath = {}\njobs = [\"*\"]\n\
         [plugins.hook]\npath = {}\njobs = []\ntimeout = \"300ms\"\ngrants = {{ queues = [\"next\"] }}\n{hook}\n",
        quoted(&guest(behaviour)),
        quoted(&guest("every-hook")),
    ));
}

#[test]
fn where_can_retry_breaks_the_decision_of_the_queue_stands() {
    let place = Workplace::sqlite();
    one_guest(&place, "policy", TWICE, "timeout = \"300ms\"");
    for (answer, why) in [("trap", "can-retry is broken"), ("loop", "timed out after 300 ms")] {
        let id = place.push("work", "X", &format!("{{\"fail\":\"busy\",\"retry\":\"{answer}\"}}"));
        let run = place.run("work");
        run.complains("can-retry has failed; the queue's own decision stands").complains(why);
        let failure = place.failure(&id);
        assert_eq!(failure["attempts"], 2, "{failure}");
        let cause = &failure["record"]["cause"];
        assert_eq!((&cause["message"], &cause["given_up"]), (&json!("busy"), &json!("attempt 2 of 2")), "{failure}");
    }
}

#[test]
fn a_broken_after_error_hook_that_is_open_leaves_the_decision_as_it_was() {
    let place = Workplace::sqlite();
    failing(&place, "on-failure = \"open\"");
    for (answer, why) in BROKEN {
        let id = place.push("work", "X", &format!("{{\"answer\":\"{answer}\",\"queue\":\"next\"}}"));
        place.run("work").complains("a hook has failed in after-error").complains(why);
        let failure = place.failure(&id);
        assert_eq!(failure["attempts"], 2, "{answer}: {failure}");
        assert_eq!(failure["record"]["cause"]["given_up"], "attempt 2 of 2", "{answer}: {failure}");
    }
    assert_eq!(place.counts("next"), [0; 5], "what a broken hook pushed is dropped");
}

#[test]
fn a_broken_after_error_hook_that_is_closed_sends_the_job_to_the_failed_set() {
    let place = Workplace::sqlite();
    failing(&place, "on-failure = \"closed\"");
    for (answer, why) in BROKEN {
        let id = place.push("work", "X", &format!("{{\"answer\":\"{answer}\",\"queue\":\"next\"}}"));
        place.run("work").complains("a hook has failed in after-error").complains(why);
        let failure = place.failure(&id);
        assert_eq!(failure["attempts"], 1, "{answer}: {failure}");
        let cause = &failure["record"]["cause"];
        assert_eq!(cause["kind"], "returned", "the cause is the job's own: {failure}");
        let given_up = cause["given_up"].as_str().unwrap();
        assert!(given_up.starts_with("a hook that must not fail did: hook: "), "{answer}: {failure}");
    }
    assert_eq!(place.counts("next"), [0; 5], "what a broken hook pushed is dropped");
}

/// Ways in which an after-error hook breaks, and what is told of each.
const BROKEN: [(&str, &str); 3] =
    [("trap", "trapped"), ("hang", "timed out after 300 ms"), ("refuse", "the hook is broken: Ok(())")];

on_both_stores! {
    fn a_delay_beyond_all_times_keeps_a_job_delayed_and_the_queue_at_work(place) {
        for (behaviour, payload) in [
            ("fail-temporary", "{\"answer\":\"never\"}".to_owned()),
            ("policy", format!("{{\"fail\":\"busy\",\"retry\":{}}}", u64::MAX)),
        ] {
            failing_with(place, behaviour, "");
            let id = place.push("work", "X", &payload);
            let mut worker = place.listen(&[]);
            worker.wait_for_job("failed", &id);
            let other = place.push("work", "X", "{\"fail\":\"busy\"}");
            worker.wait_for_job("failed", &other);
            worker.stop();
            assert_eq!(place.status(&id)["state"], "delayed", "{behaviour}");
            place.jobhost(&["status", &id]).run().success();
        }
    }
}
