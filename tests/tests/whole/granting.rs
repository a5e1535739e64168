//! An author in each language whose plugin sends a request and reads a file, and who knows nothing but what the tool says.

use std::fs;

use jobhost_tests::repository;
use serde_json::json;

use super::making::{Made, unless_missing};
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

/// A handler of `tests/granting`, whose output is the body of an answer and the text of a file.
fn handler(language: &str) -> String {
    let file = match language {
        "python" => "fetch.py",
        "javascript" => "fetch.js",
        "typescript" => "fetch.ts",
        "go" => "fetch.go",
        "c" => "fetch.c",
        "zig" => "fetch.zig",
        other => panic!("there is no handler in {other}"),
    };
    fs::read_to_string(repository().join("tests/granting").join(file)).unwrap()
}

fn granted_by_what_is_said(language: &str) {
    let address = server();
    let place = project(language, &handler(language), "{}");
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
