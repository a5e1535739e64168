//! `jobhost run`, and what `listen` shares with it: a worker with its console
//! and its signals.

use std::future::pending;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

use super::args::{GlobalArgs, RunArgs};
use super::console::Console;
use super::output::Output;
use super::{ids, request_to_run};
use crate::config::load;
use crate::exit::{CliError, Exit};
use crate::host::Host;
use crate::worker::error::WorkerError;
use crate::worker::events::Events;
use crate::worker::run::{BoxFuture, Served, Until, Worker};

/// How long the reader of stdout has for the last lines.
const LAST_LINES: Duration = Duration::from_secs(5);
/// And after a second signal.
const LAST_LINES_NOW: Duration = Duration::from_millis(100);
/// How long the last attempts of a trial have to be counted.
const LAST_COUNTS: Duration = Duration::from_secs(2);

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
    let swap = reload.map(|asked| Swapping::begin(host.swap(request, queues.clone(), events.clone()).run(asked)));
    let mut worker = host.worker(queues, events);
    let (watched, swapping) = swap.unzip();
    worker.swap = watched;
    let ended = until_stopped(worker, until, &mut signals).await;
    let at_once = matches!(ended, Ok(Exit::Interrupted | Exit::Terminated));
    drop(signals.reload.take());
    if let Some(swapping) = swapping {
        swapping.end(at_once).await;
    }
    let within = if at_once { LAST_LINES_NOW } else { LAST_LINES };
    tokio::select! {
        () = printed.wait(within) => ended,
        signal = signals.next() => ended.map(|_| signal),
    }
}

/// What keeps the plugins in step with their files. It outlasts the worker, whose last attempts may count for a trial.
struct Swapping {
    task: AbortHandle,
    over: oneshot::Receiver<()>,
}

impl Swapping {
    /// Begins it; returns also what the worker is to have as a duty, which ends only with its panic.
    fn begin(swap: impl Future<Output = ()> + Send + 'static) -> (BoxFuture, Self) {
        let (tell, over) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            let _tell = tell;
            swap.await;
        });
        let abort = task.abort_handle();
        let watched = async move {
            if let Err(error) = task.await
                && let Ok(panic) = error.try_into_panic()
            {
                resume_unwind(panic);
            }
            pending::<()>().await;
        };
        (Box::pin(watched), Self { task: abort, over })
    }

    /// Waits until it has brought its last counts, unless it is to end `at_once`: it may be in the midst of compiling.
    async fn end(self, at_once: bool) {
        if at_once || timeout(LAST_COUNTS, self.over).await.is_err() {
            self.task.abort();
        }
    }
}

/// The worker until it ends, is told to stop and does, or is told a second time.
async fn until_stopped(worker: Worker, until: Until, signals: &mut Signals) -> Result<Exit, CliError> {
    let (tell_stop, stop) = watch::channel(false);
    // A task is woken in the thread that has its news; this one, which only waits, would have to be woken for each.
    let mut working = JoinSet::new();
    working.spawn(worker.run(until, stop));
    tokio::select! {
        ended = end_of(&mut working) => return ended,
        _ = signals.next() => {}
    }
    let _ = tell_stop.send(true);
    tokio::select! {
        ended = end_of(&mut working) => ended,
        // Nothing is lost: the store gives the jobs to others when their leases have expired.
        second = signals.next() => Ok(second),
    }
}

async fn end_of(working: &mut JoinSet<Result<(), WorkerError>>) -> Result<Exit, CliError> {
    match working.join_next().await {
        Some(Ok(ended)) => Ok(ended.map(|()| Exit::Success)?),
        Some(Err(error)) => match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            Err(error) => Err(CliError::Bug(format!("the worker: {error}"))),
        },
        None => Err(CliError::Bug("the worker has ended before".to_owned())),
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
