//! The signals that end a command at once. `run` and `listen`, which let jobs finish first, have a way of their own.

use std::future::Future;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::{CliError, Exit};

/// From when it is made on, the signals do not end the process by themselves.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    pub(super) fn listen() -> Result<Self, CliError> {
        let catch = |kind| {
            signal(kind).map_err(|error| CliError::Stream { what: "signals cannot be caught".to_owned(), error })
        };
        Ok(Self {
            terminate: catch(SignalKind::terminate())?,
            interrupt: catch(SignalKind::interrupt())?,
            hangup: catch(SignalKind::hangup())?,
        })
    }

    /// The next one, as the exit code that it means.
    pub(super) async fn next(&mut self) -> Exit {
        tokio::select! {
            _ = self.terminate.recv() => Exit::Terminated,
            _ = self.interrupt.recv() => Exit::Interrupted,
            // The terminal has gone.
            _ = self.hangup.recv() => Exit::Terminated,
        }
    }
}

/// Does the work until a signal comes, which drops it where it waits.
pub(super) async fn until_signalled(work: impl Future<Output = Result<Exit, CliError>>) -> Result<Exit, CliError> {
    let mut signals = Signals::listen()?;
    tokio::select! {
        biased;
        exit = signals.next() => Ok(exit),
        ended = work => ended,
    }
}
