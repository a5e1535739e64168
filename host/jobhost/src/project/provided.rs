//! Whether the sources provide what the project's world exports. Tools that do not ask leave a plugin that traps at every call,
//! or one with a function that nobody ever calls.

use std::collections::BTreeSet;
use std::path::Path;

use jobhost_runtime::INTERFACES;
use serde_json::Value;
use wasmparser::{Parser, Payload};
use wit_parser::{Resolve, WorldId};

use super::bindings::world;

/// The interface's package in the names of exports.
const PACKAGE: &str = "jobhost:plugin/";

/// Looks at what a bundler says that a bundle of JavaScript exports: a JSON document of esbuild's. The error is for the user.
pub fn check_bundle(folder: &Path, document: &str) -> Result<(), String> {
    let document: Value =
        serde_json::from_str(document).map_err(|error| format!("what the bundle exports: {error}"))?;
    let outputs = document["outputs"].as_object().into_iter().flatten();
    let names = outputs.filter_map(|(_, output)| output["exports"].as_array()).flatten().filter_map(Value::as_str);
    let provided: BTreeSet<_> = names.map(str::to_owned).collect();
    let (resolve, world) = world(folder)?;
    compare(
        &exported(&resolve, world),
        |interface| provided.contains(&in_camel_case(interface)),
        |interface| {
            let name = in_camel_case(interface);
            let (first, rest) = name.split_at(1);
            format!("`export const {name} = define{}{rest}(…)`", first.to_uppercase())
        },
    )
}

/// Looks at what a core module exports, whose linker has not been asked for what the world needs.
pub(super) fn check_module(module: &[u8], resolve: &Resolve, world: WorldId) -> Result<(), String> {
    let mut provided = BTreeSet::new();
    for payload in Parser::new(0).parse_all(module) {
        if let Payload::ExportSection(exports) = payload.map_err(|error| error.to_string())? {
            let names = exports.into_iter().flatten().filter_map(|export| interface(export.name.split('#').next()?));
            provided.extend(names);
        }
    }
    compare(
        &exported(resolve, world),
        |interface| provided.contains(interface),
        |interface| format!("what the host calls of `{interface}`"),
    )
}

/// The interfaces that the world exports, without package and version.
fn exported(resolve: &Resolve, world: WorldId) -> BTreeSet<String> {
    let names = resolve.worlds[world].exports.keys().map(|key| resolve.name_world_key(key));
    names.filter_map(|name| interface(&name)).collect()
}

fn interface(export: &str) -> Option<String> {
    Some(export.strip_prefix(PACKAGE)?.split('@').next()?.to_owned())
}

fn compare(
    exported: &BTreeSet<String>,
    provides: impl Fn(&str) -> bool,
    what: impl Fn(&str) -> String,
) -> Result<(), String> {
    for interface in INTERFACES {
        match (exported.contains(interface), provides(interface)) {
            (true, false) => {
                let what = what(interface);
                return Err(format!(
                    "wit/world.wit exports `{interface}`, and the sources do not: write {what}, or take the line out"
                ));
            }
            (false, true) => {
                return Err(format!(
                    "the sources export `{interface}`, and wit/world.wit does not, so that nobody would call it: add `export {PACKAGE}{interface}@{};`",
                    jobhost_runtime::VERSION
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

/// As functions and constants are named in JavaScript.
fn in_camel_case(interface: &str) -> String {
    let mut words = interface.split('-');
    let mut name = words.next().unwrap_or_default().to_owned();
    for word in words {
        let (first, rest) = word.split_at(1);
        name.push_str(&first.to_uppercase());
        name.push_str(rest);
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_exported_on_one_side_only_is_told_with_what_to_write() {
        let exported = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let compared = |world: &[&str], sources: &[&str]| {
            compare(&exported(world), |interface| sources.contains(&interface), |interface| format!("<{interface}>"))
        };
        assert_eq!(compared(&["handler"], &["handler", "helpful"]), Ok(()));
        let told = compared(&["handler", "after-exec"], &["handler"]).unwrap_err();
        assert!(told.starts_with("wit/world.wit exports `after-exec`") && told.contains("<after-exec>"), "{told}");
        let told = compared(&["handler"], &["handler", "retry-policy"]).unwrap_err();
        assert!(told.ends_with("add `export jobhost:plugin/retry-policy@0.1.0;`"), "{told}");
        assert_eq!(in_camel_case("time-to-run"), "timeToRun");
    }
}
