//! `jobhost bench`: all its figures, and that nobody notices it afterwards.

use std::time::Duration;

use jobhost_tests::{PATIENCE, Workplace, guest, wait_until};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::settings::one_guest;

/// What is told of each part.
const FIGURES: [(&str, &[&str]); 7] = [
    ("push-single", &["speed"]),
    ("push-bulk", &["speed"]),
    ("sandbox", &["speed, one thread", "time, one thread", "CPU of the host, one thread"]),
    ("sandbox", &["speed, all threads", "time, all threads", "CPU of the host, all threads"]),
    ("store", &["speed", "CPU of the host"]),
    ("drain", &["speed", "CPU of the host", "peak memory", "share of store"]),
    ("idle", &["p50", "p95", "p99"]),
];

fn figure<'d>(document: &'d Value, part: &str, name: &str) -> Option<&'d Value> {
    document["figures"].as_array()?.iter().find(|figure| figure["part"] == part && figure["name"] == name)
}

/// What anybody else would find in the store.
fn what_is_there(place: &Workplace) -> Vec<String> {
    if place.is_redis() {
        return place.server().keys();
    }
    let file = rusqlite::Connection::open(place.path("jobhost.db")).unwrap();
    file.busy_timeout(Duration::from_secs(10)).unwrap();
    let mut found = Vec::new();
    for query in [
        "SELECT name FROM channels",
        "SELECT 'job ' || row FROM jobs",
        "SELECT 'body ' || row FROM bodies",
        "SELECT 'worker ' || id FROM workers",
        "SELECT 'trial ' || plugin FROM trials",
        "SELECT 'bucket ' || name FROM buckets",
    ] {
        let mut statement = file.prepare(query).unwrap();
        let rows = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
        found.extend(rows.map(Result::unwrap));
    }
    found.sort();
    found
}

on_both_stores! {
    fn all_figures_are_told_and_nothing_is_left_behind(place) {
        one_guest(place, "echo", "", "");
        place.push("work", "X", "{}");
        let before = what_is_there(place);
        let told = place
            .jobhost(&["bench", "--json", "--jobs", "30", "--runs", "2", "--concurrency", "8", "--store", &place.store()])
            .run()
            .success()
            .complains("channels jobhost-bench-");
        let document = told.json();
        for (part, names) in FIGURES {
            for name in names {
                let figure = figure(&document, part, name).unwrap_or_else(|| panic!("{part}: {name} in {told}"));
                let [min, median, max] = ["min", "median", "max"].map(|of| figure[of].as_f64().unwrap());
                assert!(0.0 <= min && min <= median && median <= max && max.is_finite(), "{figure}");
                assert_eq!(figure["runs"].as_array().unwrap().len(), 2, "{figure}");
            }
        }
        let of_server = figure(&document, "drain", "CPU of the store");
        assert_eq!(of_server.is_some(), place.is_redis(), "only one of them has a server: {told}");
        assert_eq!(document["jobs"], 30);
        let durability = if place.is_redis() { "appendonly no" } else { "synchronous=FULL" };
        assert_eq!(document["store"]["durability"], durability);
        assert_eq!(what_is_there(place), before);
        assert_eq!(place.counts("work"), [1, 0, 0, 0, 0], "the job of another queue still waits");
    }

    fn a_signal_ends_it_and_nothing_is_left_behind(place) {
        place.push("default", "X", "{}");
        let before = what_is_there(place);
        for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
            for part in ["drain", "store", "idle"] {
                let args =
                    ["bench", "--json", "--jobs", "1000000", "--runs", "100", "--only", part, "--store", &place.store()];
                let bench = place.jobhost(&args).start();
                wait_until("it has begun", PATIENCE, || {
                    let found = what_is_there(place);
                    if found == before { Err(bench.complaints()) } else { Ok(()) }
                });
                bench.signal(signal);
                let ended = bench.end().exits_with(code).complains("what it made in the store is removed");
                assert_eq!(ended.stdout, "", "{ended}");
                assert_eq!(what_is_there(place), before, "{part}");
            }
        }
    }

    fn a_backlog_waits_while_jobs_are_run_and_is_removed(place) {
        place.push("default", "X", "{}");
        let before = what_is_there(place);
        let args = [
            "bench", "--json", "--jobs", "10", "--backlog", "3000", "--runs", "100", "--only", "drain", "--threads", "1",
            "--store", &place.store(),
        ];
        let bench = place.jobhost(&args).start();
        bench.wait_for_complaint("are removed at the end");
        let told = bench.complaints();
        let channels = told.split("channels ").nth(1).and_then(|rest| rest.split('…').next()).unwrap();
        place.configure(&format!("[queues.deep]\nchannel = \"{channels}1\"\n"));
        let left = wait_until("some jobs are done", Duration::from_mins(1), || {
            let [waiting, _, reserved, done, _] = place.counts("deep");
            if done < 30 { Err(bench.complaints()) } else { Ok(waiting + reserved) }
        });
        // Those that a run took beyond its own are pushed again at its end.
        assert!((2900..=3100).contains(&left), "{left} jobs wait");
        bench.signal(Signal::SIGTERM);
        bench.end().exits_with(143);
        assert_eq!(what_is_there(place), before);
    }

    fn a_plugin_that_fails_is_told_and_nothing_is_left_behind(place) {
        place.push("default", "X", "{}");
        let before = what_is_there(place);
        for part in ["sandbox", "drain", "idle"] {
            place
                .jobhost(&["bench", "--jobs", "5", "--runs", "1", "--only", part, "--store", &place.store()])
                .arg("--plugin")
                .arg(guest("fail-permanent"))
                .run()
                .exits_with(1)
                .complains_clearly(&["the plugin must succeed to be measured"]);
            assert_eq!(what_is_there(place), before, "{part}");
        }
    }
}

