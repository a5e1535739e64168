//! Builds the program itself.

use std::path::PathBuf;

use crate::process::{Failure, cargo, root, run, target};

/// The dev build of `jobhost`, for the demo and for tests that start it.
///
/// Cargo unites the features of the crates that it is asked for. Asked for
/// `jobhost` alone it would compile wasmtime a second time, with fewer features
/// than the tests use; `--examples` makes it count the dev-dependencies, too.
/// xtask itself, which runs meanwhile, is fresh by then.
pub(crate) fn build() -> Result<PathBuf, Failure> {
    let workspace = ["build", "--workspace", "--bins", "--examples"];
    run(cargo(&root()).args(workspace))?;
    Ok(target().join("debug/jobhost"))
}
