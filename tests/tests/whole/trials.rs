//! Trials whose store, files or settings change meanwhile, and what `plugin list` says of them.

use jobhost_tests::{PATIENCE, Worker, Workplace, replace, version, wait_until};
use nix::sys::signal::{Signal, kill};
use serde_json::Value;

use crate::canary::{JOBS, configure, push, run_until, trial, tried};
use crate::compiling::{compiler_of, expensive};

/// What `plugin list` says of the only plugin's files that are refused.
fn refusals(place: &Workplace) -> Vec<Value> {
    let listed = place.jobhost(&["plugin", "list", "--json"]).run().success().json();
    listed["plugins"][0]["refused"].as_array().cloned().unwrap_or_default()
}

#[track_caller]
fn until_refusals(place: &Workplace, what: &str, are: impl Fn(&[Value]) -> bool) {
    wait_until(what, PATIENCE, || {
        let refusals = refusals(place);
        if are(&refusals) { Ok(()) } else { Err(format!("{refusals:#?}")) }
    });
}

fn refused(worker: &mut Worker) -> String {
    let event = worker.wait_until("a refusal", PATIENCE, |event| event["event"] == "plugin-refused");
    event["reason"].as_str().unwrap().to_owned()
}

#[test]
fn plugin_list_says_that_a_file_was_rolled_back_for_as_long_as_it_is_there() {
    let place = Workplace::sqlite();
    let path = tried(&place, "echo", "canary = \"50%\", for = \"1h\"");
    let mut worker = place.listen(&[]);
    place.write("other.wasm", version("echo", 0));
    let other = String::from_utf8(place.read("jobhost.toml")).unwrap().replace("it.wasm", "other.wasm");
    place.write("other.toml", other);
    replace(&path, &version("trap", 1));
    trial(&mut worker, "begun");
    run_until(&place, &mut worker, "rolled-back");
    let mut late = place.listen(&["--config", "other.toml"]);
    replace(&place.path("other.wasm"), &version("trap", 1));
    assert!(refused(&mut late).contains("rolled back"));
    let both = |refused: &[Value]| {
        matches!(refused, [one] if one["reason"].as_str().unwrap().contains("rolled back")
            && one["workers"].as_array().unwrap().len() == 2)
    };
    until_refusals(&place, "a refusal on both", both);
    // A reload forgets none.
    for worker in [&mut worker, &mut late] {
        worker.signal(Signal::SIGHUP);
        worker.wait_for("reloaded");
        assert!(refused(worker).contains("rolled back"));
    }
    until_refusals(&place, "a refusal on both", both);

    for file in [&path, &place.path("other.wasm")] {
        replace(file, &version("echo", 0));
    }
    until_refusals(&place, "no refusal", <[_]>::is_empty);
    worker.stop();
    late.stop();
}

#[test]
fn a_broken_file_stays_refused_when_the_version_before_it_is_promoted() {
    let place = Workplace::sqlite();
    let path = tried(&place, "echo", "canary = \"100%\", for = \"1s\"");
    let mut worker = place.listen(&[]);
    replace(&path, &version("echo", 1));
    trial(&mut worker, "begun");
    replace(&path, b"half");
    refused(&mut worker);
    run_until(&place, &mut worker, "promoted");
    // A heartbeat after that.
    let in_force = |refused: &[Value]| {
        let listed = place.jobhost(&["plugin", "list", "--json"]).run().success().json();
        listed["plugins"][0]["versions"][1]["states"][0]["state"] == "replaced" && refused.len() == 1
    };
    until_refusals(&place, "a refusal after the promotion", in_force);
    replace(&path, &version("echo", 1));
    until_refusals(&place, "no refusal", <[_]>::is_empty);
    worker.stop();
}

#[test]
fn a_trial_begins_anew_when_a_reload_changes_its_terms() {
    let place = Workplace::sqlite();
    let path = tried(&place, "echo", "canary = \"1%\", for = \"1s\"");
    let mut workers = [place.listen(&[]), place.listen(&[])];
    replace(&path, &version("echo", 1));
    for worker in &mut workers {
        trial(worker, "begun");
        trial(worker, "held");
    }
    configure(&place, "canary = \"100%\", for = \"2s\"", "");
    for worker in &mut workers {
        worker.signal(Signal::SIGHUP);
    }
    for worker in &mut workers {
        assert_eq!(trial(worker, "begun")["share"], 1.0);
    }
    // So many that there is no verdict before the last of them is counted.
    push(&place, 50);
    let promoted = workers.each_mut().map(|worker| trial(worker, "promoted"));
    assert_eq!(promoted[0]["counts"], promoted[1]["counts"]);
    assert_eq!(promoted[0]["counts"]["new"]["attempts"], 50, "{}", promoted[0]);
    for worker in workers {
        worker.stop();
    }
}

#[test]
fn a_trial_that_the_store_has_forgotten_begins_again_on_all_workers() {
    let place = Workplace::redis();
    let path = tried(&place, "echo", "canary = \"50%\", for = \"1h\"");
    let mut workers = [place.listen(&["--concurrency", "2"]), place.listen(&["--concurrency", "2"])];
    replace(&path, &version("fail-temporary", 1));
    for worker in &mut workers {
        trial(worker, "begun");
    }
    assert_eq!(place.server().command::<u64>(&["DEL", "jobhost:trial:it:record"]), 1);
    for worker in &mut workers {
        let ended = trial(worker, "ended");
        assert!(ended["reason"].as_str().unwrap().contains("the store has no record of it"), "{ended}");
        trial(worker, "begun");
    }
    push(&place, JOBS);
    let verdicts = workers.each_mut().map(|worker| trial(worker, "rolled-back"));
    assert_eq!(verdicts[0]["counts"], verdicts[1]["counts"]);
    for worker in workers {
        worker.stop();
    }
}

#[test]
fn a_verdict_does_not_wait_for_the_compiler() {
    let place = Workplace::sqlite();
    let path = tried(&place, "echo", "canary = \"50%\", for = \"1h\"");
    configure(&place, "canary = \"50%\", for = \"1h\"", "[plugins.more]\npath = 'more.wasm'\njobs = [\"More\"]\n");
    let more = place.write("more.wasm", version("echo", 2));
    let mut worker = place.listen(&[]);
    replace(&path, &version("trap", 1));
    trial(&mut worker, "begun");
    replace(&more, &expensive(1_000, 4_000));
    kill(compiler_of(worker.pid()), Signal::SIGSTOP).unwrap();
    run_until(&place, &mut worker, "rolled-back");
    // It does not wait for the compiler either.
    worker.stop();
}

#[test]
fn a_version_whose_trial_was_replaced_is_tried_when_that_is_over() {
    let place = Workplace::sqlite();
    let path = tried(&place, "echo", "canary = \"100%\", for = \"1h\"");
    let mut worker = place.listen(&[]);
    place.write("other.wasm", version("echo", 0));
    let other = String::from_utf8(place.read("jobhost.toml")).unwrap().replace("it.wasm", "other.wasm");
    place.write("other.toml", other);
    let mut other = place.listen(&["--config", "other.toml"]);
    replace(&path, &version("echo", 1));
    let new = trial(&mut worker, "begun")["to"].clone();
    replace(&place.path("other.wasm"), &version("trap", 1));
    trial(&mut other, "begun");
    assert_eq!(trial(&mut worker, "ended")["to"], new);
    replace(&place.path("other.wasm"), &version("echo", 0));
    trial(&mut other, "ended");
    assert_eq!(trial(&mut worker, "begun")["to"], new);
    worker.stop();
    other.stop();
}
