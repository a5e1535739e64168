//! Who works on a store and what its plugins did, seen from another process.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jobhost_tests::{PATIENCE, Worker, Workplace, guest, wait_until};
use serde_json::Value;

/// What `workers --json` lists.
fn workers(place: &Workplace) -> Vec<Value> {
    let document = place.jobhost(&["workers", "--json"]).run().success().json();
    document["workers"].as_array().unwrap().clone()
}

/// What `plugin list --json` says of the only plugin.
fn plugin(place: &Workplace) -> Value {
    place.jobhost(&["plugin", "list", "--json"]).run().success().json()["plugins"][0].clone()
}

/// Waits until what is asked for `is_so`.
#[track_caller]
fn until(what: &str, look: impl Fn() -> Value, is_so: impl Fn(&Value) -> bool) -> Value {
    let mut seen = Value::Null;
    wait_until(what, PATIENCE, || {
        seen = look();
        if is_so(&seen) { Ok(()) } else { Err(format!("{seen:#}")) }
    });
    seen
}

fn of(place: &Workplace, worker: &Worker) -> Value {
    workers(place).into_iter().find(|one| one["pid"] == worker.pid()).unwrap_or_default()
}

/// A queue `work` whose jobs wait for the file `go`, run by `it.wasm`, which is returned.
fn waiting_jobs(place: &Workplace) -> PathBuf {
    place.make_folder("signals");
    place.configure(
        "concurrency = 3\n[queues.work]\n[queues.other]\n[plugins.it]\npath = 'it.wasm'\njobs = [\"*\"]\n\
         grants = { fs = [{ host = 'signals', guest = '/signals', mode = 'ro' }] }\n",
    );
    place.write("it.wasm", version("wait-for-file", 0))
}

