//! Logs to stderr: what `RUST_LOG` asks for, as text or JSON lines. A thread
//! writes them, so that a reader who pauses stops no job.

use std::io::{self, IsTerminal};

use tracing_appender::non_blocking::{NonBlocking, WorkerGuard};
use tracing_subscriber::EnvFilter;

use super::args::{ColorWhen, Command, GlobalArgs, LogFormat};
use crate::exit::CliError;

/// What is logged where `RUST_LOG` is not set.
const DEFAULT_FILTER: &str = "warn,jobhost=info,jobhost_queue=info,jobhost_runtime=info";

/// What is less for commands by which somebody looks at what a plugin does, and which say themselves that it is compiled.
const LESS: &str = ",jobhost_runtime::load=warn";

/// Starts logging, until what it returns is dropped: that waits for the last
/// lines, for at most a second. A wrong `RUST_LOG` is wrong usage.
pub(super) fn start(global: &GlobalArgs, command: &Command) -> Result<WorkerGuard, CliError> {
    let wanted = std::env::var("RUST_LOG").ok().filter(|wanted| !wanted.is_empty());
    let less = if matches!(command, Command::Exec(_) | Command::Plugin { .. }) { LESS } else { "" };
    let filter = wanted.unwrap_or_else(|| format!("{DEFAULT_FILTER}{less}"));
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        CliError::Usage(format!("RUST_LOG cannot be read: {error}; write it as RUST_LOG=jobhost=debug"))
    })?;
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let colours = match global.color {
        ColorWhen::Always => true,
        ColorWhen::Never => false,
        ColorWhen::Auto => !no_color && io::stderr().is_terminal(),
    };
    let (writer, guard) = NonBlocking::new(io::stderr());
    // A closed stderr must not end jobs: what cannot be logged is dropped.
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_ansi(colours)
        .log_internal_errors(false);
    let started = match global.log_format {
        LogFormat::Text => builder.with_target(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    started.map(|()| guard).map_err(|error| CliError::Bug(format!("logging cannot start: {error}")))
}
