//! Plugins are compiled once for all starts, and what was kept is not trusted blindly.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use jobhost_tests::{Workplace, guest};

use crate::settings::quoted;

/// A place with two plugins and a folder of its own for compiled code.
fn two_plugins(more: &str) -> Workplace {
    let place = Workplace::sqlite();
    place.configure_with(&format!(
        "cache = \"compiled\"\n{more}\n[plugins.one]\npath = {}\n[plugins.two]\npath = {}\nlimits = {{ fuel = 1000000000 }}\n",
        quoted(&guest("echo")),
        quoted(&guest("trap")),
    ));
    place
}

/// How many plugins a start compiled, and how many it found compiled.
fn start(place: &Workplace) -> (usize, usize) {
    let run = place.jobhost(&["run", "--log-format", "json"]).env("RUST_LOG", "jobhost_runtime=debug").run().success();
    let count = |message: &str| run.stderr.matches(&format!("\"message\":\"{message}\"")).count();
    (count("compiled"), count("loaded from cache"))
}

/// The files of compiled code.
fn entries(place: &Workplace) -> Vec<PathBuf> {
    let mut entries: Vec<_> =
        fs::read_dir(place.path("compiled")).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries
}

#[test]
fn a_second_start_compiles_nothing() {
    let place = two_plugins("");
    assert_eq!(start(&place), (2, 0));
    assert_eq!(start(&place), (0, 2));
    let mode = fs::metadata(place.path("compiled")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let off = place.path("jobhost.toml");
    fs::write(&off, fs::read_to_string(&off).unwrap().replace("\"compiled\"", "\"off\"")).unwrap();
    assert_eq!(start(&place), (2, 0));
}

#[test]
fn what_is_broken_or_exchanged_in_the_cache_is_compiled_anew() {
    let place = two_plugins("");
    assert_eq!(start(&place), (2, 0));
    let [one, two] = <[PathBuf; 2]>::try_from(entries(&place)).unwrap();
    let good = fs::read(&one).unwrap();
    let mut flipped = good.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    fs::write(&one, flipped).unwrap();
    fs::write(&two, &good).unwrap();
    assert_eq!(start(&place), (2, 0));
    fs::write(&one, &good[..good.len() / 2]).unwrap();
    fs::write(&two, "").unwrap();
    assert_eq!(start(&place), (2, 0));
    assert_eq!(start(&place), (0, 2));
}

#[test]
fn a_folder_that_others_may_write_to_is_refused() {
    let place = two_plugins("");
    place.make_folder("compiled");
    fs::set_permissions(place.path("compiled"), Permissions::from_mode(0o777)).unwrap();
    let refused = place.jobhost(&["run"]).run().exits_with(2);
    refused.complains_clearly(&["cache: ", "may be written to by others (mode 777)", "chmod 700"]);
    fs::set_permissions(place.path("compiled"), Permissions::from_mode(0o700)).unwrap();
    assert_eq!(start(&place), (2, 0));
}
