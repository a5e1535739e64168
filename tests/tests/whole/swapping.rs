//! Plugins that are replaced while jobs run, and a configuration that is read again.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use jobhost_tests::{PATIENCE, Worker, Workplace, guest, plugin, replace, version};
use nix::sys::signal::Signal;
use serde_json::Value;

/// A queue `work` whose jobs are handled by `it.wasm`, which is returned and may be replaced.
fn replaceable(place: &Workplace, behaviour: &str) -> PathBuf {
    let path = place.write("it.wasm", version(behaviour, 0));
    place.configure("[queues.work]\n[plugins.it]\npath = 'it.wasm'\njobs = [\"*\"]\n");
    path
}

#[track_caller]
fn swapped(worker: &mut Worker) -> Value {
    worker.wait_until("a swap", PATIENCE, |event| event["event"] == "plugin-swapped")
}

#[track_caller]
fn refused(worker: &mut Worker) -> String {
    let event = worker.wait_until("a refusal", PATIENCE, |event| event["event"] == "plugin-refused");
    event["reason"].as_str().unwrap().to_owned()
}

#[track_caller]
fn digest_of_next(place: &Workplace, worker: &mut Worker) -> String {
    let id = place.push("work", "X", "{}");
    worker.wait_for_job("done", &id)["record"]["digest"].as_str().unwrap().to_owned()
}

on_both_stores! {
    fn a_saved_plugin_handles_the_next_jobs_however_it_was_saved(place) {
        let path = replaceable(place, "echo");
        let mut worker = place.listen(&[]);
        let first = digest_of_next(place, &mut worker);

        replace(&path, &version("echo", 1));
        let event = swapped(&mut worker);
        assert_eq!((&event["plugin"], &event["from"]), (&Value::from("it"), &Value::from(first)));
        let mut digests = vec![digest_of_next(place, &mut worker)];
        assert_eq!(event["to"], digests[0]);

        fs::write(&path, version("echo", 2)).unwrap();
        swapped(&mut worker);
        digests.push(digest_of_next(place, &mut worker));

        // As Kubernetes mounts configuration: the file is a link by way of a link that is replaced.
        for number in [3, 4] {
            place.make_folder(&format!("data{number}"));
            place.write(&format!("data{number}/it.wasm"), version("echo", number));
            symlink(format!("data{number}"), place.path("..new")).unwrap();
            fs::rename(place.path("..new"), place.path("..data")).unwrap();
            if number == 3 {
                symlink("..data/it.wasm", place.path("link")).unwrap();
                fs::rename(place.path("link"), &path).unwrap();
            }
            swapped(&mut worker);
            digests.push(digest_of_next(place, &mut worker));
        }
        let all: HashSet<_> = digests.iter().collect();
        assert_eq!(all.len(), 4, "{digests:?}");
        worker.stop();
    }

    fn a_running_attempt_ends_on_the_version_it_began_with(place) {
        let path = replaceable(place, "wait-for-file");
        place.make_folder("signals");
        place.configure(
            "[queues.work]\n[plugins.it]\npath = 'it.wasm'\njobs = [\"*\"]\n\
             grants = { fs = [{ host = 'signals', guest = '/signals', mode = 'ro' }] }\n",
        );
        let mut worker = place.listen(&[]);
        let payload = r#"{"path":"/signals/go"}"#;
        let old = place.push("work", "X", payload);
        worker.wait_for_job("started", &old);
        replace(&path, &version("wait-for-file", 1));
        let event = swapped(&mut worker);
        let new = place.push("work", "X", payload);
        worker.wait_for_job("started", &new);
        place.write("signals/go", "");
        assert_eq!(worker.wait_for_job("done", &old)["record"]["digest"], event["from"]);
        assert_eq!(worker.wait_for_job("done", &new)["record"]["digest"], event["to"]);
        worker.stop();
    }
}

#[test]
fn a_file_that_cannot_be_used_leaves_the_version_in_force_and_is_told_once() {
    let place = Workplace::sqlite();
    let path = replaceable(&place, "echo");
    let mut worker = place.listen(&[]);
    let digest = digest_of_next(&place, &mut worker);

    let whole = version("echo", 1);
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let reason = refused(&mut worker);
    assert!(reason.contains("it.wasm"), "{reason}");
    assert_eq!(digest_of_next(&place, &mut worker), digest);

    replace(&path, &fs::read(guest("no-exports")).unwrap());
    refused(&mut worker);
    fs::remove_file(&path).unwrap();
    let reason = refused(&mut worker);
    assert!(reason.contains("it.wasm"), "{reason}");
    // It exports hooks, but the configuration gives it jobs.
    replace(&path, &fs::read(plugin("copy-asset-events")).unwrap());
    let reason = refused(&mut worker);
    assert!(reason.contains("handler"), "{reason}");
    assert_eq!(digest_of_next(&place, &mut worker), digest);

    replace(&path, &whole);
    swapped(&mut worker);
    assert_ne!(digest_of_next(&place, &mut worker), digest);
    let told = worker.stop();
    let errors = told.stderr.lines().filter(|line| line.contains("the version in force stays")).count();
    let events = told.stdout.matches("plugin-refused").count();
    assert_eq!(errors, events, "{told}");
}

