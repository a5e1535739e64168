//! Guests that use too much of everything: each limit is a setting, what passes it is told by name, and whoever runs
//! beside it does not notice.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::PathBuf;

use jobhost_tests::{Workplace, guest, repository};
use serde_json::Value;

use crate::settings::{one_guest, quoted};

use End::{Fails, IsCut, NoteIsCut};

/// A guest that uses too much, and how that is told.
struct Flooder {
    /// The plugin's and the job's name.
    name: &'static str,
    /// A guest of `tests/guests`, or what is written here in WebAssembly's own words.
    behaviour: &'static str,
    /// What is set, first the limit that is passed.
    limits: &'static str,
    payload: &'static str,
    end: End,
}

/// How it ends.
enum End {
    /// With a cause of this kind, and with these words.
    Fails(&'static str, &'static str),
    /// Well: only the excess is dropped, with these words in the log.
    IsCut(&'static str),
    /// Well: its progress note is cut to so many bytes.
    NoteIsCut(usize),
}

const FLOODERS: [Flooder; 16] = [
    flooder("memory-eater", "eat-memory", "memory = \"8MiB\"", "{}", OUT_OF_MEMORY),
    flooder("memory-grower", "grow-slowly", "memory = \"4MiB\"", "{\"ms\":1}", OUT_OF_MEMORY),
    flooder("many-memories", "(memories)", "memory = \"2MiB\"", "{}", OUT_OF_MEMORY),
    flooder("table-grower", "(tables)", "table-elements = 1000", "{}", Fails("limit", "allowed by `table-elements`")),
    flooder("recursion", "stack-overflow", "stack = \"64KiB\"", "{}", Fails("trapped", "the limit is `stack`")),
    flooder("computer", "loop-forever", "fuel = 1000000", "{}", Fails("out-of-fuel", "the limit is `fuel`")),
    flooder("answer", "huge-output", "output = \"64KiB\"", "{\"bytes\":70000}", Fails("limit", "allowed by `output`")),
    flooder(
        "argument",
        "large-log",
        "host-call-bytes = \"64KiB\"",
        "{\"bytes\":200000}",
        Fails("limit", "the limit `host-call-bytes`"),
    ),
    flooder("holder", "hold-files", "handles = 50", "{\"path\":\"/in/file\"}", Fails("limit", "the limit `handles`")),
    flooder(
        "opener",
        "hold-files",
        "open-files = 50",
        "{\"path\":\"/in/file\"}",
        Fails("limit", "the limit `open-files`"),
    ),
    flooder("pusher", "push-flood", "pushes = 20", PUSH, Fails("returned", "the limit is `pushes`")),
    flooder(
        "large-pusher",
        "push-flood",
        "push-bytes = \"1KiB\"",
        PUSH,
        Fails("returned", "the limit is `push-bytes`"),
    ),
    flooder("printer", "flood-stdout", "stdio = \"1KiB\"", "{}", STDIO),
    flooder("complainer", "flood-stdout", "log-lines = 9", "{\"to\":\"stderr\"}", STDIO),
    flooder(
        "logger",
        "log",
        "log-bytes = \"1KiB\"",
        "{\"lines\":50000}",
        IsCut("one of the limits `log-lines` and `log-bytes`"),
    ),
    flooder("talker", "progress", "note-bytes = \"16B\"", "{\"note\":5000,\"times\":20000}", NoteIsCut(16)),
];

const OUT_OF_MEMORY: End = Fails("out-of-memory", "the limit is `memory`");
const STDIO: End = IsCut("one of the limits `stdio` and `log-lines`");
const PUSH: &str = r#"{"queue":"work","payload":"{}","batch":1}"#;

/// Limits that a plugin passes before it runs: it is not loaded.
const AT_LOAD: [(&str, &str, &str); 4] = [
    ("tables = 1", "(tables)", "needs 2 tables, its limit is 1"),
    ("memories = 1", "(memories)", "needs 3 memories, its limit is 1"),
    ("instances = 1", "echo", "the limit is `instances`"),
    ("component-bytes = \"1KiB\"", "echo", "raise the limit `component-bytes`"),
];

/// Limits of grants: the guests that pass them are with the other tests of the grant.
const ELSEWHERE: [&str; 6] =
    ["bucket-keys", "bucket-value", "http-requests", "http-at-once", "http-sent", "http-received"];

const fn flooder(
    name: &'static str,
    behaviour: &'static str,
    limits: &'static str,
    payload: &'static str,
    end: End,
) -> Flooder {
    Flooder { name, behaviour, limits, payload, end }
}

/// The guest's file; that of a handwritten one is made.
fn component(place: &Workplace, behaviour: &str) -> PathBuf {
    let extra = match behaviour {
        "(memories)" => {
            "(memory $second 1) (memory $third 1) (func $flood (loop $on
                (if (i32.eq (memory.grow $second (i32.const 1)) (i32.const -1)) (then unreachable))
                (if (i32.eq (memory.grow $third (i32.const 1)) (i32.const -1)) (then unreachable)) (br $on)))"
        }
        "(tables)" => {
            "(table $t 1 funcref) (table $u 1 funcref) (func $flood (loop $on
                (if (i32.eq (table.grow $t (ref.null func) (i32.const 100)) (i32.const -1)) (then unreachable))
                (br $on)))"
        }
        behaviour => return guest(behaviour),
    };
    let handler = std::fs::read_to_string(repository().join("host/runtime/tests/guests/handler.wat")).unwrap();
    let text = handler.replace(";; extra", extra).replace("i32.const 1024)", "(block (call $flood)) i32.const 1024)");
    let name = format!("{}.wasm", behaviour.trim_matches(['(', ')']));
    place.write(&name, wat::parse_str(text).unwrap())
}

