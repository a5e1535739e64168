//! The runtime against real guests. Each guest of `tests/guests/behaviours` has a module of its name in one of these
//! files, or is used by a test of the whole program, which the last test here makes sure of.

#![expect(clippy::unwrap_used, reason = "the functions that the tests share are tests too, which clippy does not see")]

mod answers;
mod calling;
mod effects;
mod ends;
mod files;
mod harness;
mod hooks;
mod http_server;
mod limits;
mod loading;
mod requests;
mod requests_addresses;
mod requests_cost;
mod requests_tls;

/// The sources of the tests.
const TESTS: [&str; 8] = [
    include_str!("answers.rs"),
    include_str!("effects.rs"),
    include_str!("ends.rs"),
    include_str!("files.rs"),
    include_str!("hooks.rs"),
    include_str!("limits.rs"),
    include_str!("loading.rs"),
    include_str!("requests.rs"),
];

#[test]
fn every_guest_has_a_module_of_tests_with_its_name() {
    let folder = harness::guests_folder().join("behaviours");
    let whole: Vec<String> = ["../tests/whole", "../src/chaos"]
        .into_iter()
        .flat_map(|folder| std::fs::read_dir(harness::guests_folder().join(folder)).unwrap())
        .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    let untested: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| {
            let module = format!("mod {} {{", name.replace('-', "_"));
            let loads = format!("\"{name}\"");
            !TESTS.iter().any(|test| test.contains(&module) && test.contains(&loads))
                && !whole.iter().any(|test| test.contains(&loads))
        })
        .collect();
    assert!(untested.is_empty(), "guests without a module of tests: {untested:?}");
}
