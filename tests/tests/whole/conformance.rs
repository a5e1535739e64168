//! What a handler in each language comes to: the jobs of `tests/conformance`, run in the sandbox by `jobhost plugin test`, and
//! the table that says so.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use jobhost_tests::{Workplace, repository};
use serde_json::{Value, json};

use super::making::{jobhost, made, result, source_of, unless_missing};

/// Bytes of a long payload and of its result, which is all that a job may have.
const LONG: usize = (1 << 20) - 100;
/// The jobs that are too long to write down, or are looked at here.
const MADE_HERE: [&str; 2] = ["long", "random"];
const SUFFIX: &str = ".job.json";
/// What a cell of the table says where a handler comes to what every handler does.
const YES: &str = "yes";

#[test]
fn a_handler_in_rust_comes_to_what_every_handler_does() {
    unless_missing("rust", conforms);
}

#[test]
fn a_handler_in_javascript_comes_to_what_every_handler_does() {
    unless_missing("javascript", conforms);
}

#[test]
fn a_handler_in_typescript_comes_to_what_every_handler_does() {
    unless_missing("typescript", conforms);
}

#[test]
fn a_handler_in_python_comes_to_what_every_handler_does() {
    unless_missing("python", conforms);
}

#[test]
fn a_handler_in_go_comes_to_what_every_handler_does() {
    unless_missing("go", conforms);
}

#[test]
fn a_handler_in_c_comes_to_what_every_handler_does() {
    unless_missing("c", conforms);
}

#[test]
fn a_handler_in_zig_comes_to_what_every_handler_does() {
    unless_missing("zig", conforms);
}

#[test]
fn the_table_has_every_job_and_every_language_and_explains_what_is_not_as_everywhere() {
    let readme = readme();
    let mut jobs: BTreeSet<_> = files(&kit().join("jobs")).iter().filter_map(|file| job_of(file)).collect();
    jobs.extend(MADE_HERE.map(str::to_owned));
    let rows = rows(&readme);
    assert_eq!(rows.iter().map(|row| row[0].trim_matches('`').to_owned()).collect::<BTreeSet<_>>(), jobs);
    for language in ["rust", "javascript", "typescript", "python", "go", "c", "zig"] {
        let instead: BTreeSet<_> = files(&kit().join(language)).iter().filter_map(|file| job_of(file)).collect();
        let noted = cells(&readme, language);
        let noted: BTreeMap<_, _> = noted.into_iter().filter(|(_, cell)| cell != YES).collect();
        assert_eq!(noted.keys().cloned().collect::<BTreeSet<_>>(), instead, "{language}");
        for (job, note) in noted {
            let explained = note.strip_prefix("note ").is_some_and(|number| readme.contains(&format!("\n{number}. ")));
            assert!(explained, "{language}, {job}: `{note}` is no note");
        }
    }
}

/// Runs the jobs of the table, and in place of those that are noted there what the language comes to instead.
fn conforms(language: &str) {
    let readme = readme();
    let place = made(language, &[]);
    for sample in files(&place.path("greet")).iter().filter_map(|file| job_of(file)) {
        fs::remove_file(place.path(&format!("greet/{sample}{SUFFIX}"))).unwrap();
    }
    set_up(&place, language);
    let tested = jobhost(&place, &["plugin", "test", "greet", "--json"]).run().json();
    for (job, cell) in &cells(&readme, language) {
        passes(&tested, job, cell == YES);
        if cell != YES {
            passes(&tested, &format!("{job}-instead"), true);
        }
    }
    tells_what_nobody_caught(language, result(&tested, "uncaught"));

    let random = |name: &str| -> Value { result(&tested, name)["came"]["output"].clone() };
    let (once, again) = (random("random"), random("random-again"));
    assert_ne!(once["numbers"], again["numbers"], "each job has randomness of its own");
    assert_ne!(once["numbers"][0], once["numbers"][1]);
    assert_ne!(once["id"], again["id"]);
}

#[track_caller]
fn passes(tested: &Value, job: &str, expected: bool) {
    let result = result(tested, job);
    let told: String = result["differences"].to_string().chars().take(2000).collect();
    assert_eq!(result["ok"], expected, "{job}: {told}, {}", result["came"]["error"]);
}

