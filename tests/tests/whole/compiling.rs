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

/// A handler with a module in it of so many functions, each with so many values that live until its end: a small file
/// that is expensive to compile.
fn expensive(functions: usize, values: usize) -> Vec<u8> {
    // Loads of constants, summed up in the end.
    let loads = (0..values).flat_map(|_| [0x41, 0, 0x28, 2, 0]);
    let sums = [0x6a].repeat(values - 1);
    let body: Vec<u8> = [0].into_iter().chain(loads).chain(sums).chain([0x0b]).collect();
    let sized = |content: &[u8]| [leb(content.len()), content.to_vec()].concat();
    let section = |id: u8, content: &[u8]| [vec![id], sized(content)].concat();
    let module = [
        b"\0asm\x01\0\0\0".to_vec(),
        section(1, &[1, 0x60, 0, 1, 0x7f]),
        section(3, &[leb(functions), vec![0; functions]].concat()),
        section(5, &[1, 0, 1]),
        section(10, &[leb(functions), sized(&body).repeat(functions)].concat()),
    ]
    .concat();
    let handler = include_bytes!("../../../host/runtime/tests/guests/signed/handler.wasm");
    [handler.to_vec(), section(1, &module)].concat()
}

/// A number as WebAssembly writes it.
fn leb(mut value: usize) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).unwrap());
    out
}

/// What `plugin check` says of a component that compiles within no such limits.
fn refused(functions: usize, values: usize, limits: &str) -> String {
    let place = Workplace::sqlite();
    place.write("x.wasm", expensive(functions, values));
    place.configure_with(&format!("cache = \"compiled\"\ncompile = {limits}\n[plugins.x]\npath = \"x.wasm\"\n"));
    let checked = place.jobhost(&["plugin", "check", "--json"]).run().exits_with(1).json();
    assert!(entries(&place).is_empty(), "{checked}");
    checked["plugins"][0]["problems"][0].as_str().unwrap().to_owned()
}

#[test]
fn a_plugin_that_takes_too_long_to_compile_is_refused() {
    let why = refused(1_000, 4_000, "{ time = \"1s\" }");
    assert!(
        why.contains("cannot be compiled within 4294967296 bytes of address space and 1 s (it was stopped)"),
        "{why}"
    );
}

#[test]
fn a_plugin_that_takes_too_much_memory_to_compile_is_refused() {
    let why = refused(2, 1_000_000, "{ memory = \"512MiB\", time = \"50s\" }");
    assert!(why.contains("cannot be compiled within 536870912 bytes of address space and 50 s ("), "{why}");
    assert!(!why.contains("it was stopped"), "{why}");
}
