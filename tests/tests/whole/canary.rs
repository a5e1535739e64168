//! New versions that have a share of the jobs first, and those that ask for more grants.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use jobhost_tests::{PATIENCE, Worker, Workplace, replace, version, wait_until};
use nix::sys::signal::Signal;
use serde_json::Value;

/// So many that half of them are more than the attempts without which there is no verdict.
pub(crate) const JOBS: usize = 160;

/// A queue `work` whose jobs are handled by `it.wasm`, which is returned and whose new versions are held to `swap`.
pub(crate) fn tried(place: &Workplace, behaviour: &str, swap: &str) -> PathBuf {
    configure(place, swap, "");
    place.write("it.wasm", version(behaviour, 0))
}

pub(crate) fn configure(place: &Workplace, swap: &str, rest: &str) {
    place.configure(&format!(
        "[queues.work]\nattempts = 2\nbackoff = {{ initial = \"0\", max = \"0\" }}\nretain = {{ failed = \"0\" }}\n\
         [plugins.it]\npath = 'it.wasm'\njobs = [\"*\"]\nswap = {{ {swap} }}\n{rest}"
    ));
}

/// Pushes many jobs; returns their ids.
pub(crate) fn push(place: &Workplace, count: usize) -> Vec<String> {
    let line = "{\"name\":\"X\"}\n".repeat(count);
    let pushed = place.jobhost(&["push", "--queue", "work", "--batch", "-"]).stdin(line).run().success();
    let ids: Vec<_> = pushed.text().lines().map(str::to_owned).collect();
    assert_eq!(ids.len(), count, "{pushed}");
    ids
}

#[track_caller]
pub(crate) fn trial(worker: &mut Worker, state: &str) -> Value {
    let what = format!("a trial that is {state}");
    worker.wait_until(&what, PATIENCE, |event| event["event"] == "plugin-trial" && event["state"] == state)
}

#[track_caller]
fn digest_of_done(worker: &mut Worker, id: &str) -> String {
    worker.wait_for_job("done", id)["record"]["digest"].as_str().unwrap().to_owned()
}

/// Runs jobs until the trial has this state.
#[track_caller]
pub(crate) fn run_until(place: &Workplace, worker: &mut Worker, state: &str) -> Value {
    push(place, JOBS);
    trial(worker, state)
}