#[test]
fn without_a_store_it_makes_a_file_and_removes_it() {
    let place = Workplace::bare();
    place.make_folder("there");
    let args = ["bench", "--jobs", "20", "--runs", "1", "--only", "drain", "--only", "store", "--folder", "there"];
    for (synchronous, shown) in [("full", "synchronous=FULL"), ("normal", "synchronous=NORMAL")] {
        let told = place.jobhost(&args).arg("--synchronous").arg(synchronous).run().success();
        for part in [shown, "drain: speed", "store: speed", "drain: share of store", "median", "sqlite:"] {
            assert!(told.stdout.contains(part), "{part}: {told}");
        }
    }
    assert_eq!(place.names(), ["there"]);
    assert!(std::fs::read_dir(place.path("there")).unwrap().next().is_none());
    place
        .jobhost(&["bench", "--jobs", "1", "--folder", "nowhere"])
        .run()
        .exits_with(1)
        .complains_clearly(&["nowhere", "--folder"]);
}

#[test]
fn a_configuration_and_its_store_are_left_alone() {
    let place = Workplace::sqlite();
    place.configure_with("this is no configuration");
    let told = place.jobhost(&["bench", "--json", "--jobs", "5", "--runs", "1", "--only", "push-bulk"]).run().success();
    assert_eq!(told.json()["figures"].as_array().map(Vec::len), Some(1));
    assert_eq!(place.names(), ["jobhost.toml"]);
}

#[test]
fn sandboxes_alone_need_no_store_and_run_a_plugin_of_ones_own_with_any_payload() {
    let place = Workplace::bare();
    for payload in ["16", "1000000"] {
        let args = ["bench", "--json", "--jobs", "5", "--runs", "1", "--only", "sandbox", "--payload-bytes", payload];
        for plugin in [None, Some(guest("echo"))] {
            let mut bench = place.jobhost(&args);
            if let Some(plugin) = plugin {
                bench = bench.arg("--plugin").arg(plugin);
            }
            let told = bench.run().success();
            assert_eq!(told.json()["store"], json!(null), "{told}");
            assert!(!told.stderr.contains("channels"), "{told}");
        }
    }
    assert!(place.names().is_empty(), "{:?}", place.names());
}

#[test]
fn options_that_contradict_each_other_are_refused() {
    let place = Workplace::bare();
    for option in [["--folder", "."], ["--synchronous", "normal"]] {
        place
            .jobhost(&["bench", "--store", "sqlite:x.db", option[0], option[1]])
            .run()
            .exits_with(2)
            .complains_clearly(&[option[0], "--store"]);
    }
    assert!(place.names().is_empty());
}
