//! `jobhost completions`: a script that completes commands in a shell.

use clap::CommandFactory;
use clap_complete::Shell;

use super::args::Cli;
use super::output::Output;
use crate::exit::{CliError, Exit};

pub(super) fn run(shell: Shell, output: Output) -> Result<Exit, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "jobhost", &mut script);
    output.text(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Success)
}