on_both_stores! {
    fn a_new_version_that_fails_is_rolled_back_and_jobs_go_on_with_the_old_one(place) {
        let path = tried(place, "echo", "canary = \"50%\", for = \"1h\"");
        let mut worker = place.listen(&[]);
        let old = digest_of_done(&mut worker, &push(place, 1)[0]);

        replace(&path, &version("fail-temporary", 1));
        let begun = trial(&mut worker, "begun");
        assert_eq!((&begun["from"], &begun["in_force"], &begun["share"]), (&old.clone().into(), &old.clone().into(), &0.5.into()));
        let rolled_back = run_until(place, &mut worker, "rolled-back");
        assert_eq!(rolled_back["in_force"], old);
        let counts = &rolled_back["counts"];
        assert!(counts["new"]["failures"].as_u64().unwrap() >= 50, "{rolled_back}");
        assert_eq!(counts["new"]["failures"], counts["new"]["attempts"], "{rolled_back}");
        assert_eq!(counts["old"]["failures"], 0, "{rolled_back}");

        let ids = push(place, 40);
        for id in &ids {
            assert_eq!(digest_of_done(&mut worker, id), old);
        }
        let told = worker.stop();
        assert!(!told.stdout.contains("plugin-swapped"), "{told}");
        assert!(told.stderr.contains("is rolled back"), "{told}");
    }

    fn a_new_version_that_does_as_well_is_promoted_when_its_time_is_over(place) {
        let path = tried(place, "echo", "canary = \"50%\", for = \"2s\"");
        let mut worker = place.listen(&[]);
        let old = digest_of_done(&mut worker, &push(place, 1)[0]);

        replace(&path, &version("echo", 1));
        let new = trial(&mut worker, "begun")["to"].as_str().unwrap().to_owned();
        let digests: Vec<_> = push(place, JOBS).iter().map(|id| digest_of_done(&mut worker, id)).collect();
        let with_new = digests.iter().filter(|digest| **digest == new).count();
        assert!((JOBS / 4..=JOBS * 3 / 4).contains(&with_new), "{with_new} of {JOBS}");
        assert_eq!(digests.iter().filter(|digest| **digest == old).count(), JOBS - with_new);

        let promoted = trial(&mut worker, "promoted");
        assert_eq!((&promoted["in_force"], &promoted["counts"]["new"]["failures"]), (&new.clone().into(), &0.into()));
        let swapped = worker.wait_for("plugin-swapped");
        assert_eq!((&swapped["from"], &swapped["to"]), (&old.clone().into(), &new.clone().into()));
        for id in push(place, 20) {
            assert_eq!(digest_of_done(&mut worker, &id), new);
        }
        // To go back needs no trial.
        replace(&path, &version("echo", 0));
        assert_eq!(worker.wait_for("plugin-swapped")["to"], old);
        assert_eq!(digest_of_done(&mut worker, &push(place, 1)[0]), old);
        worker.stop();
    }

    fn workers_come_to_one_verdict(place) {
        let path = tried(place, "echo", "canary = \"50%\", for = \"1h\"");
        let mut workers = [place.listen(&["--concurrency", "2"]), place.listen(&["--concurrency", "2"])];
        replace(&path, &version("fail-temporary", 1));
        for worker in &mut workers {
            trial(worker, "begun");
        }
        push(place, JOBS);
        let verdicts = workers.each_mut().map(|worker| trial(worker, "rolled-back"));
        for key in ["counts", "to", "in_force"] {
            assert_eq!(verdicts[0][key], verdicts[1][key]);
        }
        let told = workers.map(|worker| worker.stop().stdout);
        assert!(told.iter().all(|told| told.contains("\"event\":\"started\"")), "both had jobs");
    }

    fn a_job_meets_the_same_version_on_every_worker(place) {
        let path = tried(place, "echo", "canary = \"50%\", for = \"1h\", max-failures = \"1000x\"");
        let mut workers = [place.listen(&["--concurrency", "1"]), place.listen(&["--concurrency", "1"])];
        replace(&path, &version("fail-temporary", 1));
        let new = workers.each_mut().map(|worker| trial(worker, "begun")["to"].clone())[0].clone();
        let ids = push(place, 80);
        wait_until("all jobs are over", PATIENCE, || {
            let counts = place.counts("work");
            if counts[..3] == [0; 3] { Ok(()) } else { Err(format!("{counts:?}")) }
        });
        let told = workers.map(|worker| worker.stop().stdout);
        let mut attempts: HashMap<String, Vec<(usize, Value)>> = HashMap::new();
        for (worker, told) in told.iter().enumerate() {
            for event in told.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
                if event["event"] == "failed" || event["event"] == "done" {
                    let id = event["id"].as_str().unwrap().to_owned();
                    attempts.entry(id).or_default().push((worker, event["record"]["digest"].clone()));
                }
            }
        }
        assert_eq!(attempts.len(), ids.len());
        let twice: Vec<_> = attempts.values().filter(|attempts| attempts.len() == 2).collect();
        assert!(attempts.values().all(|attempts| attempts.len() == 2 || attempts[0].1 != new));
        assert!(twice.iter().all(|attempts| attempts.iter().all(|(_, digest)| *digest == new)), "{twice:?}");
        assert!(twice.iter().any(|attempts| attempts[0].0 != attempts[1].0), "some went from one worker to the other");
    }

    fn a_version_that_was_rolled_back_is_not_tried_again_until_its_file_changes(place) {
        let path = tried(place, "echo", "canary = \"50%\", for = \"1h\"");
        let mut worker = place.listen(&[]);
        replace(&path, &version("trap", 1));
        trial(&mut worker, "begun");
        let bad = run_until(place, &mut worker, "rolled-back")["to"].clone();

        replace(&path, &version("trap", 1));
        // A worker that begins with it has no other: it says so.
        let mut late = place.listen(&["--concurrency", "1"]);
        let told = trial(&mut late, "rolled-back");
        assert_eq!((&told["to"], &told["in_force"]), (&bad, &bad));
        late.wait_for_complaint("a version that was rolled back is in force");
        late.stop();

        // One that meets it later goes by the verdict.
        place.write("other.wasm", version("echo", 0));
        let other = String::from_utf8(place.read("jobhost.toml")).unwrap().replace("it.wasm", "other.wasm");
        place.write("other.toml", other);
        let mut other = place.listen(&["--config", "other.toml"]);
        replace(&place.path("other.wasm"), &version("trap", 1));
        let refused = other.wait_until("a refusal", PATIENCE, |event| event["event"] == "plugin-refused");
        assert!(refused["reason"].as_str().unwrap().contains("rolled back"), "{refused}");
        other.stop();

        replace(&path, &version("echo", 0));
        assert_eq!(trial(&mut worker, "ended")["to"], bad);
        replace(&path, &version("trap", 1));
        assert_eq!(trial(&mut worker, "begun")["to"], bad);
        let told = worker.stop().stdout;
        assert_eq!(told.matches("\"state\":\"begun\"").count(), 2, "{told}");
    }

    fn a_hook_on_trial_is_judged_by_its_own_failures(place) {
        configure(place, "", "[plugins.hook]\npath = 'hook.wasm'\njobs = []\nswap = { canary = \"50%\", for = \"1h\" }\n\
                              [queues.hooked]\nhooks = [\"hook\"]\n");
        place.write("it.wasm", version("echo", 0));
        let path = place.write("hook.wasm", version("after-exec-only", 0));
        let mut worker = place.listen(&[]);
        replace(&path, &version("every-hook", 1));
        trial(&mut worker, "begun");
        let jobs = "{\"name\":\"X\",\"payload\":{\"answer\":\"broken\"}}\n".repeat(JOBS);
        place.jobhost(&["push", "--queue", "hooked", "--batch", "-"]).stdin(jobs).run().success();
        let verdict = trial(&mut worker, "rolled-back");
        assert_eq!((&verdict["plugin"], &verdict["counts"]["old"]["failures"]), (&"hook".into(), &0.into()));
        // The hook is open: its failures are none of the jobs'.
        wait_until("all jobs are done", PATIENCE, || match place.counts("hooked") {
            counts if counts[3..] == [JOBS as u64, 0] => Ok(()),
            counts => Err(format!("{counts:?}")),
        });
        worker.stop();
    }
}

