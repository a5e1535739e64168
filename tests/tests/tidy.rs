//! Rules of the repository that no compiler checks: how modules begin and are
//! called, where keys are spelled, who prints, what depends on what.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use jobhost_tests::repository;

const BANNED: [&str; 11] =
    ["util", "utils", "common", "helper", "helpers", "manager", "misc", "core", "data", "impl", "impls"];

#[test]
fn every_module_says_what_it_is_for() {
    let silent: Vec<_> = rust_files(&["host", "plugins", "tests", "xtask"])
        .into_iter()
        .filter(|path| !read(path).trim_start_matches('\u{feff}').starts_with("//!"))
        .collect();
    assert!(silent.is_empty(), "without `//!` in the first line: {silent:#?}");
}

#[test]
fn no_module_has_a_name_that_says_nothing() {
    let nameless: Vec<_> = files(&["host", "plugins", "tests", "xtask"], "rs")
        .into_iter()
        .filter(|path| {
            path.strip_prefix(repository()).unwrap_or(path).iter().any(|part| {
                let part = part.to_string_lossy();
                BANNED.contains(&part.trim_end_matches(".rs"))
            })
        })
        .collect();
    assert!(nameless.is_empty(), "{nameless:#?}");
}

#[test]
fn every_path_in_the_architecture_is_there() {
    let document = read(&repository().join("ARCHITECTURE.md"));
    let all: Vec<String> = everything(repository());
    let is_there = |path: &str| all.iter().any(|found| found.ends_with(&format!("/{path}")));
    let mut named = 0;
    let mut missing = Vec::new();
    for path in paths_of(&document) {
        named += 1;
        if !is_there(&path) {
            missing.push(path);
        }
    }
    assert!(named > 30, "too few paths were found in the document: {named}");
    assert!(missing.is_empty(), "ARCHITECTURE.md names what is not there: {missing:#?}");
}