/// A panic, an exception or a call of `abort`: its message, and where it was.
fn tells_what_nobody_caught(language: &str, result: &Value) {
    let (message, code, place) = match language {
        "javascript" | "typescript" => ("TypeError", Some("error"), "execute"),
        "python" => ("KeyError: 'absent'", Some("error"), "in run"),
        "go" => ("nil pointer dereference", Some("panic"), "main.run"),
        "rust" => ("nobody catches this", None, "plugin3run"),
        "zig" => ("nobody catches this", None, "handler.exports_jobhost_plugin_handler_execute"),
        "c" => ("unreachable", None, "exports_jobhost_plugin_handler_execute"),
        other => panic!("what does {other} say?"),
    };
    let error = &result["came"]["error"];
    let told = format!("{} {}", error["message"], result["came"]["stderr"]);
    assert!(told.contains(message), "{result}");
    assert_eq!(error["code"].as_str(), code, "{result}");
    // A language that goes on after it has a trace of its own; where the instance ends the host has one.
    let trace = if code.is_some() { &error["details"]["backtrace"] } else { &result["backtrace"] };
    assert!(trace.as_str().unwrap_or_default().contains(place), "{result}");
}

/// Puts the handler and the jobs into the project.
fn set_up(place: &Workplace, language: &str) {
    let source = source_of(language);
    let sources = Path::new(&source).parent().unwrap();
    for file in files(&kit().join(language)) {
        let content = fs::read(kit().join(language).join(&file)).unwrap();
        match job_of(&file) {
            Some(job) => place.write(&format!("greet/{job}-instead{SUFFIX}"), content),
            None => place.write(&sources.join(file).to_string_lossy(), content),
        };
    }
    if language == "rust" {
        replace(place, "greet/Cargo.toml", "[dependencies]\n", "[dependencies]\nserde_json = \"1\"\n");
    } else {
        let everything = "include jobhost:plugin/everything@0.1.0;";
        replace(place, "greet/wit/world.wit", "include jobhost:plugin/job-handler@0.1.0;", everything);
    }
    for file in files(&kit().join("jobs")) {
        place.write(&format!("greet/{file}"), fs::read(kit().join("jobs").join(&file)).unwrap());
    }
    // Quotation marks are what all write alike: as two bytes.
    let piece = "Zoë \"Z\" 🦀 ";
    let text = piece.repeat(LONG / (piece.len() + 2));
    let long = json!({
        "payload": {"do": "echo", "text": text},
        "expect": {"outcome": "done", "output": {"text": text}},
    });
    place.write(&format!("greet/long{SUFFIX}"), long.to_string());
    for name in ["random", "random-again"] {
        place.write(&format!("greet/{name}{SUFFIX}"), json!({"payload": {"do": "random"}}).to_string());
    }
}

fn replace(place: &Workplace, file: &str, from: &str, to: &str) {
    let text = String::from_utf8(place.read(file)).unwrap();
    assert!(text.contains(from), "{file}: {text}");
    place.write(file, text.replace(from, to));
}

fn kit() -> PathBuf {
    repository().join("tests/conformance")
}

fn readme() -> String {
    fs::read_to_string(kit().join("README.md")).unwrap()
}

fn files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let files = entries.filter(|entry| entry.file_type().unwrap().is_file());
    files.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

fn job_of(file: &str) -> Option<String> {
    file.strip_suffix(SUFFIX).map(str::to_owned)
}

/// The rows of the table, a job each, cell by cell.
fn rows(readme: &str) -> Vec<Vec<&str>> {
    readme.lines().filter(|line| line.starts_with("| `")).map(cells_of).collect()
}

fn cells_of(line: &str) -> Vec<&str> {
    line.trim_matches('|').split('|').map(str::trim).collect()
}

/// What the table says of the language, by the jobs.
fn cells(readme: &str, language: &str) -> BTreeMap<String, String> {
    let head = cells_of(readme.lines().find(|line| line.starts_with("| job ")).unwrap());
    let column = head.iter().position(|title| title.eq_ignore_ascii_case(language));
    let column = column.unwrap_or_else(|| panic!("the table has no {language}: {head:?}"));
    let cell = |row: Vec<&str>| (row[0].trim_matches('`').to_owned(), row[column].to_owned());
    rows(readme).into_iter().map(cell).collect()
}
