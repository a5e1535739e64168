//! From an idea to a running plugin: `plugin new`, `build` and `test` for each language, with its real tools. `cargo xtask
//! test` installs them and says which it cannot have.

use std::env;
use std::fs::{self, File, Permissions};
use std::ops::Deref;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use jobhost_tests::{Invocation, Workplace, digits_as_zeros, repository, tool_variables, wait_until};
use serde_json::{Value, json};

/// The first build fetches and compiles what the language needs.
pub(super) const FIRST_BUILD: Duration = Duration::from_mins(10);

/// A test for each language, which does nothing where its tools cannot be had.
macro_rules! in_every_language {
    ($(fn $name:ident($language:ident) $body:block)+) => {$(
        fn $name($language: &str) $body

        mod $name {
            use super::unless_missing;

            #[test]
            fn in_rust() {
                unless_missing("rust", super::$name);
            }

            #[test]
            fn in_c() {
                unless_missing("c", super::$name);
            }

            #[test]
            fn in_zig() {
                unless_missing("zig", super::$name);
            }

            #[test]
            fn in_javascript() {
                unless_missing("javascript", super::$name);
            }

            #[test]
            fn in_typescript() {
                unless_missing("typescript", super::$name);
            }

            #[test]
            fn in_go() {
                unless_missing("go", super::$name);
            }

            #[test]
            fn in_python() {
                unless_missing("python", super::$name);
            }
        }
    )+};
}

pub(super) fn unless_missing(language: &str, test: impl FnOnce(&str)) {
    let missing = env::var("JOBHOST_TESTS_WITHOUT").unwrap_or_default();
    if !missing.split(',').any(|name| name == language) {
        test(language);
    }
}

/// `jobhost` in the place, with the tools that `cargo xtask test` installs.
pub(super) fn jobhost(place: &Workplace, args: &[&str]) -> Invocation {
    let command = place.jobhost(args).within(FIRST_BUILD);
    tool_variables().into_iter().fold(command, |command, (name, value)| command.env(name, value))
}

/// A folder for `PATH` with nothing but what those who write this language have installed anyway, so that a build that asks
/// for more fails.
fn ordinary_tools(place: &Workplace, language: &str) -> PathBuf {
    let names: &[&str] = match language {
        // Cargo links macros for this machine.
        "rust" => &["cargo", "rustc", "cc"],
        "c" => &["clang", "make"],
        "javascript" | "typescript" => &["node", "npm"],
        "go" => &["go"],
        // Zig may be a package of Python.
        "python" | "zig" => &["python3"],
        other => panic!("which tools do people have for {other}?"),
    };
    let path = tool_variables().into_iter().find_map(|(name, value)| (name == "PATH").then_some(value)).unwrap();
    let folder = place.make_folder("ordinary-tools");
    for name in names.iter().chain(&["env", "mkdir", "rm", "sh"]) {
        let file = env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file());
        let file = file.unwrap_or_else(|| panic!("there is no `{name}`"));
        let script = folder.join(name);
        // No link: a Python finds its packages by the path that it was started with.
        fs::write(&script, format!("#!/bin/sh\nexec '{}' \"$@\"\n", file.display())).unwrap();
        fs::set_permissions(&script, Permissions::from_mode(0o755)).unwrap();
    }
    folder
}

/// A new project; the place is the folder above it.
pub(super) struct Made {
    place: Workplace,
    /// Cargo tells projects with equal names apart only one after the other, where they share what they compile.
    _turn: File,
}

impl Deref for Made {
    type Target = Workplace;

    fn deref(&self) -> &Workplace {
        &self.place
    }
}

pub(super) fn made(language: &str, options: &[&str]) -> Made {
    let turn = turn(language);
    // What it is made of is then newer than what others left.
    let place = Workplace::bare();
    let words = ["plugin", "new", "greet", "--lang", language];
    jobhost(&place, &[&words, options].concat()).run().success();
    Made { place, _turn: turn }
}

/// Projects of a language are built one after the other.
pub(super) fn turn(language: &str) -> File {
    let turn = File::create(repository().join(format!("target/test-projects-{language}.lock"))).unwrap();
    turn.lock().unwrap();
    turn
}

fn sample_of(place: &Workplace, name: &str) -> Value {
    serde_json::from_slice(&place.read(&format!("greet/{name}.job.json"))).unwrap()
}

