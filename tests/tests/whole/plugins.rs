//! `jobhost plugin`: what is told of good and hostile files, and that it is true.

use jobhost_tests::{Workplace, guest, plugin};
use serde_json::{Value, json};

use crate::settings::quoted;

/// What `plugin inspect --json` says of a file, after it ended with this code.
fn inspected(place: &Workplace, file: &str, code: i32) -> Value {
    place.jobhost(&["plugin", "inspect", file, "--json"]).run().exits_with(code).json()
}

/// A copy of a guest in the folder.
fn copied(place: &Workplace, behaviour: &str) -> String {
    let name = format!("{behaviour}.wasm");
    place.write(&name, std::fs::read(guest(behaviour)).unwrap());
    name
}

/// A component whose innermost has this many around it.
fn nested(depth: usize) -> Vec<u8> {
    const HEADER: [u8; 8] = [0, b'a', b's', b'm', 0x0d, 0, 1, 0];
    let mut length = HEADER.len();
    let mut heads = Vec::new();
    for _ in 0..depth {
        let mut head = [&HEADER[..], &[4]].concat();
        let mut rest = length;
        while rest >= 0x80 {
            head.push(u8::try_from(rest & 0x7f).unwrap() | 0x80);
            rest >>= 7;
        }
        head.push(u8::try_from(rest).unwrap());
        length += head.len();
        heads.push(head);
    }
    heads.reverse();
    [heads.concat(), HEADER.to_vec()].concat()
}

#[test]
fn inspect_tells_what_a_plugin_is_and_what_it_wants() {
    let place = Workplace::bare();
    place.write("events.wasm", std::fs::read(plugin("copy-asset-events")).unwrap());
    let seen = inspected(&place, "events.wasm", 0);
    let size = std::fs::metadata(place.path("events.wasm")).unwrap().len();
    assert_eq!((&seen["kind"], &seen["size"], &seen["loads"]), (&json!("hook"), &json!(size), &json!(true)));
    assert_eq!((&seen["jobs"], &seen["hooks"]), (&json!([]), &json!(["after-exec", "after-error"])));
    assert_eq!(seen["interface"], json!({ "host": "0.1.0", "plugin": ["0.1.0"] }));
    assert!(seen["digest"].as_str().unwrap().starts_with("sha256:"), "{seen}");
    let queues = json!(["jobhost:plugin/queue@0.1.0"]);
    assert_eq!((&seen["imports"][0]["grant"], &seen["imports"][0]["names"]), (&json!("queues"), &queues));
    let made_by = |name: &str| seen["producers"].as_array().unwrap().iter().any(|one| one["name"] == name);
    assert!(made_by("Rust") && made_by("wit-component"), "{seen}");
    let text = place.jobhost(&["plugin", "inspect", "events.wasm"]).run().success();
    text.prints("this host would load it: yes").prints("hooks: after-exec, after-error").prints("queues = [\"QUEUE\"]");
    assert_eq!(place.names(), ["events.wasm"], "looking creates no file");
}

#[test]
fn the_lines_that_inspect_proposes_make_the_plugin_run() {
    let place = Workplace::sqlite();
    let file = copied(&place, "push-follow-up");
    let seen = inspected(&place, &file, 0);
    let lines = seen["config"].as_str().unwrap();
    assert!(lines.contains("queues = [\"QUEUE\"]"), "{lines}");
    place.configure(&format!("[queues.next]\n[queues.work]\n{}", lines.replace("QUEUE", "next")));
    place.push("work", "push-follow-up", "{\"queue\":\"next\",\"name\":\"x\",\"payload\":\"{}\"}");
    let ran = place.run("work");
    assert_eq!(place.counts("work")[3], 1, "{ran}");
    assert_eq!(place.counts("next")[0], 1, "{ran}");
}

#[test]
fn inspect_proposes_the_grants_without_which_a_plugin_is_not_loaded() {
    let place = Workplace::bare();
    for (behaviour, grant, line) in [
        ("read-config", "config", "config = { KEY = \"value\" }"),
        ("reveal-secret", "secrets", "secrets = { NAME = { env = \"VARIABLE\" } }"),
        ("use-bucket", "keyvalue", "keyvalue = [{ bucket = \"BUCKET\", mode = \"rw\" }]"),
    ] {
        let file = copied(&place, behaviour);
        let seen = inspected(&place, &file, 1);
        let need = seen["imports"].as_array().unwrap().iter().find(|need| need["grant"] == grant).unwrap();
        assert_eq!((&need["line"], &need["known"]), (&json!(line), &json!(true)), "{seen}");
        assert!(seen["problems"][0].as_str().unwrap().contains(&format!("add `{line}`")), "{seen}");
        assert!(seen["config"].as_str().unwrap().contains(&format!("\n{line}\n")), "{seen}");
    }
}

