//! What the README shows is what happens.

use std::fs;

use jobhost_tests::{Workplace, repository, run_document};

#[test]
fn the_readme_shows_what_happens() {
    check("README.md");
}

#[test]
fn every_example_does_what_its_readme_shows() {
    let mut examples: Vec<_> =
        fs::read_dir(repository().join("examples")).unwrap().map(|entry| entry.unwrap().path()).collect();
    // Those of a language need its tools.
    examples.retain(|path| path.is_dir() && !super::examples::is_of_a_language(path));
    assert!(!examples.is_empty());
    for example in examples {
        let name = example.file_name().unwrap().to_str().unwrap();
        check(&format!("examples/{name}/README.md"));
    }
}

#[track_caller]
fn check(path: &str) {
    let document = fs::read_to_string(repository().join(path)).unwrap();
    let place = Workplace::bare();
    match run_document(&document, &place.path("")) {
        Ok(commands) => assert!(commands > 0, "{path} shows no command"),
        Err(untruth) => panic!("{path}, {untruth}"),
    }
}
