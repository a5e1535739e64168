//! Bad input: each gets one clear message that names the thing and the
//! remedy, the documented exit code, and loses nothing.

use std::path::Path;

use jobhost_tests::{Finished, Workplace, guest};
use serde_json::json;

use crate::settings::{one_guest, quoted};

/// Runs `run` with this plugin beside a waiting job, which must still wait afterwards.
#[track_caller]
fn refused_plugin(path: &Path, parts: &[&str]) -> Finished {
    let place = Workplace::bare();
    place.jobhost(&["push", "copy_asset", "{}"]).run().success();
    let path = path.display().to_string();
    let refused = place.jobhost(&["run", "--plugin", &path]).run().exits_with(2).complains_clearly(parts);
    assert_eq!(place.counts("default"), [1, 0, 0, 0, 0], "the job still waits after {refused}");
    let configured = format!("[plugins.copy_asset]\npath = '{path}'\n");
    place.write("jobhost.toml", configured);
    place.jobhost(&["run"]).run().exits_with(2).complains_clearly(parts);
    assert_eq!(place.counts("default"), [1, 0, 0, 0, 0], "the job still waits after {refused}");
    refused
}

#[test]
fn a_plugin_file_that_is_not_there_is_named() {
    refused_plugin(Path::new("nowhere/copy_asset.wasm"), &["nowhere/copy_asset.wasm", "build", "path"]);
}

#[test]
fn a_folder_is_no_plugin() {
    let files = Workplace::bare();
    refused_plugin(&files.make_folder("built.wasm"), &["built.wasm", "not a file"]);
}

#[test]
fn a_file_that_is_not_wasm_is_refused() {
    let files = Workplace::bare();
    let text = files.write("notes.wasm", "just notes\n");
    refused_plugin(&text, &["notes.wasm", "not a WebAssembly component"]);
    let empty = files.write("empty.wasm", "");
    refused_plugin(&empty, &["empty.wasm", "not a WebAssembly component"]);
}

#[test]
fn a_core_module_is_told_apart_from_a_component() {
    let files = Workplace::bare();
    let module = files.write("core.wasm", b"\0asm\x01\0\0\0");
    refused_plugin(&module, &["core.wasm", "core WebAssembly module", "wasm32-wasip2"]);
}

#[test]
fn a_component_that_is_cut_off_is_refused() {
    let files = Workplace::bare();
    let whole = std::fs::read(guest("echo")).unwrap();
    let half = files.write("half.wasm", &whole[..whole.len() / 2]);
    refused_plugin(&half, &["half.wasm", "not a valid component"]);
}

#[test]
fn a_precompiled_artefact_is_never_loaded() {
    // The header by which wasmtime knows its own: ELF, 64 bits, little endian, its OS number and the flag of a component.
    let mut header = [0_u8; 64];
    header[..9].copy_from_slice(b"\x7fELF\x02\x01\x01\xc8\x00");
    header[20] = 1;
    header[48] = 2;
    header[52] = 64;
    let files = Workplace::bare();
    let artefact = files.write("fast.cwasm", header);
    refused_plugin(&artefact, &["fast.cwasm", "precompiled", "give the component"]);
}

#[test]
fn a_component_without_our_exports_is_refused() {
    refused_plugin(&guest("no-exports"), &["no-exports.wasm", "jobhost:plugin/handler@0.1.0"]);
}

#[test]
fn a_misspelt_export_is_named_with_what_it_should_be() {
    refused_plugin(&guest("misspelt-export"), &["jobhost:plugin/handlr@0.1.0", "handler"]);
}

#[test]
fn an_export_of_another_version_is_named_with_ours() {
    refused_plugin(&guest("other-version"), &["jobhost:plugin/handler@0.2.0", "0.1.0"]);
}

#[test]
fn a_wrongly_typed_export_is_refused_with_both_types() {
    refused_plugin(&guest("wrong-type"), &["jobhost:plugin/handler@0.1.0", "expected", "found", "WIT"]);
    refused_plugin(&guest("missing-function"), &["jobhost:plugin/handler@0.1.0", "execute"]);
}

#[test]
fn an_import_that_the_host_does_not_have_is_named() {
    refused_plugin(&guest("unknown-import"), &["example:weather/forecast@1.0.0"]);
}

