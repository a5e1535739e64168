//! What the README shows is what happens.

use std::fs;

use jobhost_tests::{Workplace, repository, run_document};

#[test]
fn the_readme_shows_what_happens() {
    let document = fs::read_to_string(repository().join("README.md")).unwrap();
    let place = Workplace::bare();
    match run_document(&document, &place.path("")) {
        Ok(commands) => assert!(commands > 0, "the README shows no command"),
        Err(untruth) => panic!("README.md, {untruth}"),
    }
}
