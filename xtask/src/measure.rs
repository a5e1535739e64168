//! The measurements and the matrix of benches, with the release build.

use std::path::absolute;
use std::process::Command;

use crate::process::{Failure, run as run_command};
use crate::{binary, plugins, test, toolchains};

/// `cargo xtask measure`; the options are the program's own.
pub(crate) fn run(options: &[&str]) -> Result<(), Failure> {
    run_command(with_release("measure")?.args(options))
}

/// `cargo xtask bench`; likewise.
pub(crate) fn matrix(options: &[&str]) -> Result<(), Failure> {
    // Guests in other languages are built with their tools.
    let without = toolchains::ensure()?;
    for (language, why) in &without {
        println!("skipped: the guest in {language}. {why}");
    }
    run_command(with_release("matrix")?.env(toolchains::WITHOUT, toolchains::names(&without)).args(options))
}

/// The program of this name, which measures a release build.
fn with_release(program: &str) -> Result<Command, Failure> {
    test::ensure_redis()?;
    plugins::build()?;
    // It lies beside the program that it measures.
    let jobhost = absolute(binary::build_release()?).map_err(|error| Failure::new(error.to_string()))?;
    let mut command = Command::new(jobhost.with_file_name(program));
    command.env("JOBHOST_BIN", &jobhost);
    Ok(command)
}