on_both_stores! {
    fn a_payload_that_is_no_json_object_is_refused(place) {
        one_guest(place, "echo", "", "");
        place.push("work", "Job", "{}");
        let too_long = format!("{{\"text\":\"{}\"}}", "x".repeat(1 << 20));
        for (payload, parts) in [
            ("{\"a\":1,", &["payload", "JSON"][..]),
            ("nonsense", &["payload", "JSON"]),
            ("[1]", &["payload", "array", "object"]),
            ("7", &["payload", "object"]),
            ("{} {}", &["payload"]),
            ("{\"class\":\"Other\"}", &["Other", "Job"]),
            (&too_long, &["payload", "1048576"]),
        ] {
            let push = place.jobhost(&["push", "Job", "-", "--queue", "work"]).stdin(payload);
            push.run().exits_with(2).complains_clearly(parts);
        }
        let not_text = place.jobhost(&["push", "Job", "-", "--queue", "work"]).stdin(*b"{\"a\":\"\xff\"}");
        not_text.run().exits_with(2).complains_clearly(&["UTF-8", "byte 6"]);
        place.jobhost(&["push", "Job", "@nowhere.json", "--queue", "work"]).run()
            .exits_with(2)
            .complains_clearly(&["nowhere.json"]);
        assert_eq!(place.counts("work"), [1, 0, 0, 0, 0], "only the first was stored");
    }

    fn a_job_that_nobody_handles_goes_to_the_failed_set(place) {
        place.configure(&format!("[queues.work]\n[plugins.echo]\npath = {}\n", quoted(&guest("echo"))));
        place.push("work", r"app\jobs\Unheard", "{\"a\":1}");
        place.push("work", "echo", "{}");
        place.run("work").prints("no plugin handles this name");
        assert_eq!(place.counts("work"), [0, 0, 0, 1, 1]);
        let failure = place.failure("work/1");
        assert_eq!(failure["record"]["cause"]["kind"], "unhandled");
        assert_eq!(failure["payload"]["a"], 1, "its payload is kept: {failure}");
    }

    fn a_queue_that_is_not_there_is_named_with_those_that_are(place) {
        place.configure("[queues.copy-asset]\n[queues.upload-asset]\n");
        for args in [
            &["push", "X", "--queue", "copy-aset"][..],
            &["info", "copy-aset"],
            &["run", "--queue", "copy-aset"],
            &["status", "copy-aset/1"],
            &["clear", "copy-aset", "--yes"],
        ] {
            place.jobhost(args).run()
                .exits_with(2)
                .complains_clearly(&["copy-aset", "did you mean `copy-asset`", "upload-asset"]);
        }
    }

    fn an_id_that_is_not_there_is_said_to_be_so(place) {
        place.configure("[queues.work]\n");
        place.push("work", "X", "{}");
        for args in [
            &["status", "work/7"][..],
            &["remove", "work/7"],
            &["failed", "show", "work/7"],
            &["failed", "retry", "work/7"],
            &["failed", "remove", "work/7"],
        ] {
            place.jobhost(args).run().exits_with(1).complains_clearly(&["work/7"]);
        }
        for id in ["work/", "work/x", "0", "-1", "1.5", "work/01", "99999999999999999999"] {
            place.jobhost(&["status", "--", id]).run().exits_with(2).complains_clearly(&["job id"]);
        }
        assert_eq!(place.counts("work"), [1, 0, 0, 0, 0]);
    }
}

#[test]
fn a_store_address_with_a_typo_is_told_with_those_there_are() {
    let place = Workplace::bare();
    for url in ["reddis://127.0.0.1:6379/0", "jobhost.db", "mysql://localhost/x", "redis//localhost"] {
        for command in [&["info"][..], &["push", "X"], &["run"]] {
            place
                .jobhost(command)
                .arg("--store")
                .arg(url)
                .run()
                .exits_with(2)
                .complains_clearly(&[url, "redis://", "sqlite:"]);
        }
    }
    place
        .jobhost(&["info", "--store", "redis://127.0.0.1:port/0"])
        .run()
        .exits_with(2)
        .complains_clearly(&["redis://"]);
    place.configure_with("store = \"reddis://x\"\n");
    place.jobhost(&["info"]).run().exits_with(2).complains_clearly(&["jobhost.toml:1:9", "reddis://x"]);
    assert_eq!(place.names(), ["jobhost.toml"], "no store was made");
}