#[test]
fn a_file_that_would_not_load_is_told_why_with_exit_code_1() {
    let place = Workplace::bare();
    let good = std::fs::read(guest("echo")).unwrap();
    for (content, reason) in [
        (Vec::new(), "an empty file"),
        (b"hello".to_vec(), "a text file"),
        (b"\0asm\x01\0\0\0".to_vec(), "a core WebAssembly module"),
        (good[..good.len() / 2].to_vec(), "not a valid component"),
        (vec![0; 64 << 20], "a file of unknown format"),
        (vec![0; (64 << 20) + 1], "more than the 67108864 that a component may have"),
        (nested(100_000), "exports nothing that this host calls"),
    ] {
        place.write("x.wasm", content);
        let seen = inspected(&place, "x.wasm", 1);
        let problem = seen["problems"][0].as_str().unwrap();
        assert!(problem.contains(reason) && seen["loads"] == false, "expected `{reason}`: {seen}");
        assert_eq!(seen["config"], "", "{seen}");
        place.jobhost(&["plugin", "inspect", "x.wasm"]).run().exits_with(1).prints(reason).complains_clearly(&[]);
    }
    place.jobhost(&["plugin", "inspect", "none.wasm"]).run().exits_with(1).prints("no such file");
    for (behaviour, reason) in [
        ("misspelt-export", "did you mean `jobhost:plugin/handler@0.1.0`?"),
        ("unknown-import", "imports `example:weather/forecast@1.0.0`, which this host does not have"),
        ("wrong-type", "has the wrong type"),
    ] {
        let file = copied(&place, behaviour);
        let seen = inspected(&place, &file, 1);
        assert!(seen["problems"][0].as_str().unwrap().contains(reason), "{seen}");
        assert!(seen["digest"].is_string() && seen["producers"][0].is_object(), "{seen}");
    }
}

#[test]
fn check_tells_of_every_plugin_and_ends_with_1_where_one_would_not_load() {
    let place = Workplace::sqlite();
    let good = format!("[queues.work]\n[plugins.good]\npath = {}\n", quoted(&guest("push-follow-up")));
    place.configure(&good);
    let checked = place.jobhost(&["plugin", "check", "--json"]).run().success().json();
    assert_eq!((&checked["ok"], &checked["plugins"][0]["name"]), (&json!(true), &json!("good")), "{checked}");
    let missing = "[plugins.good.grants]\nqueues = [\"QUEUE\"]\n";
    assert_eq!(checked["plugins"][0]["config"], missing, "the grant that it has not: {checked}");
    let bad = format!(
        "{good}grants = {{ queues = [\"work\"] }}\n[plugins.bad]\npath = {}\n[plugins.none]\npath = \"none.wasm\"\n\
         [plugins.hook]\npath = {}\n",
        quoted(&guest("wrong-type")),
        quoted(&plugin("copy-asset-events")),
    );
    place.configure(&bad);
    let checked = place.jobhost(&["plugin", "check", "--json"]).run().exits_with(1).json();
    let loads: Vec<_> = checked["plugins"].as_array().unwrap().iter().map(|one| one["loads"].clone()).collect();
    assert_eq!((loads, &checked["ok"]), (vec![true.into(), false.into(), false.into(), true.into()], &json!(false)));
    assert_eq!(checked["plugins"][0]["config"], "", "{checked}");
    assert!(checked["problems"][0]["message"].as_str().unwrap().contains("no queue names it"), "{checked}");
    let text = place.jobhost(&["plugin", "check"]).run().exits_with(1);
    text.prints("plugin bad").prints("has the wrong type").prints("no such file").prints("no queue names it");
    assert_eq!(place.names(), ["jobhost.toml"], "no store is created");
    place.configure("[plugins.good]\npth = \"x\"\n");
    place.jobhost(&["plugin", "check"]).run().exits_with(2).complains_clearly(&["unknown key `plugins.good.pth`"]);
}
