//! How the program ends: the documented exit codes, and which error leads to
//! which. Nothing else decides about them.

use std::io;
use std::process::ExitCode;

use jobhost_queue::StoreError;

use crate::config::ConfigError;
use crate::host::HostError;
use crate::worker::error::WorkerError;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// It did what it was asked, also where jobs failed.
    Success = 0,
    /// The thing asked for is not so: no such id, a job of `exec` that
    /// failed, a check that found problems.
    NotSo = 1,
    /// Wrong usage or configuration.
    Usage = 2,
    /// The store cannot be reached or used.
    Unavailable = 69,
    /// A bug in jobhost.
    Bug = 70,
    /// A second SIGINT; of `bench`, `plugin build` and `plugin test` the first.
    Interrupted = 130,
    /// A second SIGTERM; of `bench`, `plugin build` and `plugin test` the first.
    Terminated = 143,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command ended badly. What it displays is what the user reads.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The thing asked for is not so.
    #[error("{0}")]
    NotSo(String),
    /// Wrong usage.
    #[error("{0}")]
    Usage(String),
    /// Wrong configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store, with what was done before it failed.
    #[error("{0}")]
    Unavailable(String),
    /// Standard output or another stream.
    #[error("{what}: {error}")]
    Stream {
        /// What was written or read.
        what: String,
        /// What the system said.
        error: io::Error,
    },
    /// Something that cannot be.
    #[error("{0}; this is a bug in jobhost, please report it")]
    Bug(String),
}

impl From<HostError> for CliError {
    fn from(error: HostError) -> Self {
        match error {
            HostError::Config(error) => Self::Config(error),
            HostError::Store(error) => Self::Store(error),
            HostError::Engine(error) => Self::NotSo(error.to_string()),
        }
    }
}

impl From<WorkerError> for CliError {
    fn from(error: WorkerError) -> Self {
        match error {
            WorkerError::Store(error) => Self::Store(error),
            WorkerError::Queue { .. } => Self::Unavailable(error.to_string()),
            WorkerError::Duty { .. } => Self::Bug(error.to_string()),
        }
    }
}

impl CliError {
    /// Whether somebody closed the pipe that was written to, as `head` does.
    pub fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Stream { error, .. } if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// The documented exit code.
    pub fn exit(&self) -> Exit {
        match self {
            _ if self.is_closed_pipe() => Exit::Success,
            Self::NotSo(_) | Self::Stream { .. } | Self::Store(StoreError::Absent(_)) => Exit::NotSo,
            Self::Usage(_) | Self::Config(_) | Self::Store(StoreError::Invalid(_)) => Exit::Usage,
            Self::Store(_) | Self::Unavailable(_) => Exit::Unavailable,
            Self::Bug(_) => Exit::Bug,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Place;

    #[test]
    fn errors_end_with_the_documented_codes() {
        let stream = |kind: io::ErrorKind| CliError::Stream { what: "standard output".into(), error: kind.into() };
        let unavailable = StoreError::Unavailable { store: "redis://here".into(), reason: "refused".into() };
        for (error, code) in [
            (CliError::NotSo("x".into()), 1),
            (CliError::Usage("x".into()), 2),
            (ConfigError::one(Place::option("--x"), "x").into(), 2),
            (StoreError::invalid("x").into(), 2),
            (StoreError::Absent("x".into()).into(), 1),
            (unavailable.into(), 69),
            (CliError::Unavailable("x".into()), 69),
            (CliError::Bug("x".into()), 70),
            (WorkerError::Duty { duty: "x".into(), reason: "x".into() }.into(), 70),
            (WorkerError::Queue { queue: "x".into(), reason: "x".into() }.into(), 69),
            (stream(io::ErrorKind::BrokenPipe), 0),
            (stream(io::ErrorKind::StorageFull), 1),
        ] {
            assert_eq!(error.exit() as u8, code, "{error}");
        }
        assert_eq!((Exit::Interrupted as u8, Exit::Terminated as u8), (130, 143));
    }
}
