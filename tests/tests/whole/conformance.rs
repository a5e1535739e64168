//! What a handler in each language comes to, over its guest library: the jobs of `tests/conformance`, run in the sandbox by
//! `jobhost plugin test`.

use std::fs;

use jobhost_tests::repository;
use serde_json::{Value, json};

use super::making::{jobhost, made, result, source_of, unless_missing};

/// Bytes of a long payload.
const LONG: usize = 1 << 20;

#[test]
fn a_handler_in_javascript_comes_to_what_every_handler_does() {
    unless_missing("javascript", |language| conforms(language, "handler.js", "error"));
}

#[test]
fn a_handler_in_typescript_comes_to_what_every_handler_does() {
    unless_missing("typescript", |language| conforms(language, "handler.js", "error"));
}

#[test]
fn a_handler_in_python_comes_to_what_every_handler_does() {
    unless_missing("python", |language| conforms(language, "handler.py", "error"));
}

#[test]
fn a_handler_in_go_comes_to_what_every_handler_does() {
    unless_missing("go", |language| conforms(language, "handler.go", "panic"));
}

/// `uncaught` is the code of what the handler did not catch.
fn conforms(language: &str, handler: &str, uncaught: &str) {
    let table = repository().join("tests/conformance");
    let place = made(language, &[]);
    for sample in ["greets", "no-name", "not-ready", "unicode"] {
        fs::remove_file(place.path(&format!("greet/{sample}.job.json"))).unwrap();
    }
    place.write(&source_of(language), fs::read(table.join(handler)).unwrap());
    let mut jobs = 0;
    for job in fs::read_dir(table.join("jobs")).unwrap() {
        let path = job.unwrap().path();
        place.write(&format!("greet/{}", path.file_name().unwrap().display()), fs::read(&path).unwrap());
        jobs += 1;
    }
    let long = json!({
        "payload": {"do": "length", "text": "a".repeat(LONG)},
        "expect": {"outcome": "done", "output": {"length": LONG}},
    });
    place.write("greet/long.job.json", long.to_string());
    for name in ["random", "random-again"] {
        place.write(&format!("greet/{name}.job.json"), json!({"payload": {"do": "random"}}).to_string());
    }

    let tested = jobhost(&place, &["plugin", "test", "greet", "--json"]).run();
    let tested = tested.success().json();
    assert_eq!(tested["samples"].as_array().unwrap().len(), jobs + 3, "{tested}");
    let error = &result(&tested, "uncaught")["came"]["error"];
    assert_eq!(error["code"], uncaught, "{error}");
    let backtrace = error["details"]["backtrace"].as_str().unwrap_or_default();
    assert!(backtrace.contains("run") || backtrace.contains("execute"), "it says where: {error}");
    let random = |name: &str| -> Value { result(&tested, name)["came"]["output"].clone() };
    let (once, again) = (random("random"), random("random-again"));
    assert_ne!(once["numbers"], again["numbers"], "each job has randomness of its own");
    assert_ne!(once["numbers"][0], once["numbers"][1]);
    assert_ne!(once["id"], again["id"]);
}
