//! Checks a component's imports against what this host has, before the linker does: by name, all at once, and with
//! advice. That the types fit is for the linker to say.

use wasmtime::component::Component;

use crate::capabilities::{Grants, advice};
use crate::exports::{VERSION, compatible};
use crate::inspect::listed;
use crate::load_error::Problem;

/// Our own interfaces.
const OURS: [&str; 5] =
    ["jobhost:plugin/types", "jobhost:plugin/context", "jobhost:plugin/queue", OUR_HTTP, "jobhost:plugin/secrets"];

/// Requests over HTTP with whole bodies.
const OUR_HTTP: &str = "jobhost:plugin/http";

/// What of WASI is still a draft: it fits in this version alone.
const DRAFTS: [(&str, &str); 4] = [
    ("wasi:config/store", "0.2.0-rc.1"),
    ("wasi:keyvalue/store", "0.2.0-draft2"),
    ("wasi:keyvalue/atomics", "0.2.0-draft2"),
    ("wasi:keyvalue/batch", "0.2.0-draft2"),
];

/// The version of WASI that this host has.
const WASI_VERSION: &str = "0.2.12";

/// The inert set of WASI, which nearly every toolchain imports whether it is used or not.
const WASI: [&str; 27] = [
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:sockets/instance-network",
    "wasi:sockets/ip-name-lookup",
    "wasi:sockets/network",
    "wasi:sockets/tcp",
    "wasi:sockets/tcp-create-socket",
    "wasi:sockets/udp",
    "wasi:sockets/udp-create-socket",
];

/// Requests over HTTP.
const HTTP: [&str; 2] = ["wasi:http/outgoing-handler", "wasi:http/types"];

/// What else can be done about them.
const HTTP_HINT: &str = " (a JavaScript toolchain that imports wasi:http unasked can be told not to, such as with `--disable http fetch-event`)";

/// What a component imports that costs something to have.
pub(crate) struct Wanted {
    /// Requests over HTTP.
    pub(crate) http: bool,
}

/// Refuses a component that imports something this host does not have, or that is not granted to the plugin.
pub(crate) fn check(
    engine: &wasmtime::Engine,
    component: &Component,
    plugin: &str,
    grants: &Grants,
) -> Result<Wanted, Problem> {
    let imports: Vec<String> = component.component_type().imports(engine).map(|(name, _)| name.to_owned()).collect();
    let unknown: Vec<&String> = imports.iter().filter(|name| !known(name)).collect();
    if !unknown.is_empty() {
        return Err(Problem::UnknownImports { imports: listed(unknown.iter().copied()), hint: hint(&unknown) });
    }
    let mut refused = Vec::new();
    let mut lines = Vec::new();
    for name in &imports {
        if let Some(line) = missing(name, grants) {
            refused.push(name);
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
    }
    let is_http = |name: &&String| is_one_of(name, &HTTP);
    if refused.is_empty() {
        let is_ours = |name: &String| name.split('@').next() == Some(OUR_HTTP);
        return Ok(Wanted { http: imports.iter().any(|name| is_http(&name) || is_ours(name)) });
    }
    let advice: Vec<String> = lines.into_iter().map(|line| advice::add(plugin, line)).collect();
    let hint = if refused.iter().any(is_http) { HTTP_HINT } else { "" };
    Err(Problem::NotGranted { imports: listed(refused.into_iter()), advice: advice.join("; ") + hint })
}

fn is_one_of(name: &str, paths: &[&str]) -> bool {
    name.split_once('@').is_some_and(|(path, version)| paths.contains(&path) && compatible(version, WASI_VERSION))
}

/// The line that would grant an import which says by itself what it is for. Those that nearly every toolchain adds
/// unasked are linked whatever is granted, and checked when they are used.
fn missing(import: &str, grants: &Grants) -> Option<&'static str> {
    advice::kind(import).filter(|kind| kind.required && !(kind.given)(grants)).and_then(|kind| kind.line)
}

/// Whether this host has an import of this name.
pub(crate) fn known(name: &str) -> bool {
    let Some((path, version)) = name.split_once('@') else {
        return false;
    };
    if OURS.contains(&path) {
        compatible(version, VERSION)
    } else if let Some((_, draft)) = DRAFTS.iter().find(|(draft, _)| *draft == path) {
        version == *draft
    } else {
        is_one_of(name, &WASI) || is_one_of(name, &HTTP)
    }
}

/// Advice on the first import for which there is any.
fn hint(unknown: &[&String]) -> String {
    let advice = unknown.iter().find_map(|name| {
        let (path, version) = name.split_once('@').unwrap_or((name, ""));
        if path.starts_with("wasi:http/") {
            Some(format!("; of wasi:http it has {} in version 0.2", HTTP.map(|name| format!("`{name}`")).join(" and ")))
        } else if OURS.contains(&path) {
            Some(format!("; it has version {VERSION} of the plugin interface: build the plugin against its WIT files"))
        } else if let Some((_, draft)) = DRAFTS.iter().find(|(draft, _)| *draft == path) {
            Some(format!("; it has version {draft} of that: build the plugin against its WIT files"))
        } else if path.starts_with("wasi:") && version.starts_with("0.3") {
            Some("; it has WASI 0.2: build the plugin for the target wasm32-wasip2".to_owned())
        } else if path.starts_with("jobhost:") {
            Some(format!("; of ours it has {}", OURS.map(|name| format!("`{name}@{VERSION}`")).join(", ")))
        } else {
            None
        }
    });
    advice.unwrap_or_else(|| "; build the plugin without it".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_known_in_any_compatible_version() {
        assert!(known("wasi:cli/stdout@0.2.0"));
        assert!(known("wasi:cli/stdout@0.2.6"));
        assert!(known("jobhost:plugin/context@0.1.3"));
        assert!(!known("wasi:cli/stdout@0.3.0"));
        assert!(!known("wasi:cli/stdout@0.2.0-rc-2023-12-05"));
        assert!(known("wasi:config/store@0.2.0-rc.1"));
        assert!(!known("wasi:config/store@0.2.0-draft"));
        assert!(known("wasi:http/types@0.2.10"));
        assert!(!known("wasi:http/types@0.3.0"));
        assert!(!known("wasi:http/incoming-handler@0.2.10"));
        assert!(!known("jobhost:plugin/context@0.2.0"));
        assert!(!known("stray"));
    }

    #[test]
    fn each_kind_of_unknown_import_has_its_advice() {
        let hint = |name: &str| hint(&[&name.to_owned()]);
        assert!(hint("wasi:http/incoming-handler@0.2.6").contains("`wasi:http/outgoing-handler`"));
        assert!(hint("jobhost:plugin/queue@0.9.0").contains("version 0.1.0"));
        assert!(hint("jobhost:plugin/queues@0.1.0").contains("`jobhost:plugin/queue@0.1.0`"));
        assert!(hint("wasi:cli/stdout@0.3.0").contains("wasm32-wasip2"));
        assert!(hint("wasi:config/store@0.2.0-draft").contains("version 0.2.0-rc.1 of that"));
        assert!(hint("wasi:keyvalue/store@0.2.0-draft").contains("version 0.2.0-draft2 of that"));
        assert!(hint("some:thing/else@1.0.0").contains("without it"));
    }
}
