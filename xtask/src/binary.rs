//! Builds the program itself.

use std::path::PathBuf;

use crate::process::{Failure, cargo, root, run, target};

const WORKSPACE: [&str; 4] = ["build", "--workspace", "--bins", "--examples"];

/// The dev build of `jobhost`, for the demo and for tests that start it.
///
/// Cargo unites the features of the crates that it is asked for. Asked for
/// `jobhost` alone it would compile wasmtime a second time, with fewer features
/// than the tests use; `--examples` makes it count the dev-dependencies, too.
/// xtask itself, which runs meanwhile, is fresh by then.
pub(crate) fn build() -> Result<PathBuf, Failure> {
    run(cargo(&root()).args(WORKSPACE))?;
    Ok(target().join("debug/jobhost"))
}

/// The release build of `jobhost`, for what depends on speed.
pub(crate) fn build_release() -> Result<PathBuf, Failure> {
    run(cargo(&root()).args(WORKSPACE).arg("--release"))?;
    Ok(target().join("release/jobhost"))
}