#[test]
fn a_worker_stops_in_order_amid_swaps() {
    let place = Workplace::sqlite();
    let path = replaceable(&place, "echo");
    let mut worker = place.listen(&[]);
    for number in 1..=100 {
        replace(&path, &version("echo", number));
    }
    let last = worker.wait_until("the last version", PATIENCE, |event| event["event"] == "plugin-swapped");
    for number in 101..=200 {
        replace(&path, &version("echo", number));
    }
    let told = worker.stop();
    let swaps = told.stdout.matches("plugin-swapped").count();
    assert!(swaps < 100, "a burst is one swap or a few, not {swaps}: {last}");
}

#[test]
fn sighup_puts_a_changed_configuration_in_force_or_changes_nothing() {
    let place = Workplace::sqlite();
    replaceable(&place, "echo");
    let mut worker = place.listen(&[]);
    digest_of_next(&place, &mut worker);

    place.configure("[queues.work]\n[plugins.it]\npath = 'absent.wasm'\njobs = [\"*\"]\n");
    worker.signal(Signal::SIGHUP);
    let refusal = worker.wait_for("reload-refused");
    assert!(refusal["reason"].as_str().unwrap().contains("absent.wasm"), "{refusal}");
    digest_of_next(&place, &mut worker);

    place.write("trap.wasm", version("trap", 0));
    place.configure(
        "[queues.work]\n[queues.more]\n[plugins.it]\npath = 'it.wasm'\njobs = [\"*\"]\n\
         [plugins.trap]\npath = 'trap.wasm'\njobs = [\"Trap\"]\n",
    );
    worker.signal(Signal::SIGHUP);
    let reloaded = worker.wait_for("reloaded");
    assert_eq!(reloaded["queues"], serde_json::json!(["work", "more"]));
    digest_of_next(&place, &mut worker);
    let id = place.push("work", "Trap", "{}");
    worker.wait_for_job("failed", &id);
    let id = place.push("more", "X", "{}");
    worker.wait_for_job("done", &id);

    // A queue that is taken out is served no longer, the other goes on.
    place.configure("[queues.more]\n[plugins.it]\npath = 'it.wasm'\njobs = [\"*\"]\n");
    worker.signal(Signal::SIGHUP);
    worker.wait_for("reloaded");
    let id = place.push("more", "X", "{}");
    worker.wait_for_job("done", &id);
    worker.stop();
}

#[test]
fn what_a_running_worker_cannot_change_is_named_on_sighup() {
    let place = Workplace::sqlite();
    replaceable(&place, "echo");
    let mut worker = place.listen(&[]);
    place.configure(
        "concurrency = 3\nshutdown-grace = \"3s\"\n[queues.work]\n[plugins.it]\npath = 'it.wasm'\njobs = [\"*\"]\n",
    );
    worker.signal(Signal::SIGHUP);
    let refusal = worker.wait_for("reload-refused");
    let reason = refusal["reason"].as_str().unwrap();
    assert!(
        reason.contains("concurrency") && reason.contains("shutdown-grace") && reason.contains("restart"),
        "{reason}"
    );
    worker.stop();
}

#[test]
fn sighup_compiles_nothing_that_has_not_changed_even_without_a_cache() {
    let place = Workplace::sqlite();
    place.write("it.wasm", version("read-file", 0));
    place.make_folder("one");
    place.make_folder("two");
    place.write("two/file", "\"text\"");
    let configure = |folder: &str, output: &str| {
        place.configure(&format!(
            "cache = 'off'\n[queues.work]\n[plugins.it]\npath = 'it.wasm'\njobs = ['*']\nlimits = {{ output = '{output}' }}\n\
             grants = {{ fs = [{{ host = '{folder}', guest = '/folder', mode = 'ro' }}] }}\n"
        ));
    };
    configure("one", "1MiB");
    let mut worker = place.jobhost(&["listen", "--json"]).env("RUST_LOG", "jobhost_runtime=info").start();
    worker.wait_for("worker-started");
    let payload = r#"{"path":"/folder/file"}"#;
    let absent = place.push("work", "X", payload);
    worker.wait_for_job("failed", &absent);
    // The folder is another, and so is a limit.
    configure("two", "2MiB");
    worker.signal(Signal::SIGHUP);
    worker.wait_for("reloaded");
    let there = place.push("work", "X", payload);
    worker.wait_for_job("done", &there);
    // Counting fuel takes other code.
    let before = fs::read_to_string(place.path("jobhost.toml")).unwrap();
    place.configure_with(&before.replace("limits = { ", "limits = { fuel = 1000000000, "));
    worker.signal(Signal::SIGHUP);
    worker.wait_for("reloaded");
    let counted = place.push("work", "X", payload);
    worker.wait_for_job("done", &counted);
    let told = worker.stop();
    assert_eq!(told.stderr.matches(" compiled ").count(), 2, "{told}");
}

#[test]
fn a_sighup_while_the_worker_starts_is_not_forgotten() {
    let mut place = Workplace::durable_redis();
    replaceable(&place, "echo");
    place.server_mut().kill();
    let mut worker = place.jobhost(&["listen", "--json"]).start();
    worker.wait_for_complaint("waiting for it");
    place.configure("[queues.work]\n[queues.more]\n[plugins.it]\npath = 'it.wasm'\njobs = [\"*\"]\n");
    worker.signal(Signal::SIGHUP);
    place.server_mut().restart();
    let reloaded = worker.wait_for("reloaded");
    assert_eq!(reloaded["queues"], serde_json::json!(["work", "more"]));
    worker.stop();
}