#[test]
fn a_server_that_is_not_there_is_named_with_its_address() {
    let mut place = Workplace::redis();
    place.server_mut().kill();
    let address = place.server().address();
    for command in [&["info"][..], &["push", "X"], &["failed", "list"], &["status", "1"], &["run"]] {
        place.jobhost(command).run().exits_with(69).complains_clearly(&[&address]);
    }
}

#[test]
fn a_password_is_never_shown() {
    let place = Workplace::bare();
    let store = "redis://worker:sesame@127.0.0.1:1/0";
    let shown = place.jobhost(&["info", "--store", store]).run().exits_with(69).complains_clearly(&["127.0.0.1:1"]);
    assert!(!shown.to_string().replace(store, "").contains("sesame"), "{shown}");
}

#[test]
fn a_sqlite_file_that_is_none_is_named_and_left_alone() {
    let place = Workplace::sqlite();
    place.write("jobhost.db", "this is somebody's letter, not a database\n".repeat(200));
    for command in [&["info"][..], &["push", "X"], &["run"]] {
        place.jobhost(command).run().exits_with(69).complains_clearly(&["jobhost.db"]);
    }
    assert!(place.read("jobhost.db").starts_with(b"this is somebody's letter"));
    let nowhere = place.jobhost(&["push", "X", "--store", "sqlite:no/such/folder/x.db"]).run();
    nowhere.exits_with(2).complains_clearly(&["no/such/folder", "create it"]);
}

/// Everything that is wrong with it has one line of the report.
const WRONG: &str = r#"
concurency = 8
shutdown-grace = "25"

[queues.work]
channel = "with space"
ttr = 600
attempts = 0
backof = { initial = "1s" }
hooks = ["copy_aset"]
backoff = { initial = "1 fortnight" }
retain = { done = true }
unknown = "ignore"

[plugins.copy_asset]
path = "nowhere.wasm"
jobs = "all"
limits = { memory = "64" }
[plugins.copy_asset.grants]
queues = ["wrok"]
fs = [{ host = "no-folder", guest = "relative", mode = "rx" }]

[plugins.copy_asset.limit]
memory = "1MiB"
"#;

const REPORT: &[&str] = &[
    ":2:1: unknown key `concurency`; did you mean `concurrency`?",
    ":3:18: shutdown-grace: `25` has no unit; write \"25s\" or \"25m\"",
    ":6:11: queues.work.channel:",
    ":7:7: queues.work.ttr: expected a duration such as \"10m\", found the number 600; write \"600s\"",
    ":8:12: queues.work.attempts: expected a whole number from 1, found the number 0",
    ":9:1: unknown key `queues.work.backof`; did you mean `backoff`?",
    ":10:10: queues.work.hooks: there is no plugin `copy_aset`; define [plugins.copy_aset]; did you mean `copy_asset`?",
    ":11:23: queues.work.backoff.initial: `fortnight` is not a unit of time",
    ":12:19: queues.work.retain.done: expected a duration such as \"24h\", found true",
    ":13:11: queues.work.unknown: expected \"fail\" or \"release\", found the text \"ignore\"",
    ":16:8: plugins.copy_asset.path: there is no plugin at",
    ":17:8: plugins.copy_asset.jobs: expected a list of texts",
    ":18:21: plugins.copy_asset.limits.memory: `64` has no unit",
    ":20:11: plugins.copy_asset.grants.queues: there is no queue `wrok`; define [queues.wrok]; did you mean `work`?",
    "plugins.copy_asset.grants.fs[0].guest: expected an absolute path",
    "plugins.copy_asset.grants.fs[0].mode: expected \"ro\" or \"rw\", found the text \"rx\"",
    ":23:21: unknown key `plugins.copy_asset.limit`; did you mean `limits`?",
];

#[test]
fn every_problem_of_a_configuration_is_told_at_once_with_its_place() {
    let place = Workplace::bare();
    place.configure_with(WRONG);
    let checked = place.jobhost(&["config", "check"]).run().exits_with(1);
    let missing: Vec<_> = REPORT.iter().filter(|part| !checked.stdout.contains(*part)).collect();
    assert!(missing.is_empty(), "not told: {missing:#?}\nby {checked}");
    assert_eq!(checked.lines().len(), REPORT.len(), "a line each: {checked}");
    let document = place.jobhost(&["config", "check", "--json"]).run().exits_with(1).json();
    assert_eq!(document["problems"].as_array().map(Vec::len), Some(REPORT.len()), "{document}");
    let refused = place.jobhost(&["run"]).run().exits_with(2);
    let missing: Vec<_> = REPORT.iter().filter(|part| !refused.stderr.contains(*part)).collect();
    assert!(missing.is_empty(), "not told: {missing:#?}\nby {refused}");
    assert_eq!(place.names(), ["jobhost.toml"], "no store was made");
}

