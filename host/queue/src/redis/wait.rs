//! Waiting for a job to be there, without polling and without taking one. Each
//! channel has one task with one connection of its own, on which it blocks
//! while somebody waits; whoever waits listens to the task and may go at any
//! time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::connection::Connection;
use super::keys;
use crate::error::StoreError;
use crate::job::Channel;
use crate::store::Wake;

/// How long one blocking command blocks. A task that nobody listens to any
/// more stays in it at most that long.
const BLOCK: Duration = Duration::from_secs(5);
/// How much longer than that an answer may take before the connection counts as dead.
const SLACK: Duration = Duration::from_secs(3);
/// How long a task that nobody listens to keeps its connection.
const IDLE: Duration = Duration::from_secs(30);

/// The waiting of one process for jobs of any channel.
pub(super) struct Waiters {
    connection: Arc<Connection>,
    tasks: Mutex<HashMap<Channel, Task>>,
}

struct Task {
    /// Sends how each blocking command ended.
    ends: watch::Receiver<End>,
    /// Tells the task that somebody listens.
    calls: watch::Sender<u64>,
    handle: JoinHandle<()>,
}

/// How a blocking command ended.
#[derive(Clone, Debug)]
enum End {
    Ready,
    Unavailable(String),
    Unusable(String),
}

impl Waiters {
    pub(super) fn new(connection: Arc<Connection>) -> Self {
        Self { connection, tasks: Mutex::default() }
    }

    /// Waits until the channel's list holds something, at most `within`.
    pub(super) async fn wait(&self, channel: &Channel, within: Duration) -> Result<Wake, StoreError> {
        let mut ends = self.listen(channel);
        match timeout(within, ends.changed()).await {
            Err(_) => return Ok(Wake::TimedOut),
            Ok(Err(_)) => return Err(self.connection.unavailable("the waiting task ended")),
            Ok(Ok(())) => {}
        }
        let end = ends.borrow().clone();
        match end {
            End::Ready => Ok(Wake::Ready),
            End::Unavailable(reason) => Err(self.connection.unavailable(reason)),
            End::Unusable(reason) => Err(self.connection.corrupt(format!("key `{}`", keys::waiting(channel)), reason)),
        }
    }

    /// Joins the channel's task, which is started if there is none.
    fn listen(&self, channel: &Channel) -> watch::Receiver<End> {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.retain(|_, task| !task.handle.is_finished());
        let task = tasks.entry(channel.clone()).or_insert_with(|| start(self.connection.clone(), channel.clone()));
        let mut ends = task.ends.clone();
        ends.mark_unchanged();
        task.calls.send_modify(|calls| *calls += 1);
        ends
    }
}

impl Drop for Waiters {
    fn drop(&mut self) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        for task in tasks.drain() {
            task.1.handle.abort();
        }
    }
}

fn start(connection: Arc<Connection>, channel: Channel) -> Task {
    let (ended, ends) = watch::channel(End::Ready);
    let (calls, called) = watch::channel(0);
    let handle = tokio::spawn(serve(connection, channel, ended, called));
    Task { ends, calls, handle }
}

/// Blocks once for each time that somebody began to listen, or more often
/// while nothing comes and somebody still does. The map holds one receiver.
async fn serve(
    connection: Arc<Connection>,
    channel: Channel,
    ended: watch::Sender<End>,
    mut called: watch::Receiver<u64>,
) {
    let mut link = None;
    loop {
        match timeout(IDLE, called.changed()).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return,
            // Nobody came: give the connection back, but stay.
            Err(_) => {
                link = None;
                continue;
            }
        }
        while ended.receiver_count() > 1 {
            if let Some(end) = block(&connection, &mut link, &channel).await {
                ended.send_replace(end);
                break;
            }
        }
    }
}

/// One blocking command; `None` if nothing came. It moves the last element
/// onto itself: nothing changes, and nothing is lost if this client dies.
async fn block(connection: &Connection, link: &mut Option<MultiplexedConnection>, channel: &Channel) -> Option<End> {
    let mut current = match link.take() {
        Some(current) => current,
        None => match connection.dedicated().await {
            Ok(current) => current,
            Err(StoreError::Unavailable { reason, .. }) => return Some(End::Unavailable(reason)),
            Err(other) => return Some(End::Unusable(other.to_string())),
        },
    };
    let list = keys::waiting(channel);
    let mut command = redis::cmd("BLMOVE");
    command.arg(&list).arg(&list).arg("RIGHT").arg("RIGHT").arg(BLOCK.as_secs());
    let reply = command.query_async::<Option<Vec<u8>>>(&mut current);
    match timeout(BLOCK + SLACK, reply).await {
        Ok(Ok(found)) => {
            *link = Some(current);
            found.map(|_| End::Ready)
        }
        Ok(Err(error)) => Some(match connection.explain(&error) {
            StoreError::Unavailable { reason, .. } => End::Unavailable(reason),
            other => End::Unusable(other.to_string()),
        }),
        Err(_) => Some(End::Unavailable("the server does not answer the blocking command".into())),
    }
}
