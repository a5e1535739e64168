//! Plugins that are refused, and what is said about it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jobhost_runtime::{FsGrant, FsMode, Limits, Plugin, PluginSettings, inspect};

use crate::harness::{engine, guest, plugin, refusal, refusal_with};

/// A file with this content; it lives as long as the folder.
fn file(content: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("thumbs.wasm");
    std::fs::write(&path, content).unwrap();
    (folder, path)
}

/// The refusal of a file with this content.
fn refused(content: &[u8]) -> String {
    let (_folder, path) = file(content);
    let text = refusal(&path);
    let head = format!("plugin `thumbs`: {}: ", path.display());
    text.strip_prefix(&head).unwrap_or_else(|| panic!("{text}")).to_owned()
}

/// A component in text form.
fn component(body: &str) -> Vec<u8> {
    wat::parse_str(format!("(component {body})")).unwrap()
}

#[test]
fn what_is_no_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let missing = refusal(&folder.path().join("absent.wasm"));
    assert!(missing.ends_with("absent.wasm: no such file; build the plugin or correct its path"), "{missing}");
    assert!(refusal(folder.path()).contains("not a file"));
    std::fs::write(folder.path().join("file"), "").unwrap();
    let text = refusal(&folder.path().join("file/thumbs.wasm"));
    assert!(text.contains("cannot be read: ") && text.ends_with("; correct its path or make it readable"), "{text}");
    // It never comes to an end.
    assert!(refusal(Path::new("/dev/zero")).contains("not a file"));
    // Opening it would wait for somebody who writes.
    let pipe = folder.path().join("pipe.wasm");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert!(refusal(&pipe).contains("not a file"));
    let socket = folder.path().join("socket.wasm");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    assert!(refusal(&socket).contains("not a file"));
}

#[test]
fn what_is_not_webassembly_is_refused_with_a_guess_at_what_it_is() {
    assert!(refused(b"").contains("an empty file"));
    assert!(refused(b"{\"a\": 1}").contains("a text file"));
    assert!(refused(b"(module)").contains("text form"));
    assert!(refused(b"\x7fELF\x02\x01").contains("a native program or library"));
    assert!(refused(b"PK\x03\x04\x14").contains("a zip archive"));
    assert!(refused(b"\x1f\x8b\x08").contains("a compressed file"));
    assert!(refused(&[0xff, 0xfe, 0, 1]).contains("unknown format"));
    assert!(refused(b"\0asm\x07\0\0\0").contains("version that is not known"));
}

#[test]
fn a_core_module_is_refused_with_the_way_to_a_component() {
    let text = refused(&wat::parse_str("(module)").unwrap());
    assert!(text.contains("a core WebAssembly module") && text.contains("wasm32-wasip2"), "{text}");
}

#[test]
fn a_precompiled_artefact_is_refused() {
    // The engine's own compiler makes one; it is an ELF file with a section that only the engine writes.
    let artefact = precompiled();
    let text = refused(&artefact);
    assert!(text.contains("a precompiled artefact"), "{text}");
}

fn precompiled() -> Vec<u8> {
    let engine = wasmtime::Engine::default();
    engine.precompile_component(&component("")).unwrap()
}

#[test]
fn a_broken_component_is_refused() {
    let mut bytes = std::fs::read(guest("echo")).unwrap();
    let middle = bytes.len() / 2;
    bytes.truncate(middle);
    let text = refused(&bytes);
    assert!(text.starts_with("not a valid component: ") && text.ends_with("; build it or copy it again"), "{text}");
    // Valid as far as sections go, but its code is not.
    let mut bytes = component(
        r#"(core module (func (result i32) i32.const 1))
        (instance $i) (export "jobhost:plugin/handler@0.1.0" (instance $i))"#,
    );
    let code = bytes.windows(2).position(|pair| pair == [0x41, 1]).unwrap();
    bytes[code] = 0x42;
    let text = refused(&bytes);
    assert!(text.starts_with("not a valid component: "), "{text}");
}

