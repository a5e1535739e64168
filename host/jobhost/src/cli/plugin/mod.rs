//! `jobhost plugin`: what a plugin is, what it wants, whether this host would
//! load it, how one is made, and what those of the workers did. No job of a
//! store is run.

mod bindings;
mod build;
mod check;
mod difference;
mod fingerprint;
mod group;
mod inspect;
mod install;
mod list;
mod new;
mod observe;
mod reach;
mod replace;
mod report;
mod sources;
mod sums;
mod test;
mod tools;
mod unchanged;

use super::args::{GlobalArgs, PluginCommand};
use super::output::Output;
use super::signals::until_signalled;
use crate::exit::{CliError, Exit};

pub(super) async fn run(global: &GlobalArgs, command: PluginCommand, output: Output) -> Result<Exit, CliError> {
    match command {
        PluginCommand::Inspect(args) => inspect::run(args, output).await,
        PluginCommand::List => list::run(global, output).await,
        PluginCommand::Check => check::run(global, output).await,
        PluginCommand::New(args) => new::run(&args, output),
        PluginCommand::Build(args) => until_signalled(build::run(global, &args, output)).await,
        PluginCommand::Test(args) => until_signalled(test::run(global, &args, output)).await,
    }
}
