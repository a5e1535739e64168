//! How builds of plugins end: by themselves, by a limit, by a signal. Their tool is a script in place of Cargo, which does what
//! a build may do.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Stdio;

use jobhost_tests::{Invocation, PATIENCE, Workplace, guest, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

/// A project in Rust, which this script builds.
fn project(script: &str) -> Workplace {
    let place = Workplace::bare();
    place.jobhost(&["plugin", "new", "greet", "--lang", "rust"]).run().success();
    let script = format!("case \"$1\" in --version) exit 0;; esac\n{script}");
    tool(&place, "cargo", &script);
    tool(&place, "rustc", "echo /");
    place
}

fn tool(place: &Workplace, name: &str, script: &str) {
    place.make_folder("tools");
    let path = place.write(&format!("tools/{name}"), format!("#!/bin/sh\n{script}\n"));
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn jobhost(place: &Workplace, args: &[&str]) -> Invocation {
    let path = std::env::var("PATH").unwrap();
    place.jobhost(args).env("PATH", format!("{}:{path}", place.path("tools").display()))
}

/// Whether the process that wrote its id to this file runs. One that has ended may still wait for its parent to look.
fn is_running(place: &Workplace, file: &str) -> bool {
    let id = String::from_utf8(place.read(file)).unwrap();
    let state = fs::read_to_string(format!("/proc/{}/stat", id.trim())).unwrap_or_default();
    let state = state.rsplit(") ").next().and_then(|rest| rest.chars().next());
    state.is_some_and(|state| !"ZX".contains(state))
}

fn wait_until_gone(place: &Workplace, file: &str) {
    wait_until(file, PATIENCE, || if is_running(place, file) { Err("it runs".to_owned()) } else { Ok(()) });
}

/// It has a child, and is amid writing a file.
const AMID: &str = "trap 'rm half-written; exit' TERM\nsleep 1000 & echo $! > ../child\ntouch half-written\necho $$ > ../ready.new\n\
                    mv ../ready.new ../ready\nwait";

#[test]
fn a_signal_ends_a_build_with_all_that_it_started() {
    for (signal, code) in [(Signal::SIGTERM, 143), (Signal::SIGINT, 130), (Signal::SIGHUP, 143)] {
        for args in
            [&["plugin", "build", "greet"][..], &["plugin", "test", "greet"], &["plugin", "test", "greet", "--watch"]]
        {
            let place = project(AMID);
            let mut building = jobhost(&place, args).into_command().stderr(Stdio::null()).spawn().unwrap();
            wait_until("the build", PATIENCE, || fs::metadata(place.path("ready")).map_err(|error| error.to_string()));
            assert!(is_running(&place, "child") && is_running(&place, "ready"));
            kill(Pid::from_raw(i32::try_from(building.id()).unwrap()), signal).unwrap();
            assert_eq!(building.wait().unwrap().code(), Some(code), "{signal} to {args:?}");
            for process in ["child", "ready"] {
                wait_until_gone(&place, process);
            }
            assert!(!place.path("greet/half-written").exists(), "it could not tidy up");
            assert!(!place.path("greet/greet.wasm").exists());
        }
    }
}

#[test]
fn a_watch_that_waits_for_a_change_ends_with_a_signal() {
    let place = project("exit 1");
    let out = fs::File::create(place.path("out")).unwrap();
    let mut watching =
        jobhost(&place, &["plugin", "test", "greet", "--watch"]).into_command().stderr(out).spawn().unwrap();
    let printed = || String::from_utf8(place.read("out")).unwrap();
    wait_until("a round", PATIENCE, || if printed().contains("` failed: ") { Ok(()) } else { Err(printed()) });
    kill(Pid::from_raw(i32::try_from(watching.id()).unwrap()), Signal::SIGTERM).unwrap();
    assert_eq!(watching.wait().unwrap().code(), Some(143));
}

#[test]
fn a_build_that_takes_too_long_is_ended_and_the_limit_is_told() {
    let place = project(AMID);
    let built = jobhost(&place, &["plugin", "build", "greet", "--timeout", "5s"]).run().exits_with(1);
    built.complains_clearly(&["` failed: the build has taken more than 5.0 s and was ended", "--timeout"]);
    for process in ["child", "ready"] {
        wait_until_gone(&place, process);
    }
    assert!(!place.path("greet/half-written").exists(), "it could not tidy up");
}

#[test]
fn a_tool_whose_answer_has_no_end_is_ended() {
    let place = project("echo $$ > ../ready\nexec yes");
    let built = jobhost(&place, &["plugin", "build", "greet"]).run().exits_with(1);
    built.complains_clearly(&["` failed: it printed more than 64 MiB"]);
    wait_until_gone(&place, "ready");
}

fn makes_echo() -> String {
    makes("echo")
}

/// What Cargo says when it has made the plugin.
fn makes(behaviour: &str) -> String {
    let message = json!({ "reason": "compiler-artifact", "filenames": [guest(behaviour)] });
    format!("echo '{message}'")
}

/// Its only sample is this.
fn project_with_sample(script: &str, sample: &str) -> Workplace {
    let place = project(script);
    for name in ["greets", "no-name", "not-ready", "unicode"] {
        fs::remove_file(place.path(&format!("greet/{name}.job.json"))).unwrap();
    }
    place.write("greet/echoes.job.json", sample);
    place
}

const SAMPLE: &str = r#"{"payload": {"a": 1}, "expect": {"output": {"a": 2}}}"#;

#[test]
fn an_output_that_is_to_be_empty_is_compared_and_one_that_a_failed_job_has_not_is_as_good() {
    let place = project_with_sample(&makes_echo(), r#"{"payload": {"a": 1}, "expect": {"output": null}}"#);
    let tested = jobhost(&place, &["plugin", "test", "greet"]).run().exits_with(1);
    tested.prints("  output\n    expected null\n    came out {\"class\":\"greet\",\"a\":1}\n");
    place.write("greet/echoes.job.json", r#"{"expect": {"outcome": "trapped", "output": null}}"#);
    place.write("tools/cargo", format!("#!/bin/sh\n{}\n", makes("trap")));
    jobhost(&place, &["plugin", "test", "greet"]).run().success().prints("1 as expected\n");
}

#[test]
fn what_editors_and_other_systems_leave_beside_a_sample_is_no_sample() {
    let place = project_with_sample(&makes_echo(), "{}");
    symlink("ada@host.1234:5678", place.path("greet/.#echoes.job.json")).unwrap();
    place.write("greet/._echoes.job.json", "\0\x05\x16\x07");
    jobhost(&place, &["plugin", "test", "greet"]).run().success().prints("1 as expected\n");
}

#[test]
fn a_name_that_no_job_can_have_is_told_with_its_sample() {
    let place = project_with_sample(&makes_echo(), r#"{"name": ""}"#);
    let tested = jobhost(&place, &["plugin", "test", "greet"]).run().exits_with(2);
    tested.complains_clearly(&["greet/echoes.job.json: the job's name is empty"]);
}

#[test]
fn a_plugin_that_no_configuration_names_is_one_that_the_host_would_load() {
    let place = project(&makes_echo());
    let config = String::from_utf8(place.read("greet/jobhost.toml")).unwrap();
    let (queues, _) = config.split_once("[plugins.greet]").unwrap();
    place.write("greet/jobhost.toml", queues);
    let built = jobhost(&place, &["plugin", "build", "greet"]).run().success();
    built.prints("this host would load it: yes").prints("[plugins.greet]\npath = ");
    fs::remove_file(place.path("greet/jobhost.toml")).unwrap();
    jobhost(&place, &["plugin", "build", "greet"]).run().success().prints("this host would load it: yes");
}

#[test]
fn what_a_plugin_may_reach_is_told_where_it_can_have_tried_to() {
    for (behaviour, limits, fits) in
        [("trap", "", false), ("read-file", "", true), ("read-file", "limits = { fuel = 1000 }\n", false)]
    {
        let place = project_with_sample(&makes(behaviour), r#"{"payload": {"path": "/data/a"}}"#);
        let config = String::from_utf8(place.read("greet/jobhost.toml")).unwrap();
        place.write("greet/jobhost.toml", config.replace("path = ", &format!("{limits}path = ")));
        let tested = jobhost(&place, &["plugin", "test", "greet"]).run().exits_with(1).prints("1 differ\n");
        assert_eq!(tested.stdout.contains("what `greet` may reach"), fits, "{behaviour} {limits}: {tested}");
    }
}

#[test]
fn an_update_goes_through_a_link_and_keeps_the_permissions() {
    let place = project_with_sample(&makes_echo(), SAMPLE);
    fs::rename(place.path("greet/echoes.job.json"), place.path("kept.json")).unwrap();
    fs::set_permissions(place.path("kept.json"), fs::Permissions::from_mode(0o640)).unwrap();
    symlink("../kept.json", place.path("greet/echoes.job.json")).unwrap();
    jobhost(&place, &["plugin", "test", "greet", "--update"]).run().success().prints("1 updated");
    let kept: Value = serde_json::from_slice(&place.read("kept.json")).unwrap();
    assert_eq!(kept["expect"]["output"]["a"], 1, "{kept}");
    assert!(place.path("greet/echoes.job.json").is_symlink());
    assert_eq!(fs::metadata(place.path("kept.json")).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(place.names(), ["greet", "kept.json", "tools"]);
}

#[test]
fn an_update_does_not_take_away_what_somebody_wrote_meanwhile() {
    let meanwhile = SAMPLE.replace('1', "3");
    let script = format!("echo '{meanwhile}' > echoes.job.json\n{}", makes_echo());
    let place = project_with_sample(&script, SAMPLE);
    let updated = jobhost(&place, &["plugin", "test", "greet", "--update"]).run().exits_with(1);
    updated.complains_clearly(&["echoes.job.json cannot be updated: somebody else has changed it meanwhile"]);
    assert_eq!(String::from_utf8(place.read("greet/echoes.job.json")).unwrap().trim(), meanwhile);
}

#[test]
fn a_change_of_a_lock_or_behind_a_link_is_built_and_tested_while_watched() {
    // As Cargo does, it writes a lock where there is none.
    let script = format!(
        "[ -e Cargo.lock ] || echo 1 > Cargo.lock\necho $(cat Cargo.lock ../far.rs) >> ../builds\n{}",
        makes_echo()
    );
    let place = project_with_sample(&script, SAMPLE);
    let write_whole = |file: &str, text: &str| fs::rename(place.write("new", text), place.path(file)).unwrap();
    write_whole("far.rs", "a");
    symlink("../../far.rs", place.path("greet/src/far.rs")).unwrap();
    let out = fs::File::create(place.path("out")).unwrap();
    let mut watching =
        jobhost(&place, &["plugin", "test", "greet", "--watch"]).into_command().stdout(out).spawn().unwrap();
    let rounds = || String::from_utf8(place.read("out")).unwrap().matches(" differ\n").count();
    let until = |count: usize| {
        wait_until("a round", PATIENCE, || if rounds() == count { Ok(()) } else { Err(rounds()) });
    };
    until(1);
    write_whole("greet/Cargo.lock", "2\n");
    until(2);
    write_whole("far.rs", "b");
    until(3);
    kill(Pid::from_raw(i32::try_from(watching.id()).unwrap()), Signal::SIGINT).unwrap();
    assert_eq!(watching.wait().unwrap().code(), Some(130));
    assert_eq!(String::from_utf8(place.read("builds")).unwrap(), "1 a\n2 a\n2 b\n");
}

#[test]
fn a_signal_ends_a_test_whose_job_never_does() {
    let place = project_with_sample(&makes("loop-forever"), r#"{"ttr": "1h"}"#);
    let mut testing = jobhost(&place, &["plugin", "test", "greet"]).into_command().spawn().unwrap();
    // It runs, or will in a moment: there is nothing to see of a job that only computes.
    wait_until("the plugin", PATIENCE, || {
        fs::metadata(place.path("greet/greet.wasm")).map_err(|error| error.to_string())
    });
    kill(Pid::from_raw(i32::try_from(testing.id()).unwrap()), Signal::SIGTERM).unwrap();
    assert_eq!(testing.wait().unwrap().code(), Some(143));
}
