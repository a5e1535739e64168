//! `jobhost exec`.

use super::args::{ExecArgs, GlobalArgs};
use crate::exit::{CliError, Exit};

/// Runs the command.
#[expect(clippy::unused_async, reason = "the runtime is not joined to it yet")]
pub async fn run(_global: &GlobalArgs, _args: ExecArgs) -> Result<Exit, CliError> {
    Err(CliError::Bug(
        "the runtime is not part of this build".into(),
    ))
}
