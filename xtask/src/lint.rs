//! Formatting and clippy, with warnings denied, in every workspace.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::plugins::{TARGET, ensure_target, workspaces};
use crate::process::{self, Failure, cargo, guest_cargo, is_installed, output, root, succeeds};

/// `cargo xtask lint`
pub(crate) fn run() -> Result<(), Failure> {
    ensure_components()?;
    process::run(cargo(&root()).args(["fmt", "--all", "--check"]))?;
    for folder in workspaces() {
        process::run(guest_cargo(&folder).args(["fmt", "--all", "--check"]))?;
    }
    ensure_target()?;
    for folder in workspaces() {
        let mut clippy = guest_cargo(&folder);
        clippy.args(["clippy", "--workspace"]);
        if folder.ends_with("plugins") {
            clippy.args(["--all-targets", "--all-features"]);
        } else {
            // Guests that misbehave on purpose exist in WebAssembly only.
            clippy.args(["--target", TARGET]);
        }
        process::run(clippy.args(["--", "-D", "warnings"]))?;
    }
    process::run(&mut clippy_within_the_tests_build()?)
}

/// Clippy on the root workspace as a part of building its tests.
///
/// `cargo clippy` checks every dependency, wasmtime included, although the tests
/// need all of them compiled anyway, and a checked crate cannot be linked. Cargo
/// runs `RUSTC_WORKSPACE_WRAPPER` in place of rustc for the workspace's own
/// members only, and keeps their artefacts apart from those of plain rustc; that
/// is what `cargo clippy` itself uses, with `check` in place of a build.
/// `CLIPPY_ARGS` is how it hands arguments on.
fn clippy_within_the_tests_build() -> Result<Command, Failure> {
    let mut build = cargo(&root());
    build
        .args(["test", "--no-run", "--workspace", "--all-targets"])
        .env("RUSTC_WORKSPACE_WRAPPER", clippy_driver()?)
        .env("CLIPPY_ARGS", "-Dwarnings__CLIPPY_HACKERY__");
    Ok(build)
}

fn clippy_driver() -> Result<PathBuf, Failure> {
    let rustc = ["--print", "sysroot"];
    let sysroot = output(Command::new("rustc").current_dir(root()).args(rustc))?;
    let driver = Path::new(&sysroot).join("bin/clippy-driver");
    if !driver.is_file() {
        let message = format!("clippy is not installed: there is no {}.", driver.display());
        return Err(Failure::new(message));
    }
    Ok(driver)
}

/// rustup installs what `rust-toolchain.toml` names, but not into a toolchain that it finds there.
fn ensure_components() -> Result<(), Failure> {
    let there = succeeds(cargo(&root()).args(["fmt", "--version"])) && clippy_driver().is_ok();
    if there || !is_installed("rustup") {
        return Ok(());
    }
    let add = ["component", "add", "clippy", "rustfmt"];
    process::run(Command::new("rustup").current_dir(root()).args(add))
}