#[test]
fn plugin_list_tells_a_version_on_trial_from_the_one_in_force() {
    let place = Workplace::sqlite();
    let path = tried(&place, "echo", "canary = \"1%\", for = \"1h\"");
    let mut worker = place.listen(&[]);
    replace(&path, &version("echo", 1));
    let new = trial(&mut worker, "begun")["to"].clone();
    let state_of_new = || {
        let listed = place.jobhost(&["plugin", "list", "--json"]).run().success().json();
        let versions = listed["plugins"][0]["versions"].as_array().cloned().unwrap_or_default();
        let new = versions.iter().find(|version| version["digest"] == new);
        new.map(|version| version["states"].clone()).unwrap_or_default()
    };
    let is = |state: &str| match state_of_new() {
        states if states[0]["state"] == state => Ok(()),
        states => Err(states.to_string()),
    };
    wait_until("a version on trial", PATIENCE, || is("on-trial"));
    replace(&path, &version("echo", 0));
    wait_until("the end of the trial", PATIENCE, || is("replaced"));
    worker.stop();
}

#[test]
fn a_trial_ends_when_its_file_goes_back_or_changes_again() {
    let place = Workplace::sqlite();
    let path = tried(&place, "echo", "canary = \"100%\", for = \"1h\"");
    let mut worker = place.listen(&[]);
    let old = digest_of_done(&mut worker, &push(&place, 1)[0]);
    replace(&path, &version("echo", 1));
    let first = trial(&mut worker, "begun")["to"].clone();
    assert_eq!(digest_of_done(&mut worker, &push(&place, 1)[0]), first, "all jobs are its share");
    replace(&path, &version("echo", 2));
    assert_eq!(trial(&mut worker, "ended")["to"], first);
    let second = trial(&mut worker, "begun")["to"].clone();
    assert_ne!(second, first);
    replace(&path, &version("echo", 0));
    assert_eq!(trial(&mut worker, "ended")["to"], second);
    assert_eq!(digest_of_done(&mut worker, &push(&place, 1)[0]), old);
    // The file has changed: it is tried again.
    replace(&path, &version("echo", 2));
    assert_eq!(trial(&mut worker, "begun")["to"], second);
    worker.stop();
}

