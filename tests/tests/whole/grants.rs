//! Grants: what a plugin may read and write, that it stays inside, and that nobody sees its secrets.

use std::os::unix::fs::symlink;

use jobhost_tests::{Workplace, guest};
use serde_json::json;

use crate::settings::one_guest;

/// A folder that is granted, beside one that is not.
fn folders(behaviour: &str, mode: &str) -> Workplace {
    let place = Workplace::sqlite();
    place.make_folder("granted/below");
    place.make_folder("secret");
    place.write("granted/mine.json", "\"mine\"");
    place.write("secret/theirs.json", "\"theirs\"");
    symlink(place.path("secret/theirs.json"), place.path("granted/link.json")).unwrap();
    symlink("../secret", place.path("granted/folder")).unwrap();
    symlink("below/../../secret/new.json", place.path("granted/new.json")).unwrap();
    let grant = format!("grants = {{ fs = [{{ host = \"granted\", guest = \"/data\", mode = \"{mode}\" }}] }}");
    one_guest(&place, behaviour, "", &grant);
    place
}

/// What leads out of the granted folder `/data`, or tries to.
const WAYS_OUT: [&str; 9] = [
    "/data/../secret/theirs.json",
    "/data/below/../../secret/theirs.json",
    "/data/link.json",
    "/data/folder/theirs.json",
    "/data/new.json",
    "/secret/theirs.json",
    "secret/theirs.json",
    "/etc/passwd",
    "/data//../secret/theirs.json",
];

/// Runs the guest on `path` and requires that it was refused, which is all it is told.
#[track_caller]
fn refused(place: &Workplace, path: &str) {
    let payload = json!({"path": path, "text": "overwritten"}).to_string();
    let id = place.push("work", "X", &payload);
    place.run("work");
    let failure = place.failure(&id);
    let cause = &failure["record"]["cause"];
    assert_eq!(cause["kind"], "returned", "{path}: {failure}");
    assert!(!failure.to_string().contains("theirs\\\""), "{path}: {failure}");
}

#[test]
fn a_granted_folder_can_be_read() {
    let place = folders("read-file", "ro");
    place.push("work", "X", "{\"path\":\"/data/mine.json\"}");
    place.push("work", "X", "{\"path\":\"/data/below/../mine.json\"}");
    place.run("work");
    assert_eq!(place.status("work/1")["output"], "mine");
    assert_eq!(place.status("work/2")["output"], "mine", "`..` that stays inside is no harm");
}

#[test]
fn nothing_leads_out_of_a_granted_folder() {
    for mode in ["ro", "rw"] {
        let place = folders("read-file", mode);
        for path in WAYS_OUT {
            refused(&place, path);
        }
    }
}

#[test]
fn a_plugin_writes_where_it_may_and_nowhere_else() {
    let place = folders("write-file", "rw");
    place.push("work", "X", "{\"path\":\"/data/below/new.json\",\"text\":\"written\"}");
    place.run("work");
    assert_eq!(place.counts("work"), [0, 0, 0, 1, 0]);
    assert_eq!(place.read("granted/below/new.json"), b"written");
    for path in WAYS_OUT {
        refused(&place, path);
    }
    assert_eq!(place.read("secret/theirs.json"), b"\"theirs\"");
    assert!(!place.path("secret/new.json").exists());
}

#[test]
fn a_read_only_folder_cannot_be_written() {
    let place = folders("write-file", "ro");
    for path in ["/data/new-file.json", "/data/mine.json", "/data/below/new.json"] {
        refused(&place, path);
    }
    assert_eq!(place.read("granted/mine.json"), b"\"mine\"");
    assert!(!place.path("granted/new-file.json").exists() && !place.path("granted/below/new.json").exists());
}

