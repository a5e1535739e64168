//! In work.
use super::args::{FailedCommand, GlobalArgs};
use super::output::Output;
use crate::exit::{CliError, Exit};
pub(super) async fn run(
    _global: &GlobalArgs,
    _command: FailedCommand,
    _output: Output,
) -> Result<Exit, CliError> {
    Err(CliError::Bug("not there yet".into()))
}
