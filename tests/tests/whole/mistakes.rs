//! What becomes of what plugins say by mistake where their language does not keep them from it: an error that says so, and
//! never a decision that nobody made. The plugins are in `tests/mistakes`.

use std::fs;

use jobhost_tests::repository;
use serde_json::{Value, json};

use super::making::{Made, jobhost, made, result, source_of, unless_missing};

/// What each of them does with halves of characters.
const REPLACED: &str = "a\u{fffd}";

#[test]
fn in_javascript_a_mistake_is_an_error_and_no_decision() {
    unless_missing("javascript", |language| {
        let tested = tested(
            language,
            &[
                ("halves", json!({})),
                ("progress", json!({})),
                ("no-name", json!({})),
                ("no-delay", json!({})),
                ("no-list", json!({})),
                ("no-time", json!({})),
                ("ttr", json!({"ask": {"get_ttr": {}}})),
                ("policy", json!({"ask": {"can_retry": {"cause": {"outcome": "trapped"}}}})),
                ("half", json!({"hook": {"before_push": {}}})),
                ("no-decision", json!({"hook": {"before_push": {}}})),
                ("fraction", json!({"hook": {"before_exec": {}}})),
                ("word", json!({"hook": {"before_exec": {}}})),
                ("promise", json!({"hook": {"after_exec": {}}})),
                ("misspelt", json!({"hook": {"after_error": {"cause": {"outcome": "trapped"}}}})),
            ],
        );
        takes_halves(&tested, REPLACED);
        assert_eq!(came(&tested, "halves")["logs"][0]["message"], REPLACED);
        takes_any_progress(&tested);
        fails(
            &tested,
            "no-name",
            "temporary",
            "PushError: invalid: the name of a draft must be a string, not undefined",
        );
        fails(&tested, "no-delay", "temporary", "PushError: invalid: expected a number of milliseconds, found NaN");
        fails(&tested, "no-list", "temporary", "is not iterable");
        fails(&tested, "no-time", "temporary", "expected a number of milliseconds, found NaN");
        traps(&tested, "ttr", "expected a number of seconds, found NaN");
        traps(&tested, "policy", "it returned a promise");
        assert_eq!(came(&tested, "half")["decision"], json!({"reject": REPLACED}));
        fails(&tested, "no-decision", "failed", "false is no decision; answer nothing, 'accept',");
        assert_eq!(came(&tested, "fraction")["decision"], json!({"postpone_ms": 2}));
        fails(&tested, "word", "failed", "skip is no decision");
        fails(&tested, "promise", "failed", "it returned a promise");
        fails(&tested, "misspelt", "failed", "{\"retry_after\":5} is no decision");
    });
}

#[test]
fn in_python_a_mistake_is_an_error_and_no_decision() {
    unless_missing("python", |language| {
        let long = "9".repeat(5000);
        let jobs = [
            ("halves", json!({})),
            ("progress", json!({})),
            ("no-name", json!({})),
            ("no-delay", json!({})),
            ("nested", json!({})),
            ("no-time", json!({})),
            ("size", json!({"payload": {"do": "size", "size": {"width": -1}}})),
            (
                "digits",
                serde_json::from_str(&format!("{{\"payload\": {{\"do\": \"a\", \"number\": {long}}}}}")).unwrap(),
            ),
            ("ttr", json!({"payload": {"seconds": 5}, "ask": {"get_ttr": {}}})),
            ("policy", json!({"ask": {"can_retry": {"cause": {"outcome": "trapped"}}}})),
            ("half", json!({"hook": {"before_push": {}}})),
            ("no-decision", json!({"hook": {"before_push": {}}})),
            ("number", json!({"hook": {"before_exec": {}}})),
            ("word", json!({"hook": {"before_exec": {}}})),
            ("decided", json!({"hook": {"after_error": {"cause": {"outcome": "trapped"}}}})),
        ];
        let place = project(language, &jobs);
        let tested = jobhost(&place, &["plugin", "test", "greet", "--json"]).run().json();
        takes_halves(&tested, "a?");
        takes_any_progress(&tested);
        fails(&tested, "no-name", "temporary", "PushError: invalid: the name of a draft must be a string, not None");
        fails(&tested, "no-delay", "temporary", "PushError: invalid: expected a timedelta, found 5");
        assert_eq!(came(&tested, "nested")["output"], json!({"sizes": [{"width": 2}]}));
        assert_eq!(came(&tested, "nested")["pushes"][0]["payload"], json!({"sizes": [{"width": 1}]}));
        fails(&tested, "no-time", "temporary", "TypeError: expected a timedelta, found 5");
        fails(&tested, "size", "permanent", "the payload of greet: size: a width is not negative");
        fails(&tested, "digits", "permanent", "Exceeds the limit");
        traps(&tested, "ttr", "expected a timedelta, found 5");
        traps(&tested, "policy", "'retry' is no decision");
        assert_eq!(came(&tested, "half")["decision"], json!({"reject": "a?"}));
        fails(&tested, "no-decision", "failed", "False is no decision; return None, Replace or Reject");
        fails(&tested, "number", "failed", "expected a timedelta, found 5");
        fails(&tested, "word", "failed", "'skip' is no decision; return None, Skip, Postpone or Fail");
        fails(&tested, "decided", "failed", "'retry' is no decision");

        // What nothing would run is told when the plugin is made.
        let source = source_of(language);
        let text = String::from_utf8(place.read(&source)).unwrap();
        place.write(&source, text.replace("def done(", "async def done("));
        let built = jobhost(&place, &["plugin", "build", "greet"]).run().exits_with(1);
        built.complains("plugin.done is `async`; write it without");
        place.write(&source, &text);
        let world = String::from_utf8(place.read("greet/wit/world.wit")).unwrap();
        place.write("greet/wit/world.wit", world.replace("plugin/everything@", "plugin/job-handler@"));
        let built = jobhost(&place, &["plugin", "build", "greet"]).run().exits_with(1);
        built.complains(
            "wit/world.wit does not export what plugin.ttr is for; add `export jobhost:plugin/time-to-run@0.1.0;`",
        );
    });
}