#[test]
fn what_endangers_jobs_in_the_store_is_a_warning_and_no_problem() {
    let place = Workplace::bare();
    place.configure_with("[queues.work]\n");
    let check = |store: &str| place.jobhost(&["config", "check", "--json", "--store", store]).run().success().json();
    assert_eq!(check("sqlite:jobs.db?synchronous=normal")["warnings"], json!([]), "there are no jobs yet");
    place.jobhost(&["push", "X", "--store", "sqlite:jobs.db"]).run().success();
    assert_eq!(check("sqlite:jobs.db")["warnings"], json!([]));
    let normal = "sqlite:jobs.db?synchronous=normal";
    place.jobhost(&["config", "check", "--store", normal]).run().success().prints("warning: with synchronous=normal");
    assert_eq!(check(normal)["warnings"].as_array().map(Vec::len), Some(1));
    let nobody = check("redis://127.0.0.1:1");
    assert_eq!(nobody["ok"], true);
    let said = nobody["warnings"][0].as_str().unwrap_or_default();
    assert!(said.contains("not checked") && said.contains("is not available"), "{nobody}");
}

#[test]
fn two_plugins_for_one_job_are_a_problem() {
    let place = Workplace::bare();
    let path = quoted(&guest("echo"));
    place.configure_with(&format!(
        "[plugins.a]\npath = {path}\njobs = ['app\\A', \"B\"]\n[plugins.b]\npath = {path}\njobs = ['\\app\\A']\n"
    ));
    place.jobhost(&["config", "check"]).run().exits_with(1).prints("job `app\\A` is already handled by plugin `a`");
}

#[test]
fn broken_toml_is_told_with_its_line() {
    let place = Workplace::bare();
    place.configure_with("[queues.work\nttr = \"10m\"\n");
    place.jobhost(&["info"]).run().exits_with(2).complains_clearly(&["jobhost.toml:1:", "TOML"]);
    place
        .jobhost(&["info", "--config", "nowhere.toml"])
        .run()
        .exits_with(2)
        .complains_clearly(&["nowhere.toml", "--config"]);
}

#[test]
fn a_grant_of_a_folder_that_is_not_there_is_refused_before_anything_runs() {
    let place = Workplace::sqlite();
    let grants = "grants = { fs = [{ host = \"no-folder\", guest = \"/x\", mode = \"ro\" }] }";
    one_guest(&place, "echo", "", grants);
    place.push("work", "Job", "{}");
    place.jobhost(&["run"]).run().exits_with(2).complains_clearly(&["no-folder", "plugins.it.grants.fs", "create it"]);
    place.jobhost(&["config", "check"]).run().exits_with(1).prints("no-folder");
    assert_eq!(place.counts("work"), [1, 0, 0, 0, 0]);
}

#[test]
fn a_closed_hook_that_can_stop_nothing_and_a_hook_without_hooks_are_refused() {
    let place = Workplace::sqlite();
    place.configure(&format!("[queues.work]\nhooks = [\"echo\"]\n[plugins.echo]\npath = {}\n", quoted(&guest("echo"))));
    place.push("work", "echo", "{}");
    place.jobhost(&["run"]).run().exits_with(2).complains_clearly(&[
        "plugin `echo`",
        "exports no hook",
        "queues.work.hooks",
    ]);
    let hook = |on_failure: &str| {
        place.configure(&format!(
            "[queues.work]\nhooks = [\"late\"]\n[plugins.late]\npath = {}\njobs = []\non-failure = \"{on_failure}\"\n",
            quoted(&guest("after-exec-only"))
        ));
    };
    hook("closed");
    place.jobhost(&["run"]).run().exits_with(2).complains_clearly(&[
        "plugins.late.on-failure",
        "can stop nothing",
        "only exports after-exec",
        "on-failure = \"open\"",
    ]);
    assert_eq!(place.counts("work"), [1, 0, 0, 0, 0]);
    hook("open");
    place.run("work");
    assert_eq!(place.counts("work"), [0, 0, 0, 0, 1], "it was taken, and nobody handles it");
}
