//! `jobhost run`, and what `listen` shares with it: a worker with its console
//! and its signals.

use std::sync::Arc;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};

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

/// Lets this process have as many files open as the system allows it. Each attempt may have some, and connections, and the
/// customary soft limit is made for programs that use `select`.
fn raise_open_files() {
    let raised =
        getrlimit(Resource::RLIMIT_NOFILE).and_then(|(_, most)| setrlimit(Resource::RLIMIT_NOFILE, most, most));
    if let Err(error) = raised {
        tracing::debug!(%error, "the number of open files stays limited as it is");
    }
}

/// Takes and runs jobs until none is waiting, then stops.
pub async fn run(global: &GlobalArgs, args: RunArgs) -> Result<Exit, CliError> {
    work(global, args, Until::Empty).await
}

/// A worker from its configuration to its end. Success whatever became of the
/// jobs: that is in the counts.
pub(super) async fn work(global: &GlobalArgs, args: RunArgs, until: Until) -> Result<Exit, CliError> {
    // Before anything is opened: a signal during start-up must stop it in order.
    let mut signals = Signals::listen()?;
    raise_open_files();
    let request = request_to_run(global, &args.plugins, args.concurrency);
    let config = load(&request)?;
    let named: Vec<_> = ids::find_queues(&config, &args.queues)?.into_iter().map(|queue| queue.name.clone()).collect();
    let several = named.len() > 1;
    let queues = if args.queues.is_empty() { Served::All } else { Served::Named(named) };
    // `run` is over before it would be worth it.
    let reload = (until == Until::Told).then(|| {
        let (ask, asked) = mpsc::channel(1);
        // From now on: what changes while the plugins are loaded must not be missed.
        signals.reload = Some(ask);
        asked
    });
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
    let events = Events::to(vec![Arc::new(console), host.tally.clone()]);
    let swap = reload.map(|asked| host.swap(request, queues.clone(), events.clone()).run(asked));
    let mut worker = host.worker(queues, events);
    worker.swap = swap.map(|swap| Box::pin(swap) as _);
    let ended = until_stopped(worker, until, &mut signals).await;
    let within = if let Ok(Exit::Interrupted | Exit::Terminated) = ended { LAST_LINES_NOW } else { LAST_LINES };
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