#[test]
fn a_component_beyond_its_limit_is_refused_before_it_is_read() {
    let mut settings = PluginSettings::default();
    settings.limits.component_bytes = 1_000;
    let text = refusal_with(&guest("echo"), settings);
    assert!(text.contains("more than the 1000 that a component may have"), "{text}");
}

#[test]
fn start_up_code_that_never_ends_does_not_hang_the_load() {
    let began = Instant::now();
    let text = refused(&with_handler("(func $loop (loop br 0)) (start $loop)"));
    assert!(text.contains("its start-up code did not come to an end within 5000 ms"), "{text}");
    assert!(began.elapsed() < Duration::from_secs(30));
}

#[test]
fn start_up_code_that_traps_is_refused_with_the_trap() {
    let text = refused(&with_handler("(func $trap unreachable) (start $trap)"));
    assert!(text.contains("its start-up code trapped: ") && text.contains("unreachable"), "{text}");
}

#[test]
fn a_component_that_needs_more_than_its_limits_is_refused() {
    let limited = |extra: &str, change: fn(&mut Limits)| {
        let (_folder, path) = file(&with_handler(extra));
        let mut settings = PluginSettings::default();
        change(&mut settings.limits);
        refusal_with(&path, settings)
    };
    let text = limited("(memory $large 32)", |limits| limits.memory = 1 << 20);
    assert!(
        text.contains("needs 2097152 bytes of memory at the start, its limit is 1048576; raise the limit `memory`"),
        "{text}"
    );
    // Each fits, both do not.
    let text = limited("(memory $large 16)", |limits| limits.memory = 1 << 20);
    assert!(text.contains("refused more memory when it held "), "{text}");
    let text = limited("(memory $second 1)", |limits| limits.memories = 1);
    assert!(text.contains("needs 2 memories, its limit is 1; raise the limit `memories`"), "{text}");
    let text = limited("(table 2000 funcref)", |limits| {
        limits.table_elements = 1_000;
    });
    assert!(
        text.contains("needs 2000 elements in one table, its limit is 1000; raise the limit `table-elements`"),
        "{text}"
    );
    let text = limited("(table 1 funcref) (table 1 funcref)", |limits| {
        limits.tables = 1;
    });
    assert!(text.contains("needs 2 tables, its limit is 1; raise the limit `tables`"), "{text}");
    let text = limited("", |limits| limits.instances = 0);
    assert!(
        text.contains("cannot be started: instance count too high at 1; the limit is `instances`; raise the limit"),
        "{text}"
    );
}

#[test]
fn a_component_that_needs_more_than_the_pool_has_is_held_to_its_limits_alone() {
    let memory = with_handler("(memory $large 4096)");
    assert!(refused(&memory).contains("needs 268435456 bytes of memory at the start, its limit is 134217728"));
    let table = with_handler("(table 200000 funcref)");
    assert!(
        refused(&table)
            .contains("needs 200000 elements in one table, its limit is 100000; raise the limit `table-elements`")
    );
    let (_folder, path) = file(&table);
    let mut settings = PluginSettings::default();
    settings.limits.table_elements = 200_000;
    Plugin::load(engine(), "thumbs", &path, settings).unwrap();
}

#[test]
fn a_raised_limit_holds_for_what_grows_while_the_guest_runs_too() {
    let grows = "(table $t 1 funcref) (func $grow (if (i32.eq (table.grow $t (ref.null func) (i32.const 150000)) (i32.const -1)) (then unreachable))) (start $grow)";
    let (_folder, path) = file(&with_handler(grows));
    assert!(refusal(&path).contains(
        "tables of 150001 elements together, at most 100000 are allowed by `table-elements`; raise the limit"
    ));
    let mut settings = PluginSettings::default();
    settings.limits.table_elements = 200_000;
    Plugin::load(engine(), "thumbs", &path, settings).unwrap();
}

/// A component with a handler of the right type, whose core module has `extra` in it.
fn with_handler(extra: &str) -> Vec<u8> {
    let text = include_str!("handler.wat");
    assert!(text.contains(";; extra"));
    wat::parse_str(text.replace(";; extra", extra)).unwrap()
}

