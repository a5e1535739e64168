//! The example in each language: one handler, with the same jobs and a README of the same outline, in the project that `plugin
//! new` makes.

use std::fs;
use std::path::{Path, PathBuf};

use jobhost_tests::{Surroundings, Workplace, repository, run_document_in, tool_variables};

use super::making::{FIRST_BUILD, jobhost, turn, unless_missing};

const LANGUAGES: [&str; 7] = ["c", "go", "javascript", "python", "rust", "typescript", "zig"];
/// What all of them share: the jobs and the configuration.
const SHARED: &str = "receipt-jobs";
/// What an example has of its own, below its folder.
const OWN: [&str; 9] = [
    "README.md",
    "jobhost.toml",
    "handler.go",
    "src/handler.c",
    "src/handler.js",
    "src/handler.ts",
    "src/handler.zig",
    "src/lib.rs",
    "src/plugin.py",
];

/// Whether the folder belongs to an example in several languages.
pub(super) fn is_of_a_language(folder: &Path) -> bool {
    let name = folder.file_name().unwrap().to_string_lossy();
    name == SHARED || LANGUAGES.contains(&&*name)
}

fn example(language: &str) -> PathBuf {
    repository().join("examples").join(language)
}

fn text_of(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_example_in_c_does_what_its_readme_shows() {
    unless_missing("c", does_what_its_readme_shows);
}

#[test]
fn the_example_in_go_does_what_its_readme_shows() {
    unless_missing("go", does_what_its_readme_shows);
}

#[test]
fn the_example_in_javascript_does_what_its_readme_shows() {
    unless_missing("javascript", does_what_its_readme_shows);
}

#[test]
fn the_example_in_python_does_what_its_readme_shows() {
    unless_missing("python", does_what_its_readme_shows);
}

#[test]
fn the_example_in_rust_does_what_its_readme_shows() {
    unless_missing("rust", does_what_its_readme_shows);
}

#[test]
fn the_example_in_typescript_does_what_its_readme_shows() {
    unless_missing("typescript", does_what_its_readme_shows);
}

#[test]
fn the_example_in_zig_does_what_its_readme_shows() {
    unless_missing("zig", does_what_its_readme_shows);
}

fn does_what_its_readme_shows(language: &str) {
    let _turn = turn(language);
    let folder = example(language);
    forget_jobs(&folder);
    let mut variables = tool_variables();
    // As `Workplace` has it, so that what was compiled is found by what follows.
    variables.push(("XDG_CACHE_HOME", repository().join("target/test-cache").into()));
    // Not with the projects that are made: the core modules of all have one name, and Cargo takes the last one that was made
    // for that of a project whose sources are older.
    variables.push(("CARGO_BUILD_BUILD_DIR", repository().join("target/test-examples").into()));
    let surroundings = Surroundings { folder: &folder, variables: &variables, patience: FIRST_BUILD };
    let shown = run_document_in(&text_of(&folder.join("README.md")), &surroundings);
    forget_jobs(&folder);
    if let Err(untruth) = shown {
        panic!("examples/{language}/README.md, {untruth}");
    }
}

/// The README begins with an empty store.
fn forget_jobs(folder: &Path) {
    for name in ["jobhost.db", "jobhost.db-wal", "jobhost.db-shm"] {
        let _ = fs::remove_file(folder.join(name));
    }
}

fn shared_jobs() -> Vec<PathBuf> {
    let files = fs::read_dir(repository().join("examples").join(SHARED)).unwrap();
    let mut files: Vec<_> = files.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.to_string_lossy().ends_with(".job.json"));
    assert!(!files.is_empty());
    files
}

#[test]
fn the_examples_have_the_same_jobs_and_configuration() {
    let mut shared = shared_jobs();
    shared.push(repository().join("examples").join(SHARED).join("jobhost.toml"));
    for language in LANGUAGES {
        for path in &shared {
            let own = example(language).join(path.file_name().unwrap());
            assert_eq!(text_of(&own), text_of(path), "{}", own.display());
        }
        let jobs = fs::read_dir(example(language)).unwrap().map(|entry| entry.unwrap().file_name());
        let jobs = jobs.filter(|name| name.to_string_lossy().ends_with(".job.json")).count();
        assert_eq!(jobs, shared.len() - 1, "examples/{language} has jobs of its own");
    }
}

#[test]
fn the_readmes_of_the_examples_have_the_same_outline() {
    let outline = |language: &str| {
        let readme = text_of(&example(language).join("README.md"));
        readme.lines().filter(|line| line.starts_with("## ")).map(str::to_owned).collect::<Vec<_>>()
    };
    let expected = outline("rust");
    assert_eq!(expected, ["## What it is", "## Build", "## Test", "## Run", "## What a job costs"]);
    for language in LANGUAGES {
        assert_eq!(outline(language), expected, "examples/{language}/README.md");
    }
}

#[test]
fn the_examples_are_projects_as_plugin_new_makes_them() {
    for language in LANGUAGES {
        let place = Workplace::bare();
        jobhost(&place, &["plugin", "new", "receipt", "--lang", language]).run().success();
        let mut compared = 0;
        for path in files_below(&place.path("receipt"), "") {
            // The guest crate is the repository's, where an example needs no copy.
            let vendored = language == "rust" && path.starts_with("vendor/");
            // These say by whom the interfaces were made; the repository has them once.
            let notice = ["wit/deps/LICENSE", "wit/deps/README.md"].contains(&path.as_str());
            let bindings = path.starts_with("bindings/");
            if OWN.contains(&path.as_str()) || path.ends_with(".job.json") || vendored || notice || bindings {
                continue;
            }
            let made = String::from_utf8(place.read(&format!("receipt/{path}"))).unwrap();
            let own = text_of(&example(language).join(&path));
            assert_eq!(own, with_own_lines(language, &path, made), "examples/{language}/{path}");
            compared += 1;
        }
        assert!(compared >= 3, "too little was compared in {language}: {compared}");
    }
}

/// A file of a new project with the lines that the example changes.
fn with_own_lines(language: &str, path: &str, made: String) -> String {
    let (line, own) = match (language, path) {
        ("rust", "Cargo.toml") => ("\"vendor/jobhost-plugin\"", "\"../../plugins/jobhost-plugin\""),
        ("javascript" | "typescript", "wit/world.wit") => (
            "    import wasi:random/random@0.2.0;\n",
            "    import wasi:random/random@0.2.0;\n    import wasi:cli/environment@0.2.0;\n",
        ),
        _ => return made,
    };
    assert!(made.contains(line), "{language}, {path}: {made}");
    made.replace(line, own)
}

/// The paths of all files, from the folder on.
fn files_below(folder: &Path, prefix: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = format!("{prefix}{}", path.file_name().unwrap().display());
        if path.is_dir() {
            found.extend(files_below(&path, &format!("{name}/")));
        } else {
            found.push(name);
        }
    }
    found
}
