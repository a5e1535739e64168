//! In work.
use super::args::{GlobalArgs, StatusArgs};
use super::output::Output;
use crate::exit::{CliError, Exit};
pub(super) async fn run(
    _global: &GlobalArgs,
    _args: &StatusArgs,
    _output: Output,
) -> Result<Exit, CliError> {
    Err(CliError::Bug("not there yet".into()))
}
