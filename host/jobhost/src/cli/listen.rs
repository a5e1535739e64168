//! `jobhost listen`.

use super::args::{GlobalArgs, RunArgs};
use crate::exit::{CliError, Exit};

/// Runs the command.
#[expect(clippy::unused_async, reason = "the worker is not joined to it yet")]
pub async fn run(_global: &GlobalArgs, _args: RunArgs) -> Result<Exit, CliError> {
    Err(CliError::Bug("the worker is not part of this build".into()))
}
