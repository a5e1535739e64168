//! The chaos test at length; a short form is among the tests.

use std::process::Command;

use crate::process::{Failure, run as run_command};
use crate::{binary, plugins, test};

/// `cargo xtask chaos`; the options are the program's own.
pub(crate) fn run(options: &[&str]) -> Result<(), Failure> {
    test::ensure_redis()?;
    plugins::build()?;
    // It lies beside the program that it attacks.
    let jobhost = binary::build()?;
    run_command(Command::new(jobhost.with_file_name("chaos")).args(options))
}