/// All flooders, and plugins that want nothing special.
fn configure(place: &Workplace, more: &str) {
    place.make_folder("in");
    place.write("in/file", "{}");
    let mut text = format!("{more}\n[queues.work]\n");
    for flooder in &FLOODERS {
        let path = quoted(&component(place, flooder.behaviour));
        let _ = write!(
            text,
            "[plugins.{}]\npath = {path}\nlimits = {{ {} }}\n\
             grants = {{ queues = [\"work\"], fs = [{{ host = \"in\", guest = \"/in\", mode = \"ro\" }}] }}\n",
            flooder.name, flooder.limits
        );
    }
    for neighbour in ["echo", "take-time"] {
        let _ = write!(text, "[plugins.{neighbour}]\npath = {}\n", quoted(&guest(neighbour)));
    }
    place.configure(&text);
}

#[track_caller]
fn check(place: &Workplace, flooder: &Flooder, id: &str, log: &str) {
    let (kind, told) = match flooder.end {
        Fails(kind, told) => (kind, told),
        IsCut(told) => {
            assert_eq!(place.status(id)["state"], "done", "{}", flooder.name);
            assert!(log.contains(told), "{}: {log}", flooder.name);
            return;
        }
        NoteIsCut(length) => {
            let status = place.status(id);
            assert_eq!(status["state"], "done", "{}", flooder.name);
            assert_eq!(status["progress"]["note"].as_str().map(str::len), Some(length), "{status}");
            return;
        }
    };
    let failure = place.failure(id);
    let cause = &failure["record"]["cause"];
    assert_eq!(cause["kind"], kind, "{}: {failure}", flooder.name);
    assert!(cause["message"].as_str().unwrap().contains(told), "{}: {failure}", flooder.name);
    let shown = place.jobhost(&["failed", "show", id]).run().success();
    assert!(shown.stdout.contains(told), "{}: {shown}", flooder.name);
}