/// The results of the samples by the names of their files.
pub(super) fn result<'d>(document: &'d Value, name: &str) -> &'d Value {
    let results = document["samples"].as_array().unwrap();
    let file = format!("{name}.job.json");
    results.iter().find(|result| result["file"].as_str().unwrap().ends_with(&file)).unwrap()
}

in_every_language! {
    fn a_new_handler_builds_with_ordinary_tools_passes_its_samples_and_runs_jobs(language) {
        let place = made(language, &[]);
        let tools = ordinary_tools(&place, language);
        let jobhost = |place: &Workplace, args: &[&str]| jobhost(place, args).env("PATH", &tools);
        let tested = jobhost(&place, &["plugin", "test", "greet", "--json"]).run().success().json();
        assert_eq!(tested["ok"], true, "{tested}");
        assert_eq!(tested["samples"].as_array().unwrap().len(), 4, "{tested}");
        assert_eq!(result(&tested, "greets")["came"]["output"], json!({"text": "Hello, Ada!", "attempt": 1}));

        let built = jobhost(&place, &["plugin", "build", "greet", "--json"]).run().success().json();
        assert_eq!((&built["kind"], &built["loads"]), (&json!("handler"), &json!(true)), "{built}");
        assert_eq!(built["language"], language);
        let most = match language {
            // They bring their engine with them.
            "javascript" | "typescript" => 3_000_000,
            "go" => 10_000_000,
            "python" => 30_000_000,
            // Without debug data they are small.
            _ => 300_000,
        };
        assert!(built["size"].as_u64().unwrap() < most, "{built}");

        let config = "greet/jobhost.toml";
        for payload in [r#"{"name":"Grace"}"#, r#"{"name":"\ud83e\udd80"}"#, r#"{"name":""}"#] {
            jobhost(&place, &["push", "greet", payload, "--queue", "default", "--config", config]).run().success();
        }
        jobhost(&place, &["run", "--queue", "default", "--config", config]).run().success();
        let info = jobhost(&place, &["info", "--json", "--config", config]).run().success().json();
        assert_eq!(info["queues"]["default"]["done"], 2, "{info}");
        assert_eq!(info["queues"]["default"]["failed"], 1, "{info}");
        assert_eq!(info["queues"]["follow-up"]["waiting"], 2, "{info}");
        let status = jobhost(&place, &["status", "default/2", "--json", "--config", config]).run().success().json();
        assert_eq!(status["output"], json!({"text": "Hello, 🦀!", "attempt": 1}), "{status}");
    }

    fn a_new_hook_builds_and_passes_its_samples(language) {
        let place = made(language, &["--hooks"]);
        let tested = jobhost(&place, &["plugin", "test", "greet", "--json"]).run().success().json();
        assert_eq!(tested["ok"], true, "{tested}");
        assert_eq!(result(&tested, "gives-up")["came"]["decision"], json!({"give_up": "nobody will have a name later"}));
        let built = jobhost(&place, &["plugin", "build", "greet"]).run().success();
        built.prints("kind: hook\n").prints("hooks: after-exec, after-error\n").prints("would load it: yes");
    }

    fn a_mistake_in_the_source_is_told_by_the_languages_own_tools(language) {
        let place = made(language, &[]);
        let source = source_of(language);
        let text = String::from_utf8(place.read(&source)).unwrap();
        place.write(&source, format!("{text}\nno such language\n"));
        let built = jobhost(&place, &["plugin", "build", "greet"]).run().exits_with(1);
        let file = PathBuf::from(&source).file_name().unwrap().to_string_lossy().into_owned();
        let word = if language == "javascript" { "ERROR" } else { "rror" };
        built.complains(&file).complains(word).complains("` failed: ");
        assert!(!place.path("greet/greet.wasm").exists());
    }
}

/// The file with the handler.
pub(super) fn source_of(language: &str) -> String {
    if language == "go" {
        return "greet/handler.go".to_owned();
    }
    let file = match language {
        "rust" => "lib.rs",
        "c" => "handler.c",
        "zig" => "handler.zig",
        "javascript" => "handler.js",
        "typescript" => "handler.ts",
        "python" => "plugin.py",
        other => panic!("which file has the handler of {other}?"),
    };
    format!("greet/src/{file}")
}

#[test]
fn a_new_project_overwrites_nothing_and_has_a_name_that_everything_takes() {
    let place = Workplace::bare();
    place.make_folder("taken");
    place.write("taken/file", "mine");
    let new = |args: &[&str]| jobhost(&place, &[&["plugin", "new"], args].concat()).run();
    new(&["taken", "--lang", "rust"])
        .exits_with(1)
        .complains_clearly(&["there is a `taken` already", "choose another"]);
    assert_eq!(place.read("taken/file"), b"mine");
    for name in ["Greet", "../greet", "a b", "serde", "2", &"x".repeat(65)] {
        new(&[name, "--lang", "rust"]).exits_with(2).complains(&format!("`{name}`"));
    }
    assert_eq!(place.names(), ["taken"]);
}

