//! The measurements and the matrix of benches, with the release build.

use std::path::absolute;
use std::process::Command;

use crate::process::{Failure, run as run_command};
use crate::{binary, plugins, test};

/// `cargo xtask measure`; the options are the program's own.
pub(crate) fn run(options: &[&str]) -> Result<(), Failure> {
    with_release("measure", options)
}

/// `cargo xtask bench`; likewise.
pub(crate) fn matrix(options: &[&str]) -> Result<(), Failure> {
    with_release("matrix", options)
}

fn with_release(program: &str, options: &[&str]) -> Result<(), Failure> {
    test::ensure_redis()?;
    plugins::build()?;
    // It lies beside the program that it measures.
    let jobhost = absolute(binary::build_release()?).map_err(|error| Failure::new(error.to_string()))?;
    let mut command = Command::new(jobhost.with_file_name(program));
    run_command(command.env("JOBHOST_BIN", &jobhost).args(options))
}
