//! Buckets of the job store, as a plugin has them.

use std::thread;

use jobhost_tests::{Workplace, repository};
use serde_json::json;

use crate::settings::{one_guest, quoted};

/// A guest with the bucket `assets`, and one of its own that it may only read.
fn granted(place: &Workplace, rest: &str) {
    let grants = "keyvalue = [{ bucket = \"assets\", mode = \"rw\" }, \
                  { bucket = \"settings\", guest = \"default\", mode = \"ro\" }, \
                  { bucket = \"small\", mode = \"rw\", keys = 2, size = \"10B\" }]";
    one_guest(place, "use-bucket", "", &format!("{rest}\n[plugins.it.grants]\n{grants}"));
}

/// Pushes jobs, runs them in their order, and says what became of each: its output, or code and message.
fn run(place: &Workplace, steps: &[(&str, &str, &str, &str)]) -> Vec<String> {
    let push = |(bucket, what, key, value): &(&str, &str, &str, &str)| {
        place.push("work", "X", &json!({"bucket": bucket, "do": what, "key": key, "value": value}).to_string())
    };
    let ids: Vec<String> = steps.iter().map(push).collect();
    place.jobhost(&["run", "--concurrency", "1"]).run().success();
    ids.iter()
        .map(|id| {
            let status = place.status(id);
            let cause = &status["record"]["cause"];
            match status["output"].as_str() {
                Some(output) => output.to_owned(),
                None => {
                    format!("{}: {}", cause["code"].as_str().unwrap_or("?"), cause["message"].as_str().unwrap_or("?"))
                }
            }
        })
        .collect()
}

on_both_stores! {
    fn a_plugin_keeps_values_between_jobs(place) {
        granted(place, "");
        let seen = run(place, &[
            ("assets", "get", "k", ""),
            ("assets", "set", "k", "first"),
            ("assets", "get", "k", ""),
            ("assets", "exists", "k", ""),
            ("assets", "stale", "k", "mine"),
            ("assets", "add", "n", "5"),
            ("assets", "add", "n", "-7"),
            ("assets", "delete", "k", ""),
            ("assets", "exists", "k", ""),
            ("default", "get", "n", ""),
            ("assets", "fill", "", "2500"),
        ]);
        assert_eq!(seen, [
            "nothing", "", "first", "true", "failed: theirs", "5", "-2", "", "false", "nothing",
            "2501 keys, 3 pages, 1 and true",
        ]);
        // It is in no queue's way, and a clear leaves it alone.
        place.jobhost(&["clear", "work", "--yes"]).run().success();
        assert_eq!(run(place, &[("assets", "get", "n", "")]), ["-2"]);
    }

    fn a_plugin_of_the_guest_crate_keeps_typed_values(place) {
        let file = quoted(&repository().join("plugins/target/wasm32-wasip2/release/examples/tally.wasm"));
        place.write("salt", "pepper\n");
        let configure = |settings: &str| place.configure(&format!(
            "[queues.work]\n[plugins.tally]\npath = {file}\njobs = [\"*\"]\n[plugins.tally.grants]\n\
             config = {{ {settings} }}\nsecrets = {{ SALT = {{ file = \"salt\" }} }}\n\
             keyvalue = [{{ bucket = \"words\", mode = \"rw\" }}]\n"
        ));
        configure("bucket = \"words\"");
        let tallied = |words: &[&str]| {
            let id = place.push("work", "X", &json!({ "words": words }).to_string());
            place.run("work");
            place.status(&id)["output"].clone()
        };
        let expected = |total, before, left, longest, keys: &[&str]| {
            json!({
                "total": total, "before": before, "left": left, "longest": longest, "keys": keys,
                "settings": ["bucket"], "secret": 6,
            })
        };
        let all = ["latest", "longest", "total"];
        assert_eq!(tallied(&["one", "three"]), expected(2, json!(null), true, 5, &all));
        assert_eq!(tallied(&[]), expected(2, json!(["one", "three"]), false, 5, &all[1..]));
        assert_eq!(tallied(&["a"]), expected(3, json!(null), true, 5, &all));
        // What the plugin cannot do without is told with the line that gives it.
        configure("");
        let id = place.push("work", "X", &json!({ "words": [] }).to_string());
        place.run("work");
        let failure = place.failure(&id)["record"]["cause"].clone();
        assert_eq!(failure["code"], "not-configured", "{failure}");
        assert!(failure["message"].as_str().unwrap().contains("add `config = { \"bucket\" = "), "{failure}");
    }

    fn what_is_not_granted_or_too_much_is_refused_and_the_log_names_the_line(place) {
        granted(place, "limits = { bucket-keys = 50, bucket-value = \"1KiB\" }");
        let seen = run(place, &[
            ("settings", "get", "k", ""),
            ("default", "set", "k", "v"),
            ("assets", "set-long", "k", "1024"),
            ("assets", "set-long", "k", "1025"),
            ("assets", "spin", "k", ""),
            ("assets", "set", "word", "x"),
            ("assets", "add", "word", "1"),
            ("small", "set", "a", "123456789"),
            ("small", "set", "b", "1"),
            ("small", "get", "a", ""),
            ("assets", "set", &"x".repeat(513), "v"),
        ]);
        let expected = [
            "access-denied: ",
            "access-denied: ",
            "",
            "other: a value of 1025 bytes, at most 1024 are allowed; raise `limits.bucket-value`",
            "other: too many keys in one call: 0 more are allowed; raise `limits.bucket-keys`",
            "",
            "other: what is at the key is no whole number of 64 bits, or the sum is none",
            "",
            "other: the bucket `small` is full: it may have 10 bytes; raise `size` of its grants",
            "123456789",
            "other: a key of 513 bytes; it has 1 to 512",
        ];
        assert_eq!(seen, expected);
        place.push("work", "X", "{\"bucket\":\"settings\"}");
        place.push("work", "X", "{\"bucket\":\"default\",\"do\":\"set\",\"key\":\"k\",\"value\":\"v\"}");
        place
            .run("work")
            .complains("may not open the bucket `settings`; to allow it, add `{ bucket = \"settings\", mode = \"rw\" }` to `keyvalue` under `[plugins.it.grants]`")
            .complains("may only read the bucket `settings`; to allow it, set `mode = \"rw\"` for `bucket = \"settings\"` in `keyvalue` under `[plugins.it.grants]`");
    }

    fn workers_that_count_by_compare_and_swap_lose_no_count(place) {
        granted(place, "");
        for _ in 0..8 {
            place.push("work", "X", "{\"bucket\":\"assets\",\"do\":\"count\",\"key\":\"n\",\"value\":\"25\"}");
        }
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| place.jobhost(&["run", "--concurrency", "4"]).run().success());
            }
        });
        assert_eq!(place.counts("work"), [0, 0, 0, 8, 0]);
        assert_eq!(run(place, &[("assets", "get", "n", "")]), ["200"]);
    }
}