#[test]
fn without_a_terminal_the_language_must_be_said() {
    let place = Workplace::bare();
    let new = jobhost(&place, &["plugin", "new", "greet"]).run().exits_with(2);
    new.complains_clearly(&["--lang", "rust"]);
    jobhost(&place, &["plugin", "new", "greet", "--lang", "cobol"])
        .run()
        .exits_with(2)
        .complains("possible values: rust");
    assert_eq!(place.names(), [""; 0]);
}

#[test]
fn a_missing_tool_is_told_with_the_line_that_installs_it() {
    let told: [(&str, &[&str]); 6] = [
        ("c", &["sudo dnf install make", "doas apk add zig", "brew install zig", "pip install ziglang"]),
        ("rust", &["a plugin in Rust cannot be built here", "missing: Cargo", "rustup target add wasm32-wasip2"]),
        ("javascript", &["missing: Node.js 20 or later", "missing: npm", "sudo apt-get install npm"]),
        ("typescript", &["a plugin in TypeScript cannot be built here", "missing: npm"]),
        ("python", &["missing: Python 3.10 or later, with pip and venv", "sudo apt-get install python3 python3-venv"]),
        ("go", &["missing: Go 1.24 or later", "https://go.dev/dl"]),
    ];
    for (language, parts) in told {
        let place = made(language, &[]);
        let nowhere = place.make_folder("empty");
        let built = jobhost(&place, &["plugin", "build", "greet"]).env("PATH", nowhere).run().exits_with(1);
        built.complains_clearly(parts);
    }
}

#[test]
fn a_folder_that_is_no_project_is_told_apart() {
    let place = Workplace::bare();
    place.make_folder("other");
    let built = jobhost(&place, &["plugin", "build", "other"]).run().exits_with(2);
    built.complains_clearly(&["other: this is no plugin's project", "Cargo.toml (Rust)", "plugin new NAME"]);
    place.write("file", "");
    jobhost(&place, &["plugin", "build", "file"]).run().exits_with(2).complains("file: this is no folder");
    jobhost(&place, &["plugin", "test", "nowhere"]).run().exits_with(2).complains("nowhere: there is no such folder");
}

#[test]
fn a_header_in_c_is_renamed_and_the_next_build_does_not_miss_it() {
    unless_missing("c", |language| {
        let place = made(language, &[]);
        jobhost(&place, &["plugin", "build", "greet"]).run().success();
        fs::rename(place.path("greet/src/json.h"), place.path("greet/src/text.h")).unwrap();
        for file in ["greet/src/handler.c", "greet/src/json.c"] {
            let source = String::from_utf8(place.read(file)).unwrap();
            place.write(file, source.replace("\"json.h\"", "\"text.h\""));
        }
        jobhost(&place, &["plugin", "build", "greet"]).run().success();
    });
}

#[test]
fn a_wrong_sample_is_told_with_its_place_before_anything_is_built() {
    let place = made("rust", &[]);
    place.write("greet/a.job.json", "{\n  \"paylod\": {}\n}\n");
    place.write("greet/b.job.json", "{\"grants\": {\"queus\": [\"follow-up\"]}}");
    let tested = jobhost(&place, &["plugin", "test", "greet"]).run().exits_with(2);
    tested.complains_clearly(&[
        "greet/a.job.json:2:10: unknown field `paylod`, expected one of `name`, `payload`",
        "greet/b.job.json:1:12: unknown key `grants.queus`; did you mean `queues`?",
    ]);
    assert!(!place.path("greet/Cargo.lock").exists(), "it was built");
}

