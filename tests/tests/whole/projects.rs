//! What is around a project when it is built, and whether its sources are what its world says.

use std::fs::File;

use jobhost_tests::{Workplace, wait_until};

use super::making::{FIRST_BUILD, jobhost, made, source_of, unless_missing};

#[test]
fn a_project_below_an_npm_workspace_has_its_packages_for_itself() {
    unless_missing("javascript", |language| {
        let place = made(language, &[]);
        place.write("package.json", r#"{"name": "above", "private": true, "workspaces": ["*"]}"#);
        jobhost(&place, &["plugin", "test", "greet"]).run().success().prints("4 as expected");
        assert!(!place.path("node_modules").exists());
    });
}

#[test]
fn of_two_builds_at_once_the_second_waits_for_the_first() {
    unless_missing("c", |language| {
        let place = made(language, &[]);
        let first = File::open(place.path("greet")).unwrap();
        first.lock().unwrap();
        let out = File::create(place.path("out")).unwrap();
        let mut command = jobhost(&place, &["plugin", "build", "greet"]).into_command();
        let mut second = command.stdout(out.try_clone().unwrap()).stderr(out).spawn().unwrap();
        let printed = || String::from_utf8(place.read("out")).unwrap();
        wait_until("it says that it waits", FIRST_BUILD, || {
            assert!(second.try_wait().unwrap().is_none(), "{}", printed());
            let waits = printed().contains("another build of greet is under way");
            if waits { Ok(()) } else { Err(printed()) }
        });
        assert!(!place.path("greet/build").exists());
        first.unlock().unwrap();
        assert!(second.wait().unwrap().success(), "{}", printed());
    });
}

#[test]
fn javascript_that_does_not_export_what_its_world_does_is_told_what_to_write() {
    unless_missing("javascript", |language| {
        let place = made(language, &[]);
        change(&place, &source_of(language), "export const handler =", "export const handle =");
        jobhost(&place, &["plugin", "build", "greet"]).run().exits_with(1).complains_clearly(&[
            "wit/world.wit exports `handler`, and the sources do not: write `export const handler = defineHandler(…)`",
        ]);
        assert!(!place.path("greet/greet.wasm").exists());
        change(
            &place,
            &source_of(language),
            "export const handle =",
            "export const retryPolicy = 1\nexport const handler =",
        );
        jobhost(&place, &["plugin", "build", "greet"]).run().exits_with(1).complains_clearly(&[
            "the sources export `retry-policy`",
            "add `export jobhost:plugin/retry-policy@0.1.0;`",
        ]);
    });
}

#[test]
fn go_that_does_not_export_what_its_world_does_is_told_what_to_write() {
    unless_missing("go", |language| {
        let place = made(language, &[]);
        let import = "\t\"jobhost-plugin/handler\"\n";
        let more = format!("{import}\t_ \"jobhost-plugin/timetorun\"\n");
        change(&place, &source_of(language), import, &more);
        jobhost(&place, &["plugin", "build", "greet"])
            .run()
            .exits_with(1)
            .complains_clearly(&["the sources export `time-to-run`", "add `export jobhost:plugin/time-to-run@0.1.0;`"]);
        change(&place, &source_of(language), &more, import);
        let hook = "export jobhost:plugin/after-exec@0.1.0;\n}";
        change(&place, "greet/wit/world.wit", "}", hook);
        jobhost(&place, &["plugin", "build", "greet"])
            .run()
            .exits_with(1)
            .complains_clearly(&["wit/world.wit exports `after-exec`, and the sources do not"]);
    });
}

fn change(place: &Workplace, file: &str, from: &str, to: &str) {
    let text = String::from_utf8(place.read(file)).unwrap();
    assert!(text.contains(from), "{file}: {text}");
    place.write(file, text.replace(from, to));
}
