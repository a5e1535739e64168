//! Builds what runs in the sandbox: the plugins that ship, and the guests of the tests.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{self, Failure, guest_cargo, is_installed, output, root};

pub(crate) const TARGET: &str = "wasm32-wasip2";

/// `cargo xtask plugins`
pub(crate) fn run() -> Result<(), Failure> {
    for path in build()? {
        println!("{}", path.strip_prefix(root()).unwrap_or(&path).display());
    }
    Ok(())
}

/// Builds all of them and says where they lie.
pub(crate) fn build() -> Result<Vec<PathBuf>, Failure> {
    build_in(&workspaces())
}

/// Builds only those that ship.
pub(crate) fn build_shipped() -> Result<Vec<PathBuf>, Failure> {
    build_in(&[root().join("plugins")])
}

fn build_in(folders: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    ensure_target()?;
    let mut built = Vec::new();
    for folder in folders {
        // The examples of the guest crate are plugins, too.
        process::run(guest_cargo(folder).args([
            "build",
            "--release",
            "--workspace",
            "--target",
            TARGET,
            "--lib",
            "--bins",
            "--examples",
        ]))?;
        built.extend(components(&folder.join("target").join(TARGET).join("release")));
    }
    Ok(built)
}

/// The workspaces that are compiled to WebAssembly.
pub(crate) fn workspaces() -> Vec<PathBuf> {
    let folders = [root().join("plugins"), root().join("tests/guests")];
    folders.into_iter().filter(|folder| folder.join("Cargo.toml").is_file()).collect()
}

/// Installs the standard library for the target where it is missing.
pub(crate) fn ensure_target() -> Result<(), Failure> {
    let libraries =
        output(Command::new("rustc").current_dir(root()).args(["--print", "target-libdir", "--target", TARGET]))?;
    if Path::new(&libraries).is_dir() {
        return Ok(());
    }
    if !is_installed("rustup") {
        return Err(Failure::new(format!(
            "The standard library for {TARGET} is missing at {libraries}, and there is no rustup to \
             install it. Install it the way this Rust was installed."
        )));
    }
    process::run(Command::new("rustup").current_dir(root()).args(["target", "add", TARGET]))
}

fn components(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "wasm"))
        .collect();
    found.sort();
    found
}
