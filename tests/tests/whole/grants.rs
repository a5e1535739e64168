//! Granted folders: what a plugin may read and write, and that it stays inside.

use std::os::unix::fs::symlink;

use jobhost_tests::Workplace;
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