on_both_stores! {
    fn what_passes_a_limit_is_told_by_the_limits_name(place) {
        configure(place, "concurrency = 1");
        let ids: Vec<String> =
            FLOODERS.iter().map(|flooder| place.push("work", flooder.name, flooder.payload)).collect();
        let run = place.run("work");
        for (flooder, id) in FLOODERS.iter().zip(&ids) {
            check(place, flooder, id, &run.stderr);
        }
        let lines = |of: &str| run.stderr.lines().filter(|line| line.contains(of)).count();
        assert!(lines("stdout 1") <= 1_024 / "stdout 19999".len(), "{run}");
        assert_eq!(lines("stderr 1"), 8, "the last lines, of which there are nine: {run}");
        assert!(lines(" line ") <= 1_024 / "line 1".len(), "{run}");
    }

    fn flooders_all_at_once_harm_no_neighbour(place) {
        configure(place, "concurrency = 32");
        let mut flooding = Vec::new();
        let mut neighbours = Vec::new();
        for flooder in &FLOODERS {
            flooding.push((flooder, place.push("work", flooder.name, flooder.payload)));
            neighbours.push(place.push("work", "take-time", "{\"ms\":300}"));
        }
        neighbours.push(place.push("work", "echo", "{\"a\":1}"));
        let run = place.run("work");
        for id in &neighbours {
            let status = place.status(id);
            assert_eq!(status["state"], "done", "{status}");
            assert_eq!(status["attempts"], 1, "{status}");
        }
        assert_eq!(place.status(neighbours.last().unwrap())["output"]["a"], 1);
        for (flooder, id) in flooding {
            check(place, flooder, &id, &run.stderr);
        }
    }
}

#[test]
fn a_worker_makes_room_for_the_open_files_that_plugins_may_have() {
    let place = Workplace::sqlite();
    place.make_folder("in");
    place.write("in/file", "{}");
    let grants = "grants = { fs = [{ host = \"in\", guest = \"/in\", mode = \"ro\" }] }\nlimits = { open-files = 200 }";
    one_guest(&place, "hold-files", "", grants);
    let id = place.push("work", "X", "{\"path\":\"/in/file\"}");
    place.jobhost(&["run"]).begins_with_open_files(100).run().success();
    let failure = place.failure(&id);
    assert!(failure["record"]["cause"]["message"].as_str().unwrap().contains("more than 200 files open"), "{failure}");
}

#[test]
fn a_plugin_that_needs_more_than_its_limits_is_refused_by_their_names() {
    let place = Workplace::sqlite();
    for (limit, behaviour, told) in AT_LOAD {
        let path = quoted(&component(&place, behaviour));
        place.configure(&format!("[plugins.it]\npath = {path}\nlimits = {{ {limit} }}\n"));
        place.jobhost(&["run"]).run().exits_with(2).complains_clearly(&[told]);
    }
}

#[test]
fn every_limit_is_shown_and_has_a_guest_that_passes_it() {
    let place = Workplace::sqlite();
    configure(&place, "");
    let check = place.jobhost(&["config", "check", "--json"]).run().success().json();
    let shown: BTreeSet<String> = check["plugins"][0]["limits"].as_object().unwrap().keys().cloned().collect();
    let set = FLOODERS.iter().map(|flooder| flooder.limits).chain(AT_LOAD.iter().map(|(limit, ..)| *limit));
    let passed: BTreeSet<String> = set.chain(ELSEWHERE).map(|limit| json_name(&shown, limit)).collect();
    assert_eq!(shown, passed);
    let text = place.jobhost(&["config", "check"]).run().success();
    for line in ["memory: 8MiB", "table-elements: 1000", "fuel: 0 (none)", "log-lines: 1000", "note-bytes: 16B"] {
        assert!(text.stdout.contains(line), "{line}: {text}");
    }
    let value = |index: usize, name: &str| -> &Value { &check["plugins"][index]["limits"][name] };
    assert_eq!((value(0, "memory_bytes"), value(3, "table_elements")), (&(8 << 20).into(), &1_000.into()));
}

/// The name in JSON of the limit that a line sets.
fn json_name(shown: &BTreeSet<String>, line: &str) -> String {
    let key = line.split(" = ").next().unwrap().replace('-', "_");
    if shown.contains(&key) { key } else { format!("{key}_bytes") }
}
