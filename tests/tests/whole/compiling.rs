//! Plugins are compiled once for all starts, and what was kept is not trusted blindly.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use jobhost_tests::{PATIENCE, Workplace, guest, replace, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

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
pub(crate) fn expensive(functions: usize, values: usize) -> Vec<u8> {
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

/// A process that compiles for as long as it may, and its child that does.
fn compiling(place: &Workplace, time: &str) -> (Child, Pid) {
    place.write("x.wasm", expensive(1_000, 4_000));
    place.configure_with(&format!(
        "cache = \"off\"\ncompile = {{ time = \"{time}\" }}\n[plugins.x]\npath = \"x.wasm\"\n"
    ));
    let mut command: Command = place.jobhost(&["plugin", "check", "--json"]).env("SECRET", "x").into_command();
    let parent = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let child = compiler_of(parent.id());
    (parent, child)
}

/// The child of a process that compiles, once it has begun.
pub(crate) fn compiler_of(parent: u32) -> Pid {
    wait_until("the compiler", PATIENCE, || {
        let tasks = fs::read_dir(format!("/proc/{parent}/task")).unwrap().flatten();
        let children: String = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok()).collect();
        let child = children.split_whitespace().next().and_then(|child| child.parse().ok());
        // It has lowered its limits when it begins to read.
        let begun = child.filter(|child: &i32| {
            fs::read_to_string(format!("/proc/{child}/limits")).is_ok_and(|limits| {
                limits.lines().any(|line| line.starts_with("Max cpu time") && !line.contains("unlimited"))
            })
        });
        begun.map(Pid::from_raw).ok_or(children)
    })
}

fn is_gone(pid: Pid) -> Result<(), &'static str> {
    // One that has ended and that nobody has asked about yet is a zombie.
    match fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) if !stat.contains(") Z ") => Err("it is there"),
        _ => Ok(()),
    }
}

#[test]
fn the_compilers_process_has_nothing_of_its_parent_is_the_first_to_go_and_does_not_outlive_it() {
    let place = Workplace::sqlite();
    let (mut parent, child) = compiling(&place, "1h");
    let read = |file: &str| fs::read_to_string(format!("/proc/{child}/{file}")).unwrap();
    assert_eq!(read("oom_score_adj").trim(), "1000");
    let environment = read("environ");
    let names: Vec<_> = environment.split_terminator('\0').filter_map(|one| one.split('=').next()).collect();
    assert_eq!(names, ["RAYON_NUM_THREADS"]);
    let open = |process: &str| {
        let entries = fs::read_dir(format!("/proc/{process}/fd")).unwrap().flatten();
        let beyond = entries.filter(|entry| !["0", "1", "2"].contains(&&*entry.file_name().to_string_lossy()));
        beyond.filter_map(|entry| fs::read_link(entry.path()).ok()).collect::<Vec<_>>()
    };
    // What is open in this process may come from whoever started it, and go to all.
    let ours = open("self");
    let beyond: Vec<_> = open(&child.to_string()).into_iter().filter(|target| !ours.contains(target)).collect();
    assert!(beyond.is_empty(), "{beyond:?}");
    parent.kill().unwrap();
    parent.wait().unwrap();
    wait_until("the compiler's end", PATIENCE, || is_gone(child));
}

#[test]
fn a_worker_that_stops_does_not_wait_for_a_plugin_that_is_being_compiled() {
    let place = Workplace::sqlite();
    let path = place.write("it.wasm", fs::read(guest("echo")).unwrap());
    place.configure(
        "cache = 'off'\ncompile = { time = '1h' }\n[queues.work]\n[plugins.it]\npath = 'it.wasm'\njobs = ['*']\n",
    );
    let mut worker = place.listen(&[]);
    replace(&path, &expensive(1_000, 4_000));
    let child = compiler_of(worker.pid());
    // It would go on for an hour.
    kill(child, Signal::SIGSTOP).unwrap();
    let id = place.push("work", "X", "{}");
    worker.wait_for_job("done", &id);
    worker.stop();
    wait_until("the compiler's end", PATIENCE, || is_gone(child));
}

#[test]
fn a_compiler_that_is_killed_or_hangs_is_told_and_leaves_nothing() {
    for (signal, told) in [(Signal::SIGKILL, "signal: 9"), (Signal::SIGSTOP, "it was stopped")] {
        let place = Workplace::sqlite();
        let (parent, child) = compiling(&place, if signal == Signal::SIGKILL { "1h" } else { "3s" });
        kill(child, signal).unwrap();
        let output = parent.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("cannot be compiled within") && said.contains(told), "{said}");
        wait_until("the compiler's end", PATIENCE, || is_gone(child));
    }
}

#[test]
fn a_new_version_whose_compiler_was_killed_is_refused_once_and_in_force_when_it_compiles() {
    let place = Workplace::sqlite();
    let path = place.write("it.wasm", fs::read(guest("echo")).unwrap());
    place.configure("cache = 'off'\n[queues.work]\n[plugins.it]\npath = 'it.wasm'\njobs = ['*']\n");
    let mut worker = place.listen(&[]);
    // It compiles for a second or more: long enough to be met.
    replace(&path, &expensive(300, 4_000));
    // At the second look it is refused.
    for _ in 0..2 {
        let child = compiler_of(worker.pid());
        kill(child, Signal::SIGKILL).unwrap();
        wait_until("the compiler's end", PATIENCE, || is_gone(child));
    }
    let refused = worker.wait_until("a refusal", PATIENCE, |event| event["event"] == "plugin-refused");
    assert!(refused["reason"].as_str().unwrap().contains("signal: 9"), "{refused}");
    let child = compiler_of(worker.pid());
    kill(child, Signal::SIGKILL).unwrap();
    worker.wait_until("the swap", PATIENCE, |event| event["event"] == "plugin-swapped");
    worker.wait_for("plugin-restored");
    let told = worker.stop();
    assert_eq!(told.stdout.matches("plugin-refused").count(), 1, "{told}");
}

#[test]
fn on_a_full_disk_nothing_is_kept_and_plugins_are_compiled_each_time() {
    let place = two_plugins("");
    // Compiled code is larger.
    let checked = place.jobhost(&["plugin", "check"]).files_at_most(10_000, true).run().success();
    assert_eq!(checked.stderr.matches("compiled code cannot be kept").count(), 2, "{checked}");
    assert!(entries(&place).is_empty(), "nothing unfinished stays");
    assert_eq!(start(&place), (2, 0));
}
