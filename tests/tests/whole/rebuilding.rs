//! When a plugin is built again, and when not. What stands in for a tool here makes no other plugin than the real one did.

use std::fs;
use std::os::unix::fs::symlink;

use jobhost_tests::Finished;

use super::making::{Made, jobhost, made, unless_missing};

fn build(place: &Made) -> Finished {
    jobhost(place, &["plugin", "build", "project"]).run().success()
}

fn was_built(built: &Finished) -> bool {
    built.stderr.contains("building greet (Python)")
}

fn installed(built: &Finished) -> bool {
    built.stderr.contains("installing packages into")
}

fn project_in_python(language: &str) -> Made {
    let place = made(language, &[]);
    fs::rename(place.path("greet"), place.path("project")).unwrap();
    let first = build(&place);
    assert!(was_built(&first) && installed(&first), "{first}");
    place
}

#[test]
fn python_is_built_again_after_any_change_and_only_then() {
    unless_missing("python", |language| {
        let place = project_in_python(language);
        let again = build(&place);
        assert!(!was_built(&again) && !installed(&again), "{again}");
        again.prints("would load it: yes");

        // From now on this is quick. It is a change of what is installed, too.
        fs::copy(place.path("project/greet.wasm"), place.path("kept.wasm")).unwrap();
        let script = "import shutil\nshutil.copyfile('../kept.wasm', 'build/plugin.wasm')\n";
        place.write("project/.venv/bin/componentize-py", script);
        let installed_otherwise = build(&place);
        assert!(was_built(&installed_otherwise) && !installed(&installed_otherwise), "{installed_otherwise}");

        let append = |file: &str, line: &str| {
            let text = String::from_utf8(place.read(file)).unwrap();
            place.write(file, format!("{text}{line}\n"));
        };
        for (file, line) in [
            ("project/src/plugin.py", "# more"),
            ("project/wit/world.wit", "// more"),
            ("project/vendor/jobhost-plugin/jobhost_plugin/job.py", "# more"),
        ] {
            append(file, line);
            let built = build(&place);
            assert!(was_built(&built) && !installed(&built), "{file}: {built}");
            let again = build(&place);
            assert!(!was_built(&again), "{file}: {again}");
        }
        place.write("project/src/new.py", "");
        assert!(was_built(&build(&place)), "a new source");
        fs::remove_file(place.path("project/build/plugin.wasm")).unwrap();
        assert!(was_built(&build(&place)), "what was built is gone");
        place.write("project/build/plugin.wasm", "half of it");
        assert!(was_built(&build(&place)), "what was built was written over");

        place.write("project/more.txt", "");
        append("project/requirements.txt", "-r more.txt");
        for file in ["requirements.txt", "more.txt"] {
            let built = build(&place);
            assert!(installed(&built) && was_built(&built), "{file}: {built}");
            append("project/more.txt", "# more");
        }
        assert!(installed(&build(&place)));
        // Written again with the same in it.
        place.write("project/more.txt", place.read("project/more.txt"));
        place.write("project/src/plugin.py", place.read("project/src/plugin.py"));
        let same = build(&place);
        assert!(!installed(&same) && !was_built(&same), "{same}");
    });
}

#[test]
fn a_project_in_python_that_was_moved_or_whose_interpreter_is_gone_is_built() {
    unless_missing("python", |language| {
        let place = project_in_python(language);
        fs::rename(place.path("project"), place.path("old")).unwrap();
        place.make_folder("elsewhere");
        fs::rename(place.path("old"), place.path("elsewhere/project")).unwrap();
        let build = || jobhost(&place, &["plugin", "build", "elsewhere/project"]).run().success();
        let moved = build();
        assert!(!installed(&moved), "{moved}");
        let source = "elsewhere/project/src/plugin.py";
        let text = String::from_utf8(place.read(source)).unwrap();
        place.write(source, text.replace("Hello, ", "Hi, "));
        let changed = build();
        assert!(was_built(&changed) && !installed(&changed), "{changed}");
        let tested = jobhost(&place, &["plugin", "test", "elsewhere/project"]).run().exits_with(1);
        tested.prints("came out \"Hi, Ada!\"");

        let python = place.path("elsewhere/project/.venv/bin/python");
        fs::remove_file(&python).unwrap();
        symlink("/nowhere/python3", &python).unwrap();
        let mended = build();
        assert!(installed(&mended) && was_built(&mended), "{mended}");
    });
}

#[test]
fn a_large_plugin_is_told_before_it_is_compiled_and_then_found_compiled() {
    unless_missing("javascript", |language| {
        let place = made(language, &[]);
        let told =
            |args: &[&str]| jobhost(&place, args).env("XDG_CACHE_HOME", place.path("cache")).run().success().stderr;
        let first = told(&["plugin", "test", "greet"]);
        assert!(first.contains("jobhost: compiling greet (") && !first.contains("INFO"), "{first}");
        // To build it again would make another one.
        let config = "greet/jobhost.toml";
        let exec = ["exec", "--plugin", "greet/greet.wasm", "{\"name\":\"Ada\"}", "--config", config];
        let again = told(&exec);
        assert!(!again.contains("compiling"), "{again}");
        let settings = String::from_utf8(place.read(config)).unwrap();
        place.write(config, format!("cache = \"off\"\n{settings}"));
        let anew = told(&exec);
        assert!(anew.contains("jobhost: compiling greet (") && !anew.contains("INFO compiled"), "{anew}");
    });
}