#[test]
fn in_go_a_mistake_is_an_error_and_no_decision() {
    unless_missing("go", |language| {
        let tested = tested(
            language,
            &[
                ("halves", json!({})),
                ("nil", json!({})),
                ("bare", json!({})),
                ("ttr", json!({"ask": {"get_ttr": {}}})),
                ("policy", json!({"ask": {"can_retry": {"cause": {"outcome": "trapped"}}}})),
                ("before-push", json!({"hook": {"before_push": {}}})),
                ("before-exec", json!({"hook": {"before_exec": {}}})),
                ("after-exec", json!({"hook": {"after_exec": {}}})),
                ("after-error", json!({"hook": {"after_error": {"cause": {"outcome": "trapped"}}}})),
            ],
        );
        takes_halves(&tested, REPLACED);
        fails(&tested, "nil", "temporary", "a nil *JobError");
        assert_eq!(came(&tested, "bare")["error"]["details"], json!({"path": "a.b"}));
        assert_eq!(came(&tested, "ttr")["decision"], json!({"ttr": u32::MAX}));
        assert_eq!(came(&tested, "policy")["decision"], json!({"retry_after_ms": 0}));
        for hook in ["before-push", "before-exec", "after-exec", "after-error"] {
            fails(&tested, hook, "failed", REPLACED);
        }
        let trace = &came(&tested, "before-exec")["stderr"];
        assert!(trace.as_str().unwrap().contains("handler.go"), "{trace}");
    });
}

/// What came of the jobs, which say what they do by their names.
fn tested(language: &str, jobs: &[(&str, Value)]) -> Value {
    jobhost(&project(language, jobs), &["plugin", "test", "greet", "--json"]).run().json()
}

fn project(language: &str, jobs: &[(&str, Value)]) -> Made {
    let place = made(language, &[]);
    for sample in ["greets", "no-name", "not-ready", "unicode"] {
        fs::remove_file(place.path(&format!("greet/{sample}.job.json"))).unwrap();
    }
    let source = source_of(language);
    let file = source.rsplit('/').next().unwrap();
    place.write(&source, fs::read(repository().join("tests/mistakes").join(language).join(file)).unwrap());
    let world = String::from_utf8(place.read("greet/wit/world.wit")).unwrap();
    place.write("greet/wit/world.wit", world.replace("plugin/job-handler@", "plugin/everything@"));
    for (name, job) in jobs {
        let mut job = job.clone();
        if job.get("payload").is_none() {
            job["payload"] = json!({"do": name});
        }
        place.write(&format!("greet/{name}.job.json"), job.to_string());
    }
    place
}

fn came<'d>(tested: &'d Value, job: &str) -> &'d Value {
    &result(tested, job)["came"]
}

#[track_caller]
fn fails(tested: &Value, job: &str, outcome: &str, message: &str) {
    let came = came(tested, job);
    assert_eq!(came["outcome"], outcome, "{job}: {came}");
    assert!(came["error"]["message"].as_str().unwrap_or_default().contains(message), "{job}: {came}");
}

/// A policy has no other way to fail; what it said is on stderr.
#[track_caller]
fn traps(tested: &Value, job: &str, message: &str) {
    let came = came(tested, job);
    assert_eq!(came["outcome"], "trapped", "{job}: {came}");
    assert!(came["stderr"].as_str().unwrap_or_default().contains(message), "{job}: {came}");
}

#[track_caller]
fn takes_halves(tested: &Value, replaced: &str) {
    let came = came(tested, "halves");
    assert_eq!(came["outcome"], "done", "{came}");
    assert_eq!(came["progress"][0]["note"], replaced, "{came}");
    assert_eq!(came["pushes"][0]["name"], replaced, "{came}");
    assert_eq!(came["pushes"][0]["metadata"], json!({replaced: replaced}), "{came}");
}

#[track_caller]
fn takes_any_progress(tested: &Value) {
    let progress = &came(tested, "progress")["progress"];
    let expected = json!([{"done": 0, "total": u32::MAX}, {"done": 1, "total": 3_000_000_000_u32}]);
    assert_eq!(*progress, expected, "{}", came(tested, "progress"));
}
