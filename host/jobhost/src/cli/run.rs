//! `jobhost run`, and what `listen` shares with it: a worker with its console
//! and its signals.

use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::args::{GlobalArgs, RunArgs};
use super::console::Console;
use super::output::Output;
use super::{ids, request_to_run};
use crate::config::load;
use crate::exit::{CliError, Exit};
use crate::host::Host;
use crate::worker::events::Events;
use crate::worker::run::{Served, Until, Worker};

/// How long the reader of stdout has for the last lines.
const LAST_LINES: Duration = Duration::from_secs(5);
/// And after a second signal.
const LAST_LINES_NOW: Duration = Duration::from_millis(100);
/// How long the last attempts of a trial have to be counted.
const LAST_COUNTS: Duration = Duration::from_secs(2);

/// Takes and runs jobs until none is waiting, then stops.
pub async fn run(global: &GlobalArgs, args: RunArgs) -> Result<Exit, CliError> {
    work(global, args, Until::Empty).await
}

/// A worker from its configuration to its end. Success whatever became of the
/// jobs: that is in the counts.
pub(super) async fn work(global: &GlobalArgs, args: RunArgs, until: Until) -> Result<Exit, CliError> {
    // Before anything is opened: a signal during start-up must stop it in order.
    let mut signals = Signals::listen()?;
    let request = request_to_run(global, &args.plugins, args.concurrency);
    let config = load(&request)?;
    let named: Vec<_> = ids::find_queues(&config, &args.queues)?.into_iter().map(|queue| queue.name.clone()).collect();
    let several = named.len() > 1;
    let queues = if args.queues.is_empty() { Served::All } else { Served::Named(named) };
    let host = tokio::select! {
        opened = Host::open(config, until) => opened?,
        _ = signals.next() => return Ok(Exit::Success),
    };
    if host.registry.load().plugins().is_empty() {
        tracing::warn!(
            "no plugin is configured: every job goes to the failed set; name one with --plugin FILE or in jobhost.toml"
        );
    }
    let (console, printed) = Console::new(Output::new(global), several)?;
    let events = Events::to(vec![Arc::new(console)]);
    // `run` is over before it would be worth it.
    let swapping = (until == Until::Told).then(|| {
        let (ask, asked) = mpsc::channel(1);
        signals.reload = Some(ask);
        tokio::spawn(host.swap(request, queues.clone(), events.clone()).run(asked))
    });
    let ended = until_stopped(host.worker(queues, events), until, &mut signals).await;
    let at_once = matches!(ended, Ok(Exit::Interrupted | Exit::Terminated));
    if let Some(mut swapping) = swapping {
        drop(signals.reload.take());
        // It may be in the midst of compiling.
        if at_once || timeout(LAST_COUNTS, &mut swapping).await.is_err() {
            swapping.abort();
        }
    }
    let within = if at_once { LAST_LINES_NOW } else { LAST_LINES };
    tokio::select! {
        () = printed.wait(within) => ended,
        signal = signals.next() => ended.map(|_| signal),
    }
}

/// The worker until it ends, is told to stop and does, or is told a second time.
async fn until_stopped(worker: Worker, until: Until, signals: &mut Signals) -> Result<Exit, CliError> {
    let (tell_stop, stop) = watch::channel(false);
    let working = worker.run(until, stop);
    tokio::pin!(working);
    tokio::select! {
        ended = &mut working => return Ok(ended.map(|()| Exit::Success)?),
        _ = signals.next() => {}
    }
    let _ = tell_stop.send(true);
    tokio::select! {
        ended = &mut working => Ok(ended.map(|()| Exit::Success)?),
        // Nothing is lost: the store gives the jobs to others when their leases have expired.
        second = signals.next() => Ok(second),
    }
}

/// SIGTERM and SIGINT; and SIGHUP, which must not end a worker in the middle of its jobs.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    /// Who reads the configuration again on SIGHUP.
    reload: Option<mpsc::Sender<()>>,
}

impl Signals {
    fn listen() -> Result<Self, CliError> {
        let catch = |kind| {
            signal(kind).map_err(|error| CliError::Stream { what: "signals cannot be caught".to_owned(), error })
        };
        Ok(Self {
            terminate: catch(SignalKind::terminate())?,
            interrupt: catch(SignalKind::interrupt())?,
            hangup: catch(SignalKind::hangup())?,
            reload: None,
        })
    }

    /// The next one, as the exit code that it means the second time.
    async fn next(&mut self) -> Exit {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return Exit::Terminated,
                _ = self.interrupt.recv() => return Exit::Interrupted,
                _ = self.hangup.recv() => {
                    if let Some(reload) = &self.reload {
                        // Where one is asked for already, it will see this change, too.
                        let _ = reload.try_send(());
                    } else {
                        tracing::warn!("SIGHUP: `run` does not read its configuration again; `listen` does");
                    }
                }
            }
        }
    }
}
