//! The tools of other languages, which `cargo xtask tools` installs.

use std::env;
use std::ffi::OsString;

use crate::artifacts::repository;

/// The variables of an environment in which plugins are built: where the installed tools are, and where tools keep what they
/// fetch and compile.
pub fn tool_variables() -> Vec<(&'static str, OsString)> {
    let target = repository().join("target");
    let path = env::var_os("PATH").unwrap_or_default();
    let path = [target.join("tools/venv/bin")].into_iter().chain(env::split_paths(&path));
    let fetched = target.join("tools/fetched");
    vec![
        ("PATH", env::join_paths(path).expect("no folder of PATH has a colon")),
        // Shared, so that what every plugin needs is compiled once; what is made lies in each project all the same.
        ("CARGO_BUILD_BUILD_DIR", target.join("test-projects").into()),
        ("CARGO_TARGET_DIR", "target".into()),
        // What the tools of other languages fetch, too.
        ("GOCACHE", fetched.join("go").into()),
        ("npm_config_cache", fetched.join("npm").into()),
        ("PIP_CACHE_DIR", fetched.join("pip").into()),
    ]
}
