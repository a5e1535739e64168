//! The commands that look and change: what they print as text and as JSON,
//! how they take ids and payloads, and that looking leaves no trace.

use std::fs;
use std::process::Stdio;

use jobhost_tests::{Workplace, guest, matches};
use serde_json::{Value, json};

use crate::settings::one_guest;

on_both_stores! {
    fn info_of_one_queue_is_what_yii2_prints_and_of_several_has_headings(place) {
        place.configure("[queues.work]\n[queues.other]\n");
        place.push("work", "X", "{}");
        place.jobhost(&["push", "X", "--queue", "work", "--delay", "1h"]).run().success();
        let one = "Jobs\n- waiting: 1\n- delayed: 1\n- reserved: 0\n- done: 0\n- failed: 0\n";
        let none = "Jobs\n- waiting: 0\n- delayed: 0\n- reserved: 0\n- done: 0\n- failed: 0\n";
        assert_eq!(place.jobhost(&["info", "work"]).run().success().stdout, one);
        assert_eq!(place.jobhost(&["info", "--queue", "work"]).run().success().stdout, one);
        let all = place.jobhost(&["info"]).run().success();
        assert_eq!(all.stdout, format!("work\n{one}\nother\n{none}"));
    }

    fn every_command_prints_one_json_document_with_json(place) {
        one_guest(place, "fail-permanent", "", "");
        let json = |args: &[&str]| place.jobhost(&[args, &["--json"]].concat()).run().success().json();
        assert_eq!(json(&["push", "X"])["ids"], json!(["work/1"]));
        assert_eq!(json(&["push", "X", "--delay", "1h"])["ids"], json!(["work/2"]));
        place.run("work");
        let counts = json!({"waiting": 0, "delayed": 1, "reserved": 0, "done": 0, "failed": 1});
        assert_eq!(json(&["info"])["queues"]["work"], counts);
        assert_eq!(json(&["status", "1"])["state"], "failed");
        assert_eq!(json(&["status", "2"])["state"], "delayed");
        assert_eq!(json(&["failed", "list"])["failed"][0]["id"], "work/1");
        assert_eq!(json(&["failed", "show", "1"])["id"], "work/1");
        assert_eq!(json(&["failed", "retry", "1"])["retried"], json!([{"id": "work/1", "now": "work/1"}]));
        place.run("work");
        assert_eq!(json(&["failed", "prune", "--older", "1h"])["pruned"]["work"], 0);
        assert_eq!(json(&["failed", "remove", "1"])["removed"][0]["id"], "work/1");
        assert_eq!(json(&["remove", "2"])["removed"], json!(["work/2"]));
        assert_eq!(json(&["clear", "work", "--yes"])["removed"], 0);
        assert_eq!(json(&["config", "check"])["ok"], true);
        let plugin = guest("echo").display().to_string();
        assert_eq!(json(&["exec", "--plugin", &plugin, "{\"a\":1}"])["outcome"], "done");
        let events = place.jobhost(&["run", "--json"]).run().success();
        let events: Vec<Value> = events.lines().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        let kinds: Vec<_> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["worker-started", "worker-stopped"]);
    }

    fn an_id_may_be_bare_where_only_one_queue_is_meant(place) {
        place.configure("[queues.work]\n");
        place.push("work", "X", "{}");
        let by_number = place.jobhost(&["status", "1"]).run().success().stdout;
        assert_eq!(by_number, place.jobhost(&["status", "work/1"]).run().success().stdout);
        place.configure("[queues.work]\n[queues.other]\n");
        place.jobhost(&["status", "1"]).run().exits_with(2).complains_clearly(&["work/1", "other/1"]);
        place.jobhost(&["status", "1", "--queue", "work"]).run().success().prints("work/1");
        place.jobhost(&["status", "work/1", "--queue", "other"]).run().exits_with(2).complains_clearly(&["work/1", "other"]);
        place.jobhost(&["push", "X"]).run().exits_with(2).complains_clearly(&["--queue", "work", "other"]);
    }

    fn a_payload_comes_from_the_argument_stdin_or_a_file_and_is_stored_as_it_is(place) {
        one_guest(place, "echo", "", "");
        // Spaces, number forms and the order of keys are the pusher's; only the class is added.
        let payload = "{ \"b\":1.50,\n\"a\": \"\\u00e4/ö\", \"big\":123456789012345678901234567890 }";
        place.write("payload.json", payload);
        place.jobhost(&["push", r"app\jobs\A", payload]).run().success();
        place.jobhost(&["push", r"app\jobs\A", "-"]).stdin(payload).run().success();
        place.jobhost(&["push", r"app\jobs\A", "@payload.json"]).run().success();
        place.jobhost(&["push", r"app\jobs\A"]).run().success();
        let mut worker = place.listen(&[]);
        for id in ["work/1", "work/2", "work/3"] {
            let stored = payload.replacen('{', r#"{"class":"app\\jobs\\A","#, 1);
            let done = worker.wait_for_job("done", id);
            assert_eq!(done["output"].as_str().map(|output| output.replace(' ', "")), Some(stored.replace(' ', "")));
            assert!(done["output"].as_str().unwrap().ends_with("\n\"a\": \"\\u00e4/ö\", \"big\":123456789012345678901234567890 }"));
        }
        assert_eq!(worker.wait_for_job("done", "work/4")["output"], r#"{"class":"app\\jobs\\A"}"#);
        worker.stop();
    }

    fn a_batch_is_stored_whole_or_not_at_all(place) {
        place.configure("[queues.work]\n");
        let right = "{\"name\":\"A\",\"payload\":{\"n\":1}}\n\n{\"name\":\"B\",\"delay\":\"1h\",\"ttr\":\"90s\"}\n";
        let stored = place.jobhost(&["push", "--batch", "-"]).stdin(right).run().success();
        assert_eq!(stored.stdout, "work/1\nwork/2\n");
        assert_eq!(place.counts("work"), [1, 1, 0, 0, 0]);
        assert_eq!(place.status("work/2")["ttr"], 90);
        for (wrong, parts) in [
            ("{\"name\":\"A\"}\nnonsense\n", &["line 2"][..]),
            ("{\"name\":\"A\"}\n\n{\"name\":\"A\",\"payload\":[1]}\n", &["line 3", "array"]),
            ("{\"name\":\"A\"}\n{\"nam\":\"A\"}\n", &["line 2", "nam"]),
            ("{\"name\":\"A\",\"delay\":\"5\"}\n", &["line 1", "delay", "5s"]),
        ] {
            place.write("jobs.jsonl", wrong);
            place.jobhost(&["push", "--batch", "jobs.jsonl"]).run().exits_with(2).complains_clearly(parts);
        }
        assert_eq!(place.counts("work"), [1, 1, 0, 0, 0], "nothing of a wrong batch is stored");
    }

    fn a_large_batch_runs_to_the_last_job(place) {
        one_guest(place, "echo", "", "");
        let jobs: Vec<_> = (0..2_500).map(|n| format!("{{\"name\":\"A\",\"payload\":{{\"n\":{n}}}}}")).collect();
        let stored = place.jobhost(&["push", "--batch", "-"]).stdin(jobs.join("\n")).run().success();
        let ids = stored.lines();
        assert_eq!((ids.len(), ids[0], ids[2_499]), (2_500, "work/1", "work/2500"));
        place.run("work");
        assert_eq!(place.counts("work"), [0, 0, 0, 2_500, 0]);
    }

    fn delay_and_ttr_are_stored_in_whole_seconds_rounded_up(place) {
        place.configure("[queues.work]\nttr = \"2m\"\n");
        place.push("work", "X", "{}");
        place.jobhost(&["push", "X", "--ttr", "1500ms", "--delay", "1h"]).run().success();
        let [plain, explicit] = ["work/1", "work/2"].map(|id| place.status(id));
        assert_eq!((&plain["ttr"], &plain["state"]), (&json!(120), &json!("waiting")));
        assert_eq!((&explicit["ttr"], &explicit["state"]), (&json!(2), &json!("delayed")));
        let wait = explicit["due_at"].as_u64().unwrap() - explicit["pushed_at"].as_u64().unwrap();
        assert!((3_599_000..=3_602_000).contains(&wait), "{explicit}");
        for wrong in [&["--ttr", "0"][..], &["--ttr", "5"], &["--delay", "soon"], &["--ttr", "100000d"]] {
            place.jobhost(&[&["push", "X"], wrong].concat()).run().exits_with(2);
        }
        assert_eq!(place.counts("work"), [1, 1, 0, 0, 0]);
    }

    fn removing_and_clearing_take_only_what_was_asked_for(place) {
        one_guest(place, "fail-permanent", "", "");
        place.push("work", "X", "{}");
        place.run("work");
        for _ in 0..3 {
            place.push("work", "X", "{}");
        }
        place.jobhost(&["remove", "work/3"]).run().success().prints("work/3");
        assert_eq!(place.counts("work"), [2, 0, 0, 0, 1]);
        place.jobhost(&["clear", "work"]).run().exits_with(2).complains_clearly(&["--yes", "work"]);
        assert_eq!(place.counts("work"), [2, 0, 0, 0, 1], "without an answer nothing is cleared");
        place.jobhost(&["clear", "work", "--yes"]).run().success().prints("2");
        assert_eq!(place.counts("work"), [0, 0, 0, 0, 1], "the failed set stays");
        assert_eq!(place.push("work", "X", "{}"), "work/5", "ids go on");
    }

    fn removing_a_running_job_ends_it_and_frees_its_slot(place) {
        one_guest(place, "take-time", "", "");
        place.push("work", "X", "{\"ms\":60000}");
        let mut worker = place.listen(&["--concurrency", "1"]);
        worker.wait_for_job("started", "work/1");
        place.push("work", "X", "{\"ms\":1}");
        place.jobhost(&["remove", "work/1"]).run().success();
        worker.wait_for_job("lost", "work/1");
        worker.wait_for_job("done", "work/2");
        worker.stop();
        assert_eq!(place.counts("work"), [0, 0, 0, 1, 0]);
    }

    fn failed_jobs_can_be_listed_pruned_and_removed(place) {
        one_guest(place, "fail-permanent", "", "");
        for _ in 0..3 {
            place.push("work", "X", "{}");
        }
        place.jobhost(&["run", "--concurrency", "1"]).run().success();
        let list = place.jobhost(&["failed", "list"]).run().success();
        let lines = list.lines();
        assert_eq!(lines.len(), 3, "{list}");
        for (line, id) in lines.iter().zip([3, 2, 1]) {
            assert!(matches(&format!("work/{id} … X (1 attempt) returned 35020: X"), line), "{line}");
        }
        place.jobhost(&["failed", "list", "--limit", "2"]).run().success().prints("there are more");
        place.jobhost(&["failed", "remove", "work/2"]).run().success();
        place.jobhost(&["failed", "prune", "--older", "1h"]).run().success();
        assert_eq!(place.counts("work"), [0, 0, 0, 0, 2]);
        place.jobhost(&["failed", "prune", "--older", "0"]).run().success();
        assert_eq!(place.counts("work")[4], 0);
        place.jobhost(&["failed", "list"]).run().success().prints("no failed jobs");
    }

    fn a_pipe_gets_no_colours_unless_they_are_forced(place) {
        one_guest(place, "echo", "", "");
        place.push("work", "X", "{}");
        let escape = '\u{1b}';
        for args in [&["info"][..], &["status", "1"], &["failed", "list"], &["run"], &["config", "check"]] {
            let plain = place.jobhost(args).run().success();
            assert!(!plain.to_string().contains(escape), "{plain}");
        }
        let forced = place.jobhost(&["info", "--color", "always"]).env("NO_COLOR", "1").run().success();
        assert!(forced.stdout.contains(escape), "{forced}");
    }

    fn a_jobs_text_cannot_steer_the_terminal(place) {
        place.configure("[queues.work]\n");
        place.push("work", "Evil\u{1b}[2J", "{\"a\":\"\\u001b[2J\"}");
        place.run("work");
        for args in [&["failed", "list"][..], &["failed", "show", "1"], &["status", "1"]] {
            let shown = place.jobhost(args).run().success();
            assert!(!shown.stdout.contains('\u{1b}'), "{shown}");
        }
    }
}

#[test]
fn commands_that_only_look_create_no_file() {
    let place = Workplace::bare();
    for (args, code) in [
        (&["info"][..], 0),
        (&["status", "1"], 1),
        (&["failed", "list"], 0),
        (&["failed", "show", "1"], 1),
        (&["failed", "retry", "--all"], 0),
        (&["failed", "prune", "--older", "1d"], 0),
        (&["remove", "1"], 1),
        (&["clear", "default", "--yes"], 0),
        (&["config", "check"], 0),
        (&["completions", "bash"], 0),
    ] {
        place.jobhost(args).run().exits_with(code);
        assert_eq!(place.names(), [""; 0], "after {args:?}");
    }
}

#[test]
fn without_configuration_the_store_is_a_file_in_the_working_folder() {
    let place = Workplace::bare();
    place.jobhost(&["push", "anything", "{\"n\":1}"]).run().success().prints("default/1\n");
    assert!(place.names().contains(&"jobhost.db".to_owned()));
    let plugin = guest("echo").display().to_string();
    place.jobhost(&["run", "--plugin", &plugin]).run().success().prints("[1] anything (attempt: 1,");
    assert_eq!(place.status("1")["output"], json!({"class": "anything", "n": 1}));
}

#[test]
fn the_command_line_wins_over_the_environment_and_that_over_the_file() {
    let place = Workplace::bare();
    place.configure_with("store = \"sqlite:file.db\"\n");
    let push = || place.jobhost(&["push", "X"]);
    push().run().success();
    push().env("JOBHOST_STORE", "sqlite:env.db").run().success();
    push().env("JOBHOST_STORE", "sqlite:env.db").arg("--store").arg("sqlite:option.db").run().success();
    place.write("other.toml", "store = \"sqlite:other.db\"\n");
    push().env("JOBHOST_CONFIG", "other.toml").run().success();
    push().arg("--config").arg("other.toml").run().success().prints("default/2");
    for store in ["env.db", "file.db", "option.db", "other.db"] {
        assert!(place.path(store).exists(), "{store}");
    }
    assert_eq!(place.jobhost(&["push", "X"]).run().success().text(), "default/2", "of file.db");
}

#[test]
fn wrong_usage_ends_with_2_and_help_with_0() {
    let place = Workplace::bare();
    for args in [
        &[][..],
        &["nonsense"],
        &["push"],
        &["status"],
        &["run", "--concurrency", "0"],
        &["run", "--concurrency", "1025"],
        &["info", "--colour"],
        &["failed"],
        &["failed", "retry"],
        &["failed", "prune"],
        &["exec", "{}"],
        &["push", "X", "--batch", "x"],
    ] {
        let refused = place.jobhost(args).run().exits_with(2);
        assert!(refused.stdout.is_empty() && refused.stderr.contains("--help"), "{refused}");
    }
    for args in [&["--help"][..], &["help"], &["run", "--help"], &["failed", "retry", "--help"], &["-h"]] {
        place.jobhost(args).run().success().prints("Usage: jobhost");
    }
    place.jobhost(&["--version"]).run().success().prints("jobhost 0.");
}

#[test]
fn completions_are_made_for_the_shells() {
    let place = Workplace::bare();
    for shell in ["bash", "zsh", "fish"] {
        place.jobhost(&["completions", shell]).run().success().prints("listen");
    }
}

#[test]
fn a_closed_pipe_is_success() {
    let place = Workplace::sqlite();
    place.configure("[queues.work]\n");
    for args in [&["info"][..], &["failed", "list", "--json"], &["completions", "bash"], &["run"], &["--help"]] {
        let mut command = place.jobhost(args).into_command();
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let ended = command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
        let ended = ended.wait_with_output().unwrap();
        assert_eq!(ended.status.code(), Some(0), "{args:?}: {}", String::from_utf8_lossy(&ended.stderr));
    }
}

#[test]
fn exec_runs_one_job_without_a_store() {
    let place = Workplace::bare();
    let exec = |behaviour: &str, payload: &str| {
        let plugin = guest(behaviour).display().to_string();
        place.jobhost(&["exec", "--plugin", &plugin, payload]).run()
    };
    assert_eq!(exec("echo", "{\"a\":1}").success().stdout, "{\"class\":\"echo\",\"a\":1}\n");
    exec("fail-permanent", "{}").exits_with(1).complains("35020");
    exec("trap", "{}").exits_with(1).complains("no handler for");
    exec("echo", "[]").exits_with(2);
    exec("push-now", "{\"queue\":\"default\"}").exits_with(1);
    let endless = guest("loop-forever").display().to_string();
    place.jobhost(&["exec", "--plugin", &endless, "--ttr", "1s", "{}"]).run().exits_with(1).complains("timed out");
    assert_eq!(place.names(), [""; 0]);
}

#[test]
fn exec_takes_the_file_of_a_configured_plugin_for_that_plugin_and_no_other_of_its_name() {
    let place = Workplace::sqlite();
    let component = fs::read(guest("tell-environment")).unwrap();
    for folder in ["plugins", "other"] {
        place.make_folder(folder);
        place.write(&format!("{folder}/teller.wasm"), &component);
    }
    place.configure(
        "[plugins.teller]\npath = \"plugins/teller.wasm\"\njobs = ['app\\jobs\\Tell']\ngrants = { env = { A = \"1\" } }\n",
    );
    let exec = |plugin: &str| place.jobhost(&["exec", "--plugin", plugin, "{}"]).run();
    assert_eq!(exec("plugins/teller.wasm").success().stdout, "\"A=1\"\n");
    exec("other/teller.wasm").exits_with(2).complains_clearly(&[
        "--plugin other/teller.wasm: plugin `teller` is already defined at jobhost.toml:",
        "with the file plugins/teller.wasm; give this one another name",
    ]);
    fs::rename(place.path("other/teller.wasm"), place.path("other/new.wasm")).unwrap();
    assert_eq!(exec("other/new.wasm").success().stdout, "\"\"\n", "nothing is granted to another file");
}