#[test]
fn without_grants_a_plugin_sees_no_file_and_no_environment() {
    let place = Workplace::sqlite();
    one_guest(&place, "look-around", "", "");
    place.push("work", "X", "{}");
    place.jobhost(&["run"]).env("SECRET", "x").run().success();
    let seen = &place.status("work/1")["output"];
    assert_eq!((&seen["variables"], &seen["input"], &seen["root"]), (&json!(0), &json!(0), &json!(false)), "{seen}");
    one_guest(&place, "read-file", "", "");
    refused(&place, "/etc/passwd");
    one_guest(&place, "connect-tcp", "", "");
    let id = place.push("work", "X", "{\"address\":\"127.0.0.1:22\"}");
    place.run("work");
    assert_eq!(place.failure(&id)["record"]["cause"]["kind"], "returned");
}

/// What no compiler writes by itself into the log of everything.
const SECRETS: [&str; 2] = ["correct horse battery staple", "sesame opens the hatch"];
const LOG_OF_ALL: &str = "trace,cranelift=off,regalloc2=off,wasmtime=off,wasmtime_wasi=trace";

#[test]
fn a_secret_is_in_no_log_record_output_or_check_although_the_guest_says_it() {
    let place = Workplace::sqlite();
    place.write("token", SECRETS[0]);
    let grants = "grants = { secrets = { TOKEN = { file = \"token\" }, OTHER = { env = \"OTHER_TOKEN\" } } }";
    one_guest(&place, "reveal-secret", "", grants);
    let with_secrets = |args: &[&str]| place.jobhost(args).env("OTHER_TOKEN", SECRETS[1]).env("RUST_LOG", LOG_OF_ALL);
    let other = guest("echo");
    let other = other.to_str().unwrap();
    let mut shown = String::new();
    for how in ["log", "progress", "print", "panic", "fail", "answer"] {
        for name in ["TOKEN", "OTHER"] {
            place.push("work", "X", &json!({"name": name, "how": how}).to_string());
        }
    }
    for args in [
        &["config", "check"][..],
        &["config", "check", "--json"],
        &["run", "--json"],
        &["failed", "list", "--json"],
        &["status", "work/1", "--json"],
        &["exec", "--plugin", other, "--name", "X", "{\"name\":\"TOKEN\",\"how\":\"panic\"}"],
        &["exec", "--plugin", other, "--name", "X", "{\"name\":\"TOKEN\",\"how\":\"answer\"}", "--json"],
    ] {
        shown.push_str(&with_secrets(args).run().to_string());
    }
    for id in 1..=12 {
        shown.push_str(&place.status(&format!("work/{id}")).to_string());
    }
    assert!(shown.contains("[secret TOKEN]") && shown.contains("[secret OTHER]"), "{shown}");
    assert!(shown.contains("TOKEN, OTHER"), "config check names them: {shown}");
    assert!(!shown.contains("staple") && !shown.contains("sesame"), "{shown}");
    for name in place.names() {
        let content = if place.path(&name).is_file() { place.read(&name) } else { Vec::new() };
        let content = String::from_utf8_lossy(&content);
        let found = SECRETS.into_iter().any(|secret| content.contains(secret));
        assert_eq!(found, name == "token", "{name}");
    }
}

#[test]
fn variables_and_settings_reach_the_plugin_and_a_lacking_grant_names_its_line() {
    let place = Workplace::sqlite();
    let grants = "grants = { env = { REGION = \"eu\", LANG = { env = \"PLACE_LANG\" } } }";
    one_guest(&place, "tell-environment", "", grants);
    place.push("work", "X", "{}");
    let absent = "plugins.it.grants.env.LANG: the environment variable `PLACE_LANG` of the host is not set";
    place.jobhost(&["run"]).run().exits_with(2).complains(absent);
    place.jobhost(&["run"]).env("PLACE_LANG", "de").env("OTHER", "x").run().success();
    assert_eq!(place.status("work/1")["output"], "LANG=de\nREGION=eu");

    one_guest(&place, "read-config", "", "");
    place.jobhost(&["run"]).run().complains("add `config = { KEY = \"value\" }` under `[plugins.it.grants]`");
    one_guest(&place, "read-config", "", "[plugins.it.grants]\nconfig = { KEY = \"value\" }");
    place.push("work", "X", "{\"key\":\"KEY\"}");
    place.run("work");
    assert_eq!(place.status("work/2")["output"]["value"], "value");
}
