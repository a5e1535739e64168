//! Plugins in each language that use what they are granted: an author's whose plugin sends a request and reads a file, and who
//! knows nothing but what the tool says; and one's who has settings and a bucket.

use std::fs;

use jobhost_tests::repository;
use serde_json::json;

use super::making::{Made, jobhost, unless_missing};
use super::reaching::{CONFIG, SAMPLE, after, grant, project, server, tested};

const WORLD: &str = "greet/wit/world.wit";

#[test]
fn a_host_and_a_folder_are_granted_by_what_the_tool_says_in_python() {
    unless_missing("python", granted_by_what_is_said);
}

#[test]
fn a_host_and_a_folder_are_granted_by_what_the_tool_says_in_javascript() {
    unless_missing("javascript", granted_by_what_is_said);
}

#[test]
fn a_host_and_a_folder_are_granted_by_what_the_tool_says_in_typescript() {
    unless_missing("typescript", granted_by_what_is_said);
}

#[test]
fn a_host_and_a_folder_are_granted_by_what_the_tool_says_in_go() {
    unless_missing("go", granted_by_what_is_said);
}

#[test]
fn a_host_and_a_folder_are_granted_by_what_the_tool_says_in_c() {
    unless_missing("c", granted_by_what_is_said);
}

#[test]
fn a_host_and_a_folder_are_granted_by_what_the_tool_says_in_zig() {
    unless_missing("zig", granted_by_what_is_said);
}

#[test]
fn settings_and_values_are_used_with_the_library_in_python() {
    unless_missing("python", keeps_values);
}

#[test]
fn settings_and_values_are_used_with_the_library_in_javascript() {
    unless_missing("javascript", keeps_values);
}

#[test]
fn settings_and_values_are_used_with_the_library_in_typescript() {
    unless_missing("typescript", keeps_values);
}

#[test]
fn settings_and_values_are_used_with_the_library_in_go() {
    unless_missing("go", keeps_values);
}

/// A handler of `tests/granting`: `fetch`, whose output is the body of an answer and the text of a file, or `keep`.
fn handler(name: &str, language: &str) -> String {
    let extension = match language {
        "python" => "py",
        "javascript" => "js",
        "typescript" => "ts",
        other => other,
    };
    fs::read_to_string(repository().join("tests/granting").join(format!("{name}.{extension}"))).unwrap()
}

fn keeps_values(language: &str) {
    let place = project(language, &handler("keep", language), "{}");
    if language != "go" {
        import(&place, "import wasi:config/store@0.2.0-rc.1;");
        import(&place, "import wasi:keyvalue/atomics@0.2.0-draft2;");
    }
    grant(&place, r#"config = { greeting = "hi" }"#);
    grant(&place, r#"keyvalue = [{ bucket = "tasks", mode = "rw" }]"#);
    jobhost(&place, &["plugin", "build", "greet"]).run().success();
    for name in ["Ada", "\u{1f980}"] {
        let payload = json!({"name": name}).to_string();
        jobhost(&place, &["push", "greet", &payload, "--queue", "default", "--config", CONFIG]).run().success();
    }
    let words = ["run", "--queue", "default", "--concurrency", "1", "--config", CONFIG];
    jobhost(&place, &words).run().success();
    let status = jobhost(&place, &["status", "default/2", "--json", "--config", CONFIG]).run().success().json();
    let output = json!({
        "greeting": "hi", "absent": null, "settings": {"greeting": "hi"}, "names": ["Ada", "\u{1f980}"],
        "same": {"number": 7}, "sum": -(1_i64 << 41), "count": {"number": 7}, "was": true, "gone": null,
        "half": [null, null],
        "keys": ["count", "names", "sum"], "denied": "keyvalue-denied",
    });
    assert_eq!(status["output"], output, "{status}");
}

fn granted_by_what_is_said(language: &str) {
    let address = server();
    let place = project(language, &handler("fetch", language), "{}");
    place.write(SAMPLE, sample(&format!("http://{address}/")));
    if ["python", "javascript", "typescript"].contains(&language) {
        let told = tested(&place).run().exits_with(1);
        import(&place, &format!("import{}", after(&told.stderr, "add `import")));
    }
    let told = tested(&place).run().exits_with(1);
    let told = told.complains_clearly(&["imports `jobhost:plugin/http@0.1.0`", "which is not granted"]);
    let line = format!("http{}", after(&told.stderr, "to allow it, add `http"));
    grant(&place, &line.replace("https://HOST/PATH/", &format!("http://{address}/")));
    // The address is a private one, which is granted apart.
    let told = tested(&place).run().exits_with(1).prints("the request is not granted");
    grant(&place, &format!("http{}", after(&told.stdout, "to allow it, set `http")));

    let told = tested(&place).run().exits_with(1).prints("folders: none").prints(&format!("in {CONFIG}"));
    let line = format!("fs{}", after(&told.stdout, "to give it one, add `fs")).replace("FOLDER", "data");
    grant(&place, &line);
    place.make_folder("greet/data");
    place.write("greet/data/in.txt", ", found");
    tested(&place).run().success().prints("1 as expected\n");
}

fn sample(url: &str) -> String {
    json!({"payload": {"url": url}, "expect": {"outcome": "done", "output": {"text": "hi, found"}}}).to_string()
}

/// Has the world import it, in the line that stands there as a comment.
fn import(place: &Made, line: &str) {
    let world = String::from_utf8(place.read(WORLD)).unwrap();
    let comment = format!("// {line}\n");
    assert!(world.contains(&comment), "{comment:?} is missing in {world}");
    place.write(WORLD, world.replace(&comment, &format!("{line}\n")));
}
