//! `jobhost plugin`: what a plugin is, what it wants, whether this host would
//! load it, and what those of the workers did. No job is run.

mod check;
mod inspect;
mod list;
mod report;
mod sums;

use super::args::{GlobalArgs, PluginCommand};
use super::output::Output;
use crate::exit::{CliError, Exit};

pub(super) async fn run(global: &GlobalArgs, command: PluginCommand, output: Output) -> Result<Exit, CliError> {
    match command {
        PluginCommand::Inspect(args) => inspect::run(args, output).await,
        PluginCommand::List => list::run(global, output).await,
        PluginCommand::Check => check::run(global, output).await,
    }
}