#[test]
fn the_handwritten_handler_is_accepted_as_it_is() {
    let (_folder, path) = file(&with_handler(""));
    let plugin = Plugin::load(engine(), "thumbs", &path, PluginSettings::default()).unwrap();
    assert!(plugin.exports().handler);
}

#[test]
fn a_type_that_would_fill_the_memory_when_written_out_is_shown_in_part() {
    const DEPTH: usize = 7;
    // Each type holds the one before it many times; the last would be gigabytes of text.
    let mut types =
        format!("(type $record (record (field \"{}\" u8))) (export $t0 \"t\" (type $record))", "a".repeat(50_000));
    for depth in 1..=DEPTH {
        let before = format!("$t{} ", depth - 1).repeat(5);
        write!(types, "(type $t{depth} (tuple {before}))").unwrap();
    }
    let text = refused(&component(&format!(
        r#"{types}
           (core module $module
             (memory (export "memory") 1)
             (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 0)
             (func (export "execute") (param i32)))
           (core instance $instance (instantiate $module))
           (func $execute (param "job" $t{DEPTH})
             (canon lift (core func $instance "execute") (memory (core memory $instance "memory"))
               (realloc (core func $instance "realloc"))))
           (instance $handler (export "t" (type $t0)) (export "execute" (func $execute)))
           (export "jobhost:plugin/handler@0.1.0" (instance $handler))"#
    )));
    assert!(text.contains("#execute` has the wrong type"), "{text}");
    assert!(text.contains("found `func(job: tuple<tuple<"), "{text}");
    assert!(text.contains("aaa…`"), "{text}");
}

#[test]
fn a_message_is_one_short_line_whatever_the_names_in_the_file_are() {
    // The names that a component exports are read before anything has validated them.
    let hostile = "evil:x\u{1b}[2J\n/".to_owned() + &"y".repeat(50_000);
    let mut bytes = component("");
    let mut section = vec![1, 0];
    leb(&mut section, hostile.len());
    section.extend(hostile.as_bytes());
    section.extend([5, 0, 0]);
    bytes.push(11);
    leb(&mut bytes, section.len());
    bytes.extend(section);
    let text = refused(&bytes);
    assert!(text.contains("evil:x"), "{text}");
    assert!(text.len() < 5_000 && !text.chars().any(char::is_control), "{text:?}");
}

/// A number as WebAssembly writes it.
fn leb(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).unwrap());
}

#[test]
fn a_component_with_exports_beyond_number_is_refused() {
    let mut body = "(instance $i)".to_owned();
    for number in 0..1_001 {
        write!(body, "(export \"a{number}\" (instance $i))").unwrap();
    }
    assert!(refused(&component(&body)).starts_with("more than 1000 exports"));
}

#[test]
fn a_grant_that_cannot_be_kept_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    let with = |host: &str| {
        let mut settings = PluginSettings::default();
        settings.grants.fs =
            vec![FsGrant { host: folder.path().join(host), guest: "/storage".to_owned(), mode: FsMode::ReadOnly }];
        refusal_with(&guest("echo"), settings)
    };
    let absent = with("absent");
    assert!(absent.contains("plugin `thumbs`: ") && absent.contains("absent (guest `/storage`)"), "{absent}");
    assert!(absent.contains("no such folder"), "{absent}");
    assert!(with("file").contains("it is not a folder"));
}

#[test]
fn two_grants_on_one_guest_path_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = PluginSettings::default();
    let grant = FsGrant { host: folder.path().to_owned(), guest: "/storage".to_owned(), mode: FsMode::ReadOnly };
    settings.grants.fs = vec![grant.clone(), grant];
    let text = refusal_with(&guest("echo"), settings);
    assert!(text.contains("another grant has the same guest path"), "{text}");
}

#[test]
fn a_memory_limit_beyond_the_engines_is_refused() {
    let mut settings = PluginSettings::default();
    settings.limits.memory = 1 << 40;
    assert!(refusal_with(&guest("echo"), settings).contains("the engine was made for at most"));
}