#[test]
fn a_sample_that_asks_for_what_the_plugin_does_not_export_is_told() {
    let place = made("rust", &[]);
    place.write("greet/asks.job.json", r#"{"ask": {"get_ttr": {}}}"#);
    let tested = jobhost(&place, &["plugin", "test", "greet"]).run().exits_with(1);
    tested.complains_clearly(&["greet/asks.job.json: plugin `greet` does not export time-to-run"]);
}

#[test]
fn what_came_out_otherwise_is_told_and_written_when_asked_for() {
    let place = made("rust", &[]);
    let mut wrong = sample_of(&place, "greets");
    wrong["expect"]["output"]["text"] = json!("Hi!");
    wrong["expect"]["pushes"] = json!([]);
    place.write("greet/greets.job.json", wrong.to_string());
    place.write("greet/new.job.json", r#"{"payload": {"name": "Eve"}, "expect": {"outcome": "permanent"}}"#);
    let tested = jobhost(&place, &["plugin", "test", "greet"]).run().exits_with(1);
    let told = digits_as_zeros(&tested.stdout);
    for part in [
        "differs greets.job.json",
        "  output.text\n    expected \"Hi!\"\n    came out \"Hello, Ada!\"\n",
        "  pushes[0]\n    expected nothing\n    came out {\"queue\":\"follow-up\",\"name\":\"announce\"",
        "  outcome\n    expected \"permanent\"\n    came out \"done\"\n",
        "ok      no-name.job.json",
        "0 as expected, 0 differ\n",
    ] {
        assert!(told.contains(part), "{part:?} is missing in {tested}");
    }
    let updated = jobhost(&place, &["plugin", "test", "greet", "--update"]).run().success();
    updated.prints("updated greets.job.json").prints("updated new.job.json").prints("3 as expected, 2 updated\n");
    let greets = sample_of(&place, "greets");
    assert_eq!(greets["expect"]["output"]["text"], "Hello, Ada!");
    assert_eq!(greets["expect"]["pushes"][0]["payload"], json!({"text": "Hello, Ada!"}));
    assert_eq!(sample_of(&place, "new")["expect"]["logs"], json!([{"level": "info", "message": "greeting Eve"}]));
    jobhost(&place, &["plugin", "test", "greet"]).run().success().prints("5 as expected\n");
}

#[test]
fn a_grant_that_is_missing_is_told_with_the_line_to_add() {
    let place = made("rust", &[]);
    let config = String::from_utf8(place.read("greet/jobhost.toml")).unwrap();
    place.write("greet/jobhost.toml", config.replace("queues = [\"follow-up\"]", ""));
    let tested = jobhost(&place, &["plugin", "test", "greet"]).run().exits_with(1);
    tested
        .prints("differs greets.job.json")
        .prints("came out \"temporary\"")
        .prints("refused: plugin `greet` may not push to the queue `follow-up`")
        .prints("set `queues = [\"follow-up\"]` under `[plugins.greet.grants]`")
        .prints("ok      no-name.job.json");
    // A sample's own grants are in force instead.
    let mut sample = sample_of(&place, "greets");
    sample["grants"] = json!({"queues": ["follow-up"]});
    place.write("greet/greets.job.json", sample.to_string());
    jobhost(&place, &["plugin", "test", "greet"]).run().exits_with(1).prints("ok      greets.job.json");
}

#[test]
fn a_project_in_go_below_somebodys_workspace_is_built_all_the_same() {
    unless_missing("go", |language| {
        let place = made(language, &[]);
        place.write("go.work", "go 1.24\n");
        jobhost(&place, &["plugin", "build", "greet"]).run().success();
    });
}

#[test]
fn a_change_of_a_source_is_built_and_tested_while_watched() {
    let place = made("rust", &[]);
    let out = File::create(place.path("out")).unwrap();
    let mut command = jobhost(&place, &["plugin", "test", "greet", "--watch"]).into_command();
    let mut watching = command.stdout(out.try_clone().unwrap()).stderr(out).spawn().unwrap();
    let printed = || String::from_utf8(place.read("out")).unwrap();
    let until = |part: &str| {
        wait_until(part, FIRST_BUILD, || if printed().contains(part) { Ok(()) } else { Err(printed()) });
    };
    until("4 as expected\n");
    let source = String::from_utf8(place.read("greet/src/lib.rs")).unwrap();
    place.write("greet/src/lib.rs", source.replace("Hello, ", "Hi, "));
    until("2 as expected, 2 differ\n");
    assert!(printed().contains("came out \"Hi, Ada!\""), "{}", printed());
    let config = place.read("greet/jobhost.toml");
    place.write("greet/jobhost.toml", "store = ");
    until("jobhost.toml:1:");
    place.write("greet/jobhost.toml", config);
    let again = || printed().matches("2 as expected, 2 differ\n").count();
    wait_until("another round", FIRST_BUILD, || if again() == 2 { Ok(()) } else { Err(printed()) });
    assert!(watching.try_wait().unwrap().is_none(), "it goes on");
    watching.kill().unwrap();
    watching.wait().unwrap();
}
