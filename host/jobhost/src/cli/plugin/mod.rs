//! `jobhost plugin`: what a plugin is, what it wants, and whether this host
//! would load it. No store is opened and no job is run.

mod check;
mod inspect;
mod report;

use super::args::{GlobalArgs, PluginCommand};
use super::output::Output;
use crate::exit::{CliError, Exit};

pub(super) async fn run(global: &GlobalArgs, command: PluginCommand, output: Output) -> Result<Exit, CliError> {
    match command {
        PluginCommand::Inspect(args) => inspect::run(args, output).await,
        PluginCommand::Check => check::run(global, output).await,
    }
}