#[test]
fn an_inspection_tells_what_loading_tells() {
    let path = guest("policy");
    let seen = inspect(&path, 64 << 20).unwrap();
    let plugin = plugin("policy");
    assert_eq!(seen.exports, *plugin.exports());
    assert_eq!(seen.digest, plugin.digest());
    assert_eq!(seen.digest.len(), "sha256:".len() + 64);
    assert_eq!(seen.size, std::fs::metadata(&path).unwrap().len());
    assert!(inspect(&guest("misspelt-export"), 64 << 20).unwrap_err().to_string().contains("did you mean"));
}

mod no_exports {
    use super::*;

    #[test]
    fn an_ordinary_program_is_refused_with_what_it_has_and_what_is_wanted() {
        let text = refusal(&guest("no-exports"));
        assert!(text.contains("it exports `wasi:cli/run@0.2."), "{text}");
        assert!(text.contains("`jobhost:plugin/handler@0.1.0`"), "{text}");
    }
}

mod misspelt_export {
    use super::*;

    #[test]
    fn the_nearest_name_is_proposed() {
        let text = refusal(&guest("misspelt-export"));
        let proposal = "exports `jobhost:plugin/handlr@0.1.0`, which this host does not know: did you mean `jobhost:plugin/handler@0.1.0`?";
        assert!(text.ends_with(proposal), "{text}");
    }
}

mod other_version {
    use super::*;

    #[test]
    fn both_versions_are_named() {
        let text = refusal(&guest("other-version"));
        assert!(text.contains("of version 0.2.0") && text.contains("this host has 0.1.0"), "{text}");
    }
}

mod wrong_type {
    use super::*;

    #[test]
    fn the_export_and_both_types_are_named() {
        let text = refusal(&guest("wrong-type"));
        assert!(text.contains("export `jobhost:plugin/handler@0.1.0#execute` has the wrong type"), "{text}");
        assert!(text.contains("expected `func(job: job) -> result<string, job-error>`"), "{text}");
        let found = "found `func(job: record { id: u64, payload: option<string> }) -> result<list<u8>, string>`";
        assert!(text.contains(found), "{text}");
    }
}

mod missing_function {
    use super::*;

    #[test]
    fn the_missing_function_is_named() {
        let text = refusal(&guest("missing-function"));
        let lacks = "export `jobhost:plugin/handler@0.1.0` lacks its function `execute: func(job: job) -> result<string, job-error>`";
        assert!(text.contains(lacks), "{text}");
    }
}

mod unknown_import {
    use super::*;

    #[test]
    fn the_import_is_named() {
        let text = refusal(&guest("unknown-import"));
        assert!(text.contains("imports `example:weather/forecast@1.0.0`, which this host does not have"), "{text}");
    }
}

#[test]
fn an_import_that_is_not_granted_is_refused_with_advice() {
    let text = refused(&component(
        r#"(import "wasi:http/types@0.2.10" (instance))
           (import "wasi:http/outgoing-handler@0.2.10" (instance))
           (instance $i) (export "jobhost:plugin/handler@0.1.0" (instance $i))"#,
    ));
    assert!(text.contains("imports `wasi:http/types@0.2.10`, `wasi:http/outgoing-handler@0.2.10`, which"), "{text}");
    assert!(
        text.contains("to allow it, add `http = [\"https://HOST/PATH/\"]` under `[plugins.thumbs.grants]`"),
        "{text}"
    );
    assert!(text.contains("`--disable http fetch-event`"), "{text}");
}

#[test]
fn an_import_of_ours_with_another_type_is_refused() {
    let text = refused(&component(
        r#"(import "jobhost:plugin/context@0.1.0" (instance (export "remaining" (func (result string)))))
           (instance $i) (export "jobhost:plugin/handler@0.1.0" (instance $i))"#,
    ));
    assert!(text.contains("an import does not fit this host: ") && text.contains("remaining"), "{text}");
}
