//! What an attempt cost: the same in events, in `status` and in `failed show`, whichever the store.

use std::path::Path;
use std::process::Command;

use jobhost_tests::{PATIENCE, Workplace, guest, wait_until};
use serde_json::{Value, json};

use crate::settings::quoted;

/// A queue `work` with every hook, whose jobs `behaviour` handles, its fuel counted.
fn configure(place: &Workplace, behaviour: &str) {
    place.configure(&format!(
        "concurrency = 1\n[queues.work]\nhooks = [\"hook\"]\n[queues.next]\n\
         [plugins.it]\npath = {}\njobs = [\"*\"]\nlimits = {{ fuel = 1000000000 }}\n\
         [plugins.hook]\npath = {}\njobs = []\ngrants = {{ queues = [\"next\"] }}\n",
        quoted(&guest(behaviour)),
        quoted(&guest("every-hook")),
    ));
}

/// The record in the event of this kind about this job.
#[track_caller]
fn told(events: &str, kind: &str, id: &str) -> Value {
    let event = events
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .find(|event| event["event"] == kind && event["id"] == id);
    event.unwrap_or_else(|| panic!("no {kind} of {id}: {events}"))["record"].clone()
}

#[track_caller]
fn number(record: &Value, name: &str) -> u64 {
    record[name].as_u64().unwrap_or_else(|| panic!("no number `{name}`: {record}"))
}

/// `sha256:…` of a file, by the word of another program.
fn digest(path: &Path) -> String {
    let sum = Command::new("sha256sum").arg(path).output().unwrap();
    format!("sha256:{}", &String::from_utf8(sum.stdout).unwrap()[..64])
}

on_both_stores! {
    fn what_a_done_job_cost_is_told_by_events_and_status(place) {
        configure(place, "take-time");
        place.push("work", "X", "{\"ms\":400,\"queue\":\"next\"}");
        place.push("work", "X", "{\"ms\":1,\"queue\":\"next\"}");
        let events = place.jobhost(&["run", "--queue", "work", "--json"]).run().success().stdout;
        let [first, second] = ["work/1", "work/2"].map(|id| told(&events, "done", id));
        for (id, record) in [("work/1", &first), ("work/2", &second)] {
            assert_eq!(&place.status(id)["record"], record, "the store keeps what the event told");
        }
        // One slot: the second waited for the first, whose 400 ms a minute bounds on the slowest machine.
        let waited = number(&second, "waited_ms");
        assert!((400..60_000).contains(&waited), "{second}");
        assert!((400_000..60_000_000).contains(&number(&first, "duration_us")), "{first}");
        assert!((1..60_000_000).contains(&number(&first, "hooks_us")), "{first}");
        assert!(((1 << 16)..(16 << 20)).contains(&number(&first, "peak_memory_bytes")), "{first}");
        assert!((1_000..1_000_000_000).contains(&number(&first, "fuel")), "{first}");
        let body = "{\"class\":\"X\",\"ms\":400,\"queue\":\"next\"}";
        assert_eq!(number(&first, "bytes_in"), body.len() as u64);
        let output = place.status("work/1")["output"].to_string();
        assert_eq!(number(&first, "bytes_out"), output.len() as u64, "{output}");
        assert_eq!(first["digest"], digest(&guest("take-time")).as_str());
        assert_eq!((&first["attempt"], &first["plugin"]), (&json!(1), &json!("it")));

        let shown = place.jobhost(&["status", "work/2"]).run().success();
        check_lines(&shown.stdout);
    }

    fn what_a_failed_job_cost_is_told_by_events_and_failed_show(place) {
        configure(place, "fail-permanent");
        place.push("work", "X", "{}");
        let events = place.jobhost(&["run", "--queue", "work", "--json"]).run().success().stdout;
        let record = told(&events, "failed", "work/1");
        assert_eq!(place.failure("work/1")["record"], record);
        assert_eq!(place.status("work/1")["record"], record);
        for name in ["waited_ms", "duration_us", "hooks_us", "peak_memory_bytes", "fuel", "bytes_in"] {
            number(&record, name);
        }
        assert_eq!(number(&record, "bytes_out"), "35020X".len() as u64, "code and message: {record}");
        assert_eq!(record["digest"], digest(&guest("fail-permanent")).as_str());
        check_lines(&place.jobhost(&["failed", "show", "work/1"]).run().success().stdout);
    }

    fn without_a_limit_of_fuel_none_is_counted(place) {
        place.configure(&format!("[queues.work]\n[plugins.X]\npath = {}\n", quoted(&guest("echo"))));
        place.push("work", "X", "{}");
        place.run("work");
        let status = place.status("work/1");
        assert_eq!(status["record"]["fuel"], Value::Null, "{status}");
        assert_eq!(number(&status["record"], "hooks_us"), 0);
    }

    fn of_a_running_job_it_is_told_since_when_and_where_it_runs(place) {
        configure(place, "take-time");
        place.push("work", "X", "{\"ms\":10000,\"queue\":\"next\"}");
        assert_eq!(place.status("work/1")["reserved_at"], Value::Null);
        let mut worker = place.listen(&[]);
        worker.wait_for_job("started", "work/1");
        let status = wait_until("progress", PATIENCE, || {
            let status = place.status("work/1");
            if status["progress"]["done"] == 1 { Ok(status) } else { Err(status) }
        });
        assert!(status["worker"].as_str().unwrap().ends_with(&format!(":{}", worker.pid())), "{status}");
        let (since, pushed) = (number(&status, "reserved_at"), number(&status, "pushed_at"));
        assert!((pushed..pushed + 60_000).contains(&since), "{status}");
        let shown = place.jobhost(&["status", "work/1"]).run().success();
        for line in ["held by:", "since:       20", "progress:    1 of 2 half way"] {
            assert!(shown.stdout.contains(line), "{line}: {shown}");
        }
        worker.wait_for_job("done", "work/1");
        assert_eq!(place.status("work/1")["reserved_at"], Value::Null);
        worker.stop();
    }
}

/// What a person reads: each of the seven, aligned and with a unit.
#[track_caller]
fn check_lines(shown: &str) {
    for (label, units) in [
        ("version:     sha256:", &[""][..]),
        ("waited:      ", &["ms", "s", "µs"]),
        ("ran for:     ", &["ms", "s", "µs"]),
        ("hooks:       ", &["ms", "s", "µs"]),
        ("memory:      ", &["KiB", "MiB"]),
        ("fuel:        ", &[""]),
        ("bytes in:    ", &[" B"]),
        ("bytes out:   ", &[" B"]),
    ] {
        let line = shown.lines().find(|line| line.starts_with(label));
        let line = line.unwrap_or_else(|| panic!("{label:?} is missing:\n{shown}"));
        assert!(units.iter().any(|unit| line.ends_with(unit)), "{line}");
    }
}