/// A job that runs until there is a file of this name.
fn push_waiting(place: &Workplace, file: &str) -> String {
    place.push("work", "X", &format!(r#"{{"path":"/signals/{file}"}}"#))
}

/// The guest's component with a section that nothing reads: a version of its own that behaves alike.
fn version(behaviour: &str, number: u8) -> Vec<u8> {
    [&fs::read(guest(behaviour)).unwrap()[..], &[0, 2, 1, number]].concat()
}

/// Writes a file as a deploy does: whole, under another name, then in its place.
fn replace(path: &Path, content: &[u8]) {
    let new = path.with_extension("new");
    fs::write(&new, content).unwrap();
    fs::rename(new, path).unwrap();
}

/// Has a worker been heard of so long ago.
fn set_back(place: &Workplace, worker: &Value, by: Duration) {
    let (id, by) = (worker["id"].as_str().unwrap(), by.as_millis().to_string());
    if place.is_redis() {
        let _: f64 = place.server().command(&["ZINCRBY", "jobhost:{workers}:seen_at", &format!("-{by}"), id]);
    } else {
        let file = rusqlite::Connection::open(place.path("jobhost.db")).unwrap();
        file.busy_timeout(PATIENCE).unwrap();
        file.execute("UPDATE workers SET seen_at = seen_at - ?1 WHERE id = ?2", (by, id)).unwrap();
    }
}

on_both_stores! {
    fn workers_are_seen_from_another_process_with_their_slots_and_are_gone_once_they_stop(place) {
        waiting_jobs(place);
        let mut first = place.listen(&["--queue", "work"]);
        let second = place.listen(&["--queue", "other", "--concurrency", "5"]);
        let jobs = [push_waiting(place, "go"), push_waiting(place, "go")];
        for job in &jobs {
            first.wait_for_job("started", job);
        }
        let busy = until("busy slots", || of(place, &first), |worker| worker["busy"] == 2);
        assert_eq!((&busy["idle"], &busy["slots"], &busy["state"]), (&1.into(), &3.into(), &"working".into()));
        assert_eq!(busy["queues"], serde_json::json!(["work"]));
        assert!(busy["started_at"].as_u64() <= busy["seen_at"].as_u64(), "{busy}");
        let idle = until("the other worker", || of(place, &second), |worker| !worker.is_null());
        assert_eq!((&idle["busy"], &idle["idle"]), (&0.into(), &5.into()));
        assert_eq!(idle["queues"], serde_json::json!(["other"]));
        assert_ne!(idle["id"], busy["id"]);

        let told = place.jobhost(&["workers"]).run().success();
        let lines: Vec<_> = told.stdout.lines().collect();
        assert_eq!(lines.len(), 3, "{told}");
        let line = lines.iter().find(|line| line.contains(&first.pid().to_string())).unwrap();
        assert!(line.contains(busy["host"].as_str().unwrap()) && line.contains(" ago ") && line.ends_with(" work"), "{told}");

        second.stop();
        let left: Vec<_> = workers(place).iter().map(|worker| worker["pid"].clone()).collect();
        assert_eq!(left, [first.pid()]);
        place.write("signals/go", "");
        first.wait_for_job("done", &jobs[0]);
        first.wait_for_job("done", &jobs[1]);
        first.stop();
        assert!(workers(place).is_empty());
        assert_eq!(place.jobhost(&["workers"]).run().success().text(), "no workers");
        assert_eq!(place.jobhost(&["plugin", "list"]).run().success().text(), "no plugins of any worker");
    }

    fn a_killed_worker_is_silent_then_gone_and_its_plugins_count_no_more(place) {
        waiting_jobs(place);
        let mut doomed = place.listen(&["--queue", "work"]);
        doomed.wait_for_job("started", &push_waiting(place, "go"));
        let before = until("a busy slot", || of(place, &doomed), |worker| worker["busy"] == 1);
        assert_eq!(plugin(place)["versions"][0]["running"], 1);
        let pid = doomed.pid();
        doomed.kill();
        set_back(place, &before, Duration::from_mins(2));
        let silent = workers(place).remove(0);
        assert_eq!((&silent["pid"], &silent["state"]), (&pid.into(), &"silent".into()));
        let told = place.jobhost(&["workers"]).run().success();
        assert!(told.stdout.contains("silent") && told.stdout.contains("2 min"), "{told}");
        let told = place.jobhost(&["plugin", "list"]).run().success();
        assert!(told.stdout.contains("silent workers are left out: 1"), "{told}");
        assert_eq!(plugin(place), Value::Null);

        set_back(place, &before, Duration::from_hours(1));
        let heir = place.listen(&["--queue", "other"]);
        until("the heir alone", || workers(place).into(), |known| {
            known.as_array().unwrap().iter().map(|worker| &worker["pid"]).eq([&heir.pid().into()] as [&Value; 1])
        });
        heir.stop();
    }

    fn plugin_list_tells_of_versions_with_what_they_did_and_of_files_that_are_refused(place) {
        let path = waiting_jobs(place);
        let mut worker = place.listen(&["--queue", "work"]);
        let other = place.listen(&["--queue", "other"]);
        place.write("signals/go", "");
        let first = push_waiting(place, "go");
        let old = worker.wait_for_job("done", &first)["record"]["digest"].clone();
        let failing = place.jobhost(&["push", "X", "{}", "--queue", "work", "--ttr", "1s"]).run().success();
        worker.wait_for_job("failed", failing.text());
        let seen = until("two executions", || plugin(place), |it| it["versions"][0]["executions"] == 2);
        let only = &seen["versions"][0];
        assert_eq!((&seen["name"], &seen["versions"][1]), (&"it".into(), &Value::Null));
        assert_eq!((&only["digest"], &only["failures"], &only["running"]), (&old, &1.into(), &0.into()));
        let in_force = &only["states"][0];
        assert_eq!((&in_force["state"], in_force["workers"].as_array().unwrap().len()), (&"in-force".into(), 2));
        for cost in ["duration_us", "peak_memory_bytes"] {
            let (average, peak) = (only[cost]["average"].as_u64().unwrap(), only[cost]["peak"].as_u64().unwrap());
            assert!(0 < average && average <= peak, "{only:#}");
        }

        // A broken file leaves it in force, and says why until the file is mended.
        let whole = version("wait-for-file", 1);
        replace(&path, &whole[..whole.len() / 2]);
        let seen = until("the refusal", || plugin(place), |it| it["refused"][0]["workers"][1].is_string());
        assert_eq!(seen["versions"][0]["digest"], old);
        let reason = seen["refused"][0]["reason"].as_str().unwrap();
        assert!(reason.contains("it.wasm"), "{reason}");
        let told = place.jobhost(&["plugin", "list"]).run().success();
        assert!(told.stdout.contains("it: its file is refused on ") && told.stdout.contains("it.wasm"), "{told}");
        replace(&path, &version("wait-for-file", 0));
        assert_eq!(worker.wait_for("plugin-restored")["digest"], old);
        until("no refusal", || plugin(place), |it| it["refused"] == Value::Array(Vec::new()));

        // The version that is replaced drains until its attempt ends.
        let running = push_waiting(place, "later");
        worker.wait_for_job("started", &running);
        replace(&path, &whole);
        let new = worker.wait_for("plugin-swapped")["to"].clone();
        let drains = |it: &Value| {
            let [first, second] = [0, 1].map(|n| it["versions"][n].clone());
            first["digest"] == new
                && first["states"][0]["workers"].as_array().is_some_and(|workers| workers.len() == 2)
                && second["digest"] == old
                && second["states"][0]["state"] == "draining"
                && second["running"] == 1
        };
        let seen = until("a version that drains", || plugin(place), drains);
        assert_eq!(seen["agreed"], true);
        place.write("signals/later", "");
        worker.wait_for_job("done", &running);
        let seen = until("its end", || plugin(place), |it| it["versions"][1]["states"][0]["state"] == "replaced");
        assert_eq!((&seen["versions"][1]["executions"], &seen["versions"][1]["running"]), (&3.into(), &0.into()));
        other.stop();
        worker.stop();
    }
}

#[test]
fn where_there_is_no_store_yet_looking_at_workers_makes_none() {
    let place = Workplace::sqlite();
    assert_eq!(place.jobhost(&["workers"]).run().success().text(), "no workers");
    assert_eq!(place.jobhost(&["workers", "--json"]).run().success().json()["workers"], serde_json::json!([]));
    assert_eq!(place.jobhost(&["plugin", "list"]).run().success().text(), "no plugins of any worker");
    assert_eq!(place.names(), ["jobhost.toml"]);
}

#[test]
fn a_run_is_a_worker_while_it_runs() {
    let place = Workplace::sqlite();
    waiting_jobs(&place);
    push_waiting(&place, "go");
    let run = place.jobhost(&["run", "--json"]).start();
    until("the run", || of(&place, &run), |worker| worker["busy"] == 1);
    place.write("signals/go", "");
    run.end().success();
    assert!(workers(&place).is_empty());
}
