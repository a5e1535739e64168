//! Hooks around pushing and running, through the whole program.

use jobhost_tests::{Workplace, guest};
use serde_json::json;

use crate::settings::quoted;

/// A queue `work` with every hook, whose jobs `behaviour` handles.
fn hooked(place: &Workplace, behaviour: &str, hook: &str) {
    place.configure(&format!(
        "[queues.work]\nhooks = [\"hook\"]\n[queues.next]\n\
         [plugins.it]\npath = {}\njobs = [\"*\"]\n\
         [plugins.hook]\npath = {}\njobs = []\ngrants = {{ queues = [\"next\"] }}\n{hook}\n",
        quoted(&guest(behaviour)),
        quoted(&guest("every-hook")),
    ));
}

on_both_stores! {
    fn a_before_push_hook_replaces_and_rejects(place) {
        hooked(place, "echo", "");
        place.push("work", "X", "{\"answer\":\"replace\"}");
        let replaced = place.status("work/1");
        assert_eq!((&replaced["ttr"], &replaced["payload"]), (&json!(7), &json!({"class": "X", "replaced": true})));
        place.jobhost(&["push", "X", "{\"answer\":\"reject\"}", "--queue", "work"]).run()
            .exits_with(1)
            .complains_clearly(&["hook `hook`", "no X today"]);
        place.push("work", "X", "{\"answer\":\"elsewhere\"}");
        assert_eq!(place.counts("work"), [2, 0, 0, 0, 0], "a broken hook that is open does no harm");
        hooked(place, "echo", "on-failure = \"closed\"");
        place.jobhost(&["push", "X", "{\"answer\":\"elsewhere\"}", "--queue", "work"]).run()
            .exits_with(1)
            .complains_clearly(&["hook `hook`", "elsewhere"]);
        assert_eq!(place.counts("work"), [2, 0, 0, 0, 0]);
    }

    fn a_before_exec_hook_skips_postpones_and_fails(place) {
        hooked(place, "echo", "");
        for answer in ["skip", "postpone", "fail"] {
            place.push("work", "X", &format!("{{\"answer\":\"{answer}\"}}"));
        }
        let run = place.run("work");
        run.prints("Skipped (hook: seen before)");
        assert_eq!(place.counts("work"), [0, 1, 0, 1, 1]);
        assert_eq!(place.status("work/2")["attempts"], 0, "postponed is not counted");
        let failure = place.failure("work/3");
        assert_eq!(failure["record"]["cause"]["code"], "35020", "{failure}");
        assert_eq!(place.counts("next"), [0; 5], "none of them was heard of by after-exec");
    }

    fn a_broken_hook_counts_only_where_it_is_closed(place) {
        hooked(place, "take-time", "");
        place.push("work", "X", "{\"answer\":\"broken\",\"queue\":\"next\",\"ms\":1}");
        place.run("work");
        assert_eq!((place.counts("work"), place.counts("next")), ([0, 0, 0, 1, 0], [1, 0, 0, 0, 0]));
        hooked(place, "take-time", "on-failure = \"closed\"");
        place.push("work", "X", "{\"answer\":\"broken\",\"queue\":\"next\",\"ms\":1}");
        place.run("work").prints("the hook is broken");
        assert_eq!(place.failure("work/2")["record"]["cause"]["kind"], "hook-failed");
        assert_eq!(place.counts("next"), [1, 0, 0, 0, 0]);
    }

    fn a_hook_that_does_not_come_back_is_ended_after_its_own_time(place) {
        hooked(place, "echo", "timeout = \"300ms\"\non-failure = \"closed\"");
        place.push("work", "X", "{\"loop\":\"before-exec\"}");
        place.run("work");
        let failure = place.failure("work/1");
        let cause = &failure["record"]["cause"];
        assert_eq!(cause["kind"], "hook-failed", "{failure}");
        assert!(cause["message"].as_str().unwrap().contains("timed out after 300 ms"), "{failure}");
    }

    fn after_exec_hands_the_output_on(place) {
        hooked(place, "take-time", "");
        place.push("work", "X", "{\"queue\":\"next\",\"ms\":1}");
        place.run("work");
        let next = place.status("next/1");
        assert_eq!((&next["name"], &next["payload"]["attempt"]), (&json!("Uploaded"), &json!(1)), "{next}");
    }

    fn after_error_has_the_last_word(place) {
        hooked(place, "fail-permanent", "");
        place.push("work", "X", "{\"answer\":\"give-up\"}");
        place.run("work");
        let failure = place.failure("work/1");
        assert!(failure["record"]["cause"]["given_up"].as_str().unwrap().contains("35020"), "{failure}");
        place.push("work", "X", "{\"answer\":\"retry\"}");
        place.run("work").prints("> next attempt in 1.0 s");
        assert_eq!(place.counts("work"), [0, 1, 0, 0, 1], "the queue allows one attempt, the hook another");
    }
}
