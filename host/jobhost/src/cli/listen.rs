//! `jobhost listen`.

use super::args::{GlobalArgs, RunArgs};
use super::run::work;
use crate::exit::{CliError, Exit};
use crate::worker::run::Until;

/// Takes and runs jobs until it is told to stop.
pub async fn run(global: &GlobalArgs, args: RunArgs) -> Result<Exit, CliError> {
    work(global, args, Until::Told).await
}
