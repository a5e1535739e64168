//! What the built components export and import: exactly what they use. Needs
//! them built first (`cargo xtask plugins`).
#![expect(clippy::unwrap_used, reason = "a test")]

use std::path::Path;

use wasmparser::{Parser, Payload};

const RELEASE: &str = "../target/wasm32-wasip2/release";

/// The names of `jobhost:plugin` interfaces that a component exports and imports.
fn interfaces(file: &str) -> (Vec<String>, Vec<String>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(RELEASE).join(file);
    let bytes =
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; run `cargo xtask plugins`", path.display()));
    let ours = |name: &str| name.strip_prefix("jobhost:plugin/").map(str::to_owned);
    let (mut exports, mut imports, mut depth) = (Vec::new(), Vec::new(), 0_u32);
    for payload in Parser::new(0).parse_all(&bytes) {
        match payload.unwrap() {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentExportSection(section) if depth == 0 => {
                exports.extend(section.into_iter().filter_map(|item| ours(item.unwrap().name.name)));
            }
            Payload::ComponentImportSection(section) if depth == 0 => {
                imports.extend(section.into_iter().filter_map(|item| ours(item.unwrap().name.name)));
            }
            _ => {}
        }
    }
    exports.sort();
    imports.sort();
    (exports, imports)
}

#[test]
fn the_job_plugin_exports_its_handler_and_nothing_else() {
    let (exports, imports) = interfaces("copy_asset.wasm");
    assert_eq!(exports, ["handler@0.1.0"]);
    assert_eq!(imports, ["context@0.1.0", "types@0.1.0"]);
}

#[test]
fn the_hook_plugin_exports_its_two_hooks_and_nothing_else() {
    let (exports, imports) = interfaces("copy_asset_events.wasm");
    assert_eq!(exports, ["after-error@0.1.0", "after-exec@0.1.0"]);
    assert_eq!(imports, ["context@0.1.0", "queue@0.1.0", "types@0.1.0"]);
}

#[test]
fn each_stage_of_the_pipeline_exports_and_imports_what_it_uses_and_nothing_else() {
    let pipeline: [(&str, &[&str], &[&str]); 4] = [
        ("upload_asset.wasm", &["handler"], &["context", "queue", "secrets", "types"]),
        ("publish_article.wasm", &["handler"], &["queue", "secrets", "types"]),
        ("source_callback.wasm", &["handler"], &["secrets", "types"]),
        ("pipeline_events.wasm", &["after-error", "after-exec", "before-exec"], &["context", "queue", "types"]),
    ];
    let versioned = |names: &[&str]| names.iter().map(|name| format!("{name}@0.1.0")).collect::<Vec<_>>();
    for (file, exports, imports) in pipeline {
        assert_eq!(interfaces(file), (versioned(exports), versioned(imports)), "{file}");
    }
}

#[test]
fn a_plugin_that_uses_every_attribute_exports_every_interface() {
    let (exports, _) = interfaces("examples/every_export.wasm");
    let all = ["after-error", "after-exec", "before-exec", "before-push", "handler", "retry-policy", "time-to-run"];
    assert_eq!(exports, all.map(|name| format!("{name}@0.1.0")));
}

#[test]
fn the_stack_is_64_kib_so_that_the_whole_memory_can_stay_resident() {
    for file in ["copy_asset.wasm", "copy_asset_events.wasm"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(RELEASE).join(file);
        let bytes = std::fs::read(&path).unwrap();
        let pages = Parser::new(0).parse_all(&bytes).find_map(|payload| match payload.unwrap() {
            Payload::MemorySection(section) => section.into_iter().next().map(|memory| memory.unwrap().initial),
            _ => None,
        });
        assert!(pages.is_some_and(|pages| pages <= 4), "{file}: {pages:?} pages of 64 KiB");
    }
}
