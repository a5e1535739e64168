//! The command line: one module for each command, and what they share. Only
//! here is anything printed.

pub mod args;
mod attempt;
mod bench;
mod clear;
mod compile;
mod completions;
mod config;
mod console;
pub mod exec;
mod failed;
pub mod ids;
mod info;
pub mod listen;
mod logs;
pub mod output;
pub mod payload;
mod plugin;
mod printing;
mod push;
mod remove;
pub mod run;
mod signals;
mod status;
mod table;
mod workers;

use std::panic::{self, AssertUnwindSafe};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use jobhost_queue::{OpenOptions, Store, StoreError};

pub use args::{Cli, Command, GlobalArgs, RunArgs};
use output::{Output, complain};

use crate::config::{Config, Request, load};
use crate::exit::{CliError, Exit};

/// The program: reads the command line, does it, and says how it ended.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are answers; everything else is wrong usage.
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Success };
            let _ = error.print();
            return exit.into();
        }
    };
    panic::set_hook(Box::new(|info| {
        complain(&format!("unexpected: {info}\nthis is a bug in jobhost, please report it; no job is lost by it"));
    }));
    let ended = panic::catch_unwind(AssertUnwindSafe(|| start(cli)));
    match ended {
        Ok(Ok(exit)) => exit,
        Ok(Err(error)) => {
            if !error.is_closed_pipe() {
                complain(&error.to_string());
            }
            error.exit()
        }
        Err(_) => Exit::Bug,
    }
    .into()
}

fn start(cli: Cli) -> Result<Exit, CliError> {
    if let Command::CompileComponent { arguments } = &cli.command {
        compile::run(arguments);
    }
    let _logging = logs::start(&cli.global, &cli.command)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::Stream { what: "threads cannot be started".to_owned(), error })?;
    let ended = runtime.block_on(dispatch(cli));
    // A plugin that is being compiled when a signal comes need not be waited for.
    runtime.shutdown_background();
    ended
}

async fn dispatch(cli: Cli) -> Result<Exit, CliError> {
    let Cli { global, command } = cli;
    let output = Output::new(&global);
    match command {
        Command::Run(args) => run::run(&global, args).await,
        Command::Listen(args) => listen::run(&global, args).await,
        Command::Exec(args) => exec::run(&global, args).await,
        Command::Push(args) => push::run(&global, args, output).await,
        Command::Info(args) => info::run(&global, args, output).await,
        Command::Status(args) => status::run(&global, &args, output).await,
        Command::Failed { command } => failed::run(&global, command, output).await,
        Command::Remove(args) => remove::run(&global, &args, output).await,
        Command::Clear(args) => clear::run(&global, &args, output).await,
        Command::Workers => workers::run(&global, output).await,
        Command::Config { command } => config::run(&global, command, output).await,
        Command::Plugin { command } => plugin::run(&global, command, output).await,
        Command::Bench(args) => bench::run(&global, args, output).await,
        // It needs no runtime, and never comes here.
        Command::CompileComponent { arguments } => compile::run(&arguments),
        Command::Completions { shell } => completions::run(shell, output),
    }
}

/// The configuration for running jobs: plugin files and granted folders must
/// be there.
pub fn load_to_run(global: &GlobalArgs, plugins: &[PathBuf], concurrency: Option<u32>) -> Result<Config, CliError> {
    Ok(load(&request_to_run(global, plugins, concurrency))?)
}

/// What [`load_to_run`] reads.
fn request_to_run(global: &GlobalArgs, plugins: &[PathBuf], concurrency: Option<u32>) -> Request {
    Request { plugins: plugins.to_vec(), concurrency, check_paths: true, ..request(global) }
}

/// The configuration for everything else.
fn load_to_look(global: &GlobalArgs) -> Result<Config, CliError> {
    Ok(load(&request(global))?)
}

fn request(global: &GlobalArgs) -> Request {
    Request { config: global.config.clone(), store: global.store.clone(), ..Request::default() }
}

/// Opens the store to change something in it.
pub async fn open(config: &Config) -> Result<Arc<dyn Store>, CliError> {
    Ok(jobhost_queue::open(&config.store, OpenOptions::default()).await?)
}

/// Opens the store without creating it; `None` where it is not there yet, so
/// that nothing is in it.
async fn open_to_look(config: &Config) -> Result<Option<Arc<dyn Store>>, CliError> {
    let options = OpenOptions { only_look: true, ..OpenOptions::default() };
    match jobhost_queue::open(&config.store, options).await {
        Ok(store) => Ok(Some(store)),
        Err(StoreError::Absent(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
