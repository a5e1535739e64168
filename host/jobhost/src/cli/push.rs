//! In work.
use super::args::{GlobalArgs, PushArgs};
use super::output::Output;
use crate::exit::{CliError, Exit};
pub(super) async fn run(
    _global: &GlobalArgs,
    _args: PushArgs,
    _output: Output,
) -> Result<Exit, CliError> {
    Err(CliError::Bug("not there yet".into()))
}
