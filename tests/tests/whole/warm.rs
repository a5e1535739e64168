//! Plugins whose instances serve more than one job.

use jobhost_tests::{PATIENCE, Worker, Workplace, replace, version};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::settings::one_guest;

const BUCKET: &str = "grants = { keyvalue = [{ bucket = \"mine\", mode = \"rw\" }] }";

/// The outputs of jobs of the guest `remember` with these payloads, run one after the other.
fn outputs(place: &Workplace, payloads: &[&str]) -> Vec<Value> {
    let ids: Vec<_> = payloads.iter().map(|payload| place.push("work", "X", payload)).collect();
    place.jobhost(&["run", "--concurrency", "1"]).run().success();
    ids.iter().map(|id| place.status(id)["output"].clone()).collect()
}

/// The next job's number among the calls of its instance.
#[track_caller]
fn next_call(place: &Workplace, worker: &mut Worker) -> Value {
    let id = place.push("work", "X", "{}");
    worker.wait_for_job("done", &id);
    place.status(&id)["output"]["call"].clone()
}

on_both_stores! {
    fn a_warm_instance_serves_as_many_jobs_as_it_may_each_under_its_own_lease(place) {
        one_guest(place, "remember", "", &format!("instances = {{ policy = \"warm\", max-jobs = 3 }}\n{BUCKET}"));
        let add = r#"{"do":"add","bucket":"mine"}"#;
        let seen = outputs(place, &[add, add, add, add]);
        let told = |key: &str| seen.iter().map(|output| output[key].clone()).collect::<Vec<_>>();
        assert_eq!(told("call"), [1, 2, 3, 1]);
        // A write that is not made under the lease of a job that runs is refused.
        assert_eq!(told("read"), ["1", "2", "3", "4"]);
    }

    fn a_job_that_fails_in_a_warm_instance_is_retried_in_one_that_is_fit_for_it(place) {
        one_guest(
            place,
            "remember",
            "attempts = 2\nbackoff = { initial = \"0s\" }",
            &format!("instances = {{ policy = \"warm\" }}\n{BUCKET}"),
        );
        // The guest counts the calls of its can-retry too.
        let seen = outputs(place, &["{}", r#"{"do":"fail"}"#]);
        assert_eq!((&seen[0]["call"], &seen[1]), (&1.into(), &Value::Null));
        assert_eq!(place.failure("work/2")["record"]["cause"]["message"], "call 4");
        let seen = outputs(place, &["{}", r#"{"do":"trap"}"#]);
        assert_eq!((&seen[0]["call"], &seen[1]), (&1.into(), &Value::Null));
        let said = place.failure("work/4")["record"]["cause"]["stderr"].as_str().unwrap().to_owned();
        assert!(said.contains("in call 2\n"), "the retry had an instance that can-retry began: {said}");
    }

    fn a_new_version_and_new_settings_begin_with_instances_of_their_own(place) {
        let path = place.write("it.wasm", version("remember", 0));
        let configure = |max_jobs: u32| {
            place.configure(&format!(
                "concurrency = 1\n[queues.work]\n[plugins.it]\npath = 'it.wasm'\njobs = [\"*\"]\n\
                 instances = {{ policy = \"warm\", max-jobs = {max_jobs} }}\n{BUCKET}\n"
            ));
        };
        configure(10);
        let mut worker = place.listen(&[]);
        assert_eq!(next_call(place, &mut worker), 1);
        assert_eq!(next_call(place, &mut worker), 2);
        replace(&path, &version("remember", 1));
        worker.wait_until("a swap", PATIENCE, |event| event["event"] == "plugin-swapped");
        assert_eq!(next_call(place, &mut worker), 1);
        worker.signal(Signal::SIGHUP);
        worker.wait_for("reloaded");
        assert_eq!(next_call(place, &mut worker), 2, "nothing has changed");
        configure(11);
        worker.signal(Signal::SIGHUP);
        worker.wait_for("reloaded");
        assert_eq!(next_call(place, &mut worker), 1);
    }
}