#[test]
fn every_loss_that_others_know_has_a_test_or_a_reason() {
    let document = read(&repository().join("ARCHITECTURE.md"));
    let section = document.split("\n## ").find(|section| section.starts_with("Losses that others know")).unwrap();
    let rows: Vec<_> = section.lines().filter(|line| line.starts_with("| ")).skip(2).collect();
    assert!(rows.len() > 20, "too few rows were found: {}", rows.len());
    let sources: Vec<_> =
        rust_files(&["host", "tests/tests"]).into_iter().map(|path| (module_of(&path), read(&path))).collect();
    let mut wrong = Vec::new();
    for row in rows {
        let answer = row.trim_end_matches('|').rsplit('|').next().unwrap();
        let named: Vec<_> = answer.split('`').skip(1).step_by(2).collect();
        if named.is_empty() && !answer.trim_start().starts_with("Cannot happen: ") {
            wrong.push(format!("neither a test nor a reason: {row}"));
        }
        wrong.extend(named.iter().filter(|name| !is_test(name, &sources)).map(|name| format!("no test: {name}")));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn tests_are_told_from_what_only_looks_like_them() {
    let source = "#[test]\nfn a() {}\n\nfn b() {}\n\n    #[tokio::test(x)]\n    async fn c() {}\n\
                  on_both_stores! {\n    fn d(place) {\npub async fn e(t: Stage) {";
    let sources = [("m".to_owned(), source.to_owned()), ("list".to_owned(), "{\n                e\n".to_owned())];
    for name in ["m::a", "m::c", "m::d", "m::e"] {
        assert!(is_test(name, &sources), "{name}");
    }
    for name in ["m::b", "m::f", "n::a", "a", ""] {
        assert!(!is_test(name, &sources), "{name}");
    }
    assert!(!is_test("m::e", &sources[..1]), "a promise that is not in the list is no test");
}

#[test]
fn a_redis_key_is_spelled_only_where_keys_are_spelled() {
    let kinds = ["waiting", "delayed", "reserved", "messages", "message_id", "attempts", "moving_lock"];
    let mut strangers = Vec::new();
    for path in rust_files(&["host/queue/src", "host/jobhost/src"]) {
        if path.ends_with("redis/keys.rs") {
            continue;
        }
        for (number, line) in code_of(&path) {
            if kinds.iter().any(|kind| line.contains(&format!(".{kind}\"")) || line.contains(&format!("}}.{kind}"))) {
                strangers.push(format!("{}:{number}: {line}", path.display()));
            }
        }
    }
    assert!(strangers.is_empty(), "keys outside of redis/keys.rs: {strangers:#?}");
}

#[test]
fn every_script_says_its_keys_arguments_and_returns_and_touches_only_its_keys() {
    let scripts = files(&["host/queue/src/redis/scripts"], "lua");
    assert!(scripts.len() > 8, "{scripts:#?}");
    for path in scripts.iter().filter(|path| !path.components().any(|part| part.as_os_str() == "shared")) {
        let text = read(path);
        let header: Vec<_> = text.lines().take_while(|line| line.starts_with("--")).collect();
        for part in ["-- KEYS:", "-- ARGV:", "-- Returns:"] {
            let found = header.iter().filter(|line| line.starts_with(part)).count();
            assert_eq!(found, 1, "{part} in the header of {}", path.display());
        }
    }
    for path in &scripts {
        for (number, line) in read(path).lines().enumerate() {
            let mut calls = line.split("redis.call(").chain(line.split("redis.pcall("));
            let spelled = calls.any(|call| {
                let second = call.split(", ").nth(1).unwrap_or_default();
                call.starts_with('\'') && second.starts_with('\'')
            });
            assert!(!spelled, "{}:{}: a key that is not of KEYS: {line}", path.display(), number + 1);
        }
    }
}

#[test]
fn only_the_command_line_prints() {
    let printing = ["println!", "print!(", "eprint!(", "stdout()", "stderr()"];
    let mut strangers = Vec::new();
    for path in rust_files(&["host/queue/src", "host/runtime/src", "host/jobhost/src"]) {
        if path.starts_with(repository().join("host/jobhost/src/cli")) {
            continue;
        }
        for (number, line) in code_of(&path) {
            if printing.iter().any(|print| line.contains(print)) {
                strangers.push(format!("{}:{number}: {line}", path.display()));
            }
        }
    }
    assert!(strangers.is_empty(), "{strangers:#?}");
}

#[test]
fn the_decision_has_no_clock_no_io_and_no_async() {
    let path = repository().join("host/jobhost/src/worker/decide.rs");
    for (number, line) in code_of(&path) {
        for word in ["async", "await", "Instant", "SystemTime", "tokio", "std::fs", "std::io", "Store"] {
            assert!(!line.contains(word), "{word} in decide.rs:{number}: {line}");
        }
    }
}

#[test]
fn wasmtime_is_named_only_in_the_runtime() {
    let mut strangers = Vec::new();
    for path in rust_files(&["host/queue", "host/jobhost"]) {
        for (number, line) in code_of(&path) {
            if line.contains("wasmtime") {
                strangers.push(format!("{}:{number}: {line}", path.display()));
            }
        }
    }
    for manifest in ["host/queue/Cargo.toml", "host/jobhost/Cargo.toml"] {
        if read(&repository().join(manifest)).contains("wasmtime") {
            strangers.push(manifest.to_owned());
        }
    }
    assert!(strangers.is_empty(), "{strangers:#?}");
}

#[test]
fn the_crates_depend_on_each_other_in_one_direction() {
    for (package, strangers) in [
        ("jobhost-queue", &["wasmtime", "wasmparser", "cranelift-codegen", "jobhost-runtime", "jobhost"][..]),
        ("jobhost-runtime", &["redis", "rusqlite", "libsqlite3-sys", "jobhost-queue", "jobhost"]),
    ] {
        let tree = dependencies(package);
        assert!(tree.len() > 5 && tree.contains(&package.to_owned()), "{tree:?}");
        let found: Vec<_> = tree.iter().filter(|name| strangers.contains(&name.as_str())).collect();
        assert!(found.is_empty(), "{package} depends on {found:?}");
    }
    let all = dependencies("jobhost");
    for needed in ["wasmtime", "redis", "rusqlite", "jobhost-queue", "jobhost-runtime"] {
        assert!(all.iter().any(|name| name == needed), "the words looked for are the right ones: {needed}");
    }
}

/// Whether `module::name` is a test of one of these modules: by its attribute,
/// by the macro that makes one of it, or by the list of a store's promises.
fn is_test(path: &str, sources: &[(String, String)]) -> bool {
    let Some((module, name)) = path.split_once("::") else { return false };
    let call = format!("fn {name}(");
    sources.iter().filter(|(found, _)| found == module).any(|(_, source)| {
        let lines: Vec<_> = source.lines().map(str::trim).collect();
        lines.iter().enumerate().filter(|(_, line)| line.contains(&call)).any(|(index, line)| {
            let before = index.checked_sub(1).map_or("", |index| lines[index]);
            let listed = || sources.iter().any(|(_, source)| source.lines().any(|line| line.trim() == name));
            before.starts_with("#[test]")
                || before.starts_with("#[tokio::test")
                || line.contains("(place)") && source.contains("on_both_stores! {")
                || line.contains("(t: Stage)") && listed()
        })
    })
}

/// The name of a file's module.
fn module_of(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let folder = path.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
    if stem == "mod" { folder } else { stem }
}

/// The names of all packages that it needs to run.
fn dependencies(package: &str) -> Vec<String> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let tree = Command::new(cargo)
        .args(["tree", "--offline", "--edges", "normal", "--prefix", "none", "--format", "{p}", "--package", package])
        .current_dir(repository())
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8(tree.stdout).unwrap();
    tree.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

/// What the document names in backticks and looks like a path, folders with a
/// slash at their end; `folder/` {`a`, `b`} names two files.
fn paths_of(document: &str) -> Vec<String> {
    let mut paths = Vec::new();
    let mut folder: Option<&str> = None;
    // Odd pieces are in backticks, even ones between them. A fence is none.
    let pieces: Vec<_> = document.split('`').collect();
    for (index, piece) in pieces.iter().enumerate() {
        if index % 2 == 0 {
            match piece.trim_start().chars().next() {
                Some('{') => {}
                _ if piece.contains('}') => folder = None,
                Some(',') if folder.is_some() => {}
                _ => folder = None,
            }
            continue;
        }
        let is_path = piece.chars().all(|c| c.is_ascii_alphanumeric() || "._-/".contains(c));
        let opens = pieces.get(index + 1).is_some_and(|next| next.trim_start().starts_with('{'));
        match folder {
            Some(folder) => paths.push(format!("{folder}{piece}.rs")),
            None if is_path => match Path::new(piece).extension().and_then(|extension| extension.to_str()) {
                Some("rs" | "toml" | "lua" | "sql") => paths.push((*piece).to_owned()),
                None if piece.contains('/') => paths.push(format!("{}/", piece.trim_end_matches('/'))),
                _ => {}
            },
            None => {}
        }
        if opens && piece.ends_with('/') {
            folder = Some(piece);
        }
    }
    paths
}

/// All files and folders below, the latter with a slash at their end.
fn everything(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() && !is_foreign(&path) {
            found.push(format!("{}/", path.display()));
            found.extend(everything(&path));
        } else {
            found.push(path.display().to_string());
        }
    }
    found
}

fn is_foreign(folder: &Path) -> bool {
    folder.file_name().is_some_and(|name| {
        ["target", ".git", ".venv", ".zig-cache", "node_modules"].contains(&&*name.to_string_lossy())
    })
}

fn rust_files(folders: &[&str]) -> Vec<PathBuf> {
    let files = files(folders, "rs");
    assert!(!files.is_empty(), "{folders:?}");
    files
}

fn files(folders: &[&str], extension: &str) -> Vec<PathBuf> {
    let all = folders.iter().flat_map(|folder| everything(&repository().join(folder)));
    all.map(PathBuf::from).filter(|path| path.extension().is_some_and(|found| found == extension)).collect()
}

/// The lines that are code, with their numbers: no comments, and nothing after
/// the tests' module begins.
fn code_of(path: &Path) -> Vec<(usize, String)> {
    let is_test = path.iter().any(|part| part == "tests" || part == "tests.rs");
    let text = if is_test { String::new() } else { read(path) };
    text.lines()
        .take_while(|line| line.trim() != "#[cfg(test)]")
        .enumerate()
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(index, line)| (index + 1, line.to_owned()))
        .collect()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn paths_are_found_in_a_document() {
    let sample = "See `a/b.rs`, `x.rs` and `redis/`; `word`, `a::b`; `worker/` {`run`,\n`take`}, `cli/` (all), `no`.";
    assert_eq!(paths_of(sample), ["a/b.rs", "x.rs", "redis/", "worker/", "worker/run.rs", "worker/take.rs", "cli/"]);
}