#[test]
fn a_trial_goes_on_when_the_configuration_is_read_again_and_ends_with_its_key() {
    let place = Workplace::sqlite();
    let path = tried(&place, "tell-environment", "canary = \"50%\", for = \"1h\"");
    let mut worker = place.listen(&[]);
    replace(&path, &version("tell-environment", 1));
    let begun = trial(&mut worker, "begun");

    let grants = "grants = { env = { A = \"1\" } }\n";
    configure(&place, "canary = \"50%\", for = \"1h\"", grants);
    worker.signal(Signal::SIGHUP);
    worker.wait_for("reloaded");
    // Both versions have the new grant.
    let mut digests = HashSet::new();
    for id in push(&place, 40) {
        let done = worker.wait_for_job("done", &id);
        assert!(done["output"].as_str().unwrap().contains("A=1"), "{done}");
        digests.insert(done["record"]["digest"].clone());
    }
    assert_eq!(digests, HashSet::from([begun["from"].clone(), begun["to"].clone()]));

    configure(&place, "", grants);
    worker.signal(Signal::SIGHUP);
    worker.wait_for("reloaded");
    for id in push(&place, 20) {
        assert_eq!(digest_of_done(&mut worker, &id), begun["to"]);
    }
    worker.stop();
}

#[test]
fn a_trial_with_too_few_attempts_is_extended_and_then_held_and_says_so() {
    let place = Workplace::sqlite();
    let path = tried(&place, "echo", "canary = \"100%\", for = \"1s\"");
    let mut worker = place.listen(&[]);
    replace(&path, &version("echo", 1));
    trial(&mut worker, "begun");
    push(&place, 49);
    let extended = trial(&mut worker, "extended");
    assert!(extended["reason"].as_str().unwrap().contains("of 50 attempts"), "{extended}");
    let held = trial(&mut worker, "held");
    assert_eq!((&held["counts"]["new"]["attempts"], &held["in_force"]), (&49.into(), &held["from"]));
    push(&place, 1);
    trial(&mut worker, "promoted");
    worker.stop();
}

#[test]
fn counts_wait_for_a_store_that_is_away_and_no_verdict_comes_meanwhile() {
    let mut place = Workplace::durable_redis();
    let path = tried(&place, "echo", "canary = \"100%\", for = \"1s\"");
    let mut worker = place.listen(&[]);
    replace(&path, &version("echo", 1));
    trial(&mut worker, "begun");
    let ids = push(&place, 30);
    for id in &ids {
        worker.wait_for_job("done", id);
    }
    place.server_mut().kill();
    worker.wait_for("store-lost");
    place.server_mut().restart();
    worker.wait_for("store-back");
    assert!(!worker.has_seen(|event| event["state"] == "promoted"));
    push(&place, 30);
    let promoted = trial(&mut worker, "promoted");
    assert_eq!(promoted["counts"]["new"]["attempts"], 60, "{promoted}");
    worker.stop();
}

#[test]
fn a_version_that_asks_for_more_is_told_or_refused_where_grants_are_frozen() {
    let place = Workplace::sqlite();
    let grants = "grants = { queues = [\"work\"] }\n";
    let path = tried(&place, "echo", "grants = \"frozen\"");
    configure(&place, "grants = \"frozen\"", grants);
    let mut worker = place.listen(&[]);
    let old = digest_of_done(&mut worker, &push(&place, 1)[0]);

    replace(&path, &version("push-follow-up", 1));
    let refused = worker.wait_until("a refusal", PATIENCE, |event| event["event"] == "plugin-refused");
    let reason = refused["reason"].as_str().unwrap();
    for part in ["jobhost:plugin/queue", "the grant of `queues` allows it", "frozen", "SIGHUP"] {
        assert!(reason.contains(part), "{reason}");
    }
    assert_eq!(refused["stays"], old);
    // Neither does a reload let it in.
    worker.signal(Signal::SIGHUP);
    worker.wait_for("reloaded");
    assert_eq!(digest_of_done(&mut worker, &push(&place, 1)[0]), old);
    // One that asks for no more is no question.
    replace(&path, &version("echo", 2));
    let swapped = worker.wait_for("plugin-swapped");
    assert_eq!(swapped["asks_for_more"], serde_json::json!([]));

    configure(&place, "", grants);
    worker.signal(Signal::SIGHUP);
    worker.wait_for("reloaded");
    replace(&path, &version("push-follow-up", 3));
    let swapped = worker.wait_for("plugin-swapped");
    assert_eq!(
        (&swapped["asks_for_more"][0]["grant"], &swapped["asks_for_more"][0]["granted"]),
        (&"queues".into(), &true.into())
    );
    worker.wait_for_complaint("asks for more");
    worker.stop();
}
