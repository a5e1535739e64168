//! Connections that wait for the next request, of any attempt of one plugin.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use hyper::client::conn::http1::SendRequest;

use super::body::Sent;
use super::grant::Origin;

/// Connections of a plugin that wait at once. One more closes the one that has waited longest.
const MOST: usize = 32;

/// How long a connection waits. Servers commonly keep theirs for a minute.
const IDLE: Duration = Duration::from_secs(30);

/// How long the end of the last exchange may take to come through to this side.
const SETTLING: Duration = Duration::from_millis(250);

/// Our end of a connection.
pub(super) type Sender = SendRequest<Sent>;

/// What a connection was made for. It serves no other purpose, so that what was checked then holds for its next request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) origin: Origin,
    /// Whether addresses that are not public were allowed.
    pub(super) private: bool,
    /// Which certificates are believed.
    pub(super) authorities: usize,
}

pub(super) struct Pool {
    waiting: Mutex<Waiting>,
    idle: Duration,
}

impl Default for Pool {
    fn default() -> Self {
        Self { waiting: Mutex::default(), idle: IDLE }
    }
}

#[derive(Default)]
struct Waiting {
    /// The one that has waited longest first.
    connections: Vec<Connection>,
    /// Whether somebody watches over their time.
    watched: bool,
}

struct Connection {
    way: Way,
    sender: Sender,
    since: Instant,
}

impl Pool {
    /// A connection that is ready for a request, if one waits: the one used last, which is the least likely to be closed
    /// by the server in the same moment.
    pub(super) async fn take(&self, way: &Way) -> Option<Sender> {
        loop {
            let mut sender = self.pop(way)?;
            if matches!(tokio::time::timeout(SETTLING, sender.ready()).await, Ok(Ok(()))) {
                return Some(sender);
            }
        }
    }

    fn pop(&self, way: &Way) -> Option<Sender> {
        let mut waiting = self.lock();
        let found = waiting.connections.iter().rposition(|connection| connection.way == *way)?;
        Some(waiting.connections.remove(found).sender)
    }

    /// Keeps a connection whose last exchange is over, or about to be. Outside of a runtime it is closed.
    pub(super) fn put(self: &Arc<Self>, way: Way, sender: Sender) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if sender.is_closed() {
            return;
        }
        let mut waiting = self.lock();
        waiting.close_old(self.idle);
        if waiting.connections.len() >= MOST {
            waiting.connections.remove(0);
        }
        waiting.connections.push(Connection { way, sender, since: Instant::now() });
        if !waiting.watched {
            waiting.watched = true;
            runtime.spawn(watch(Arc::downgrade(self), self.idle));
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn close_old(&mut self, idle: Duration) {
        self.connections.retain(|connection| connection.since.elapsed() < idle && !connection.sender.is_closed());
    }
}

/// Closes what has waited too long, until none is left.
async fn watch(pool: Weak<Pool>, idle: Duration) {
    loop {
        tokio::time::sleep(idle / 2).await;
        let Some(pool) = pool.upgrade() else { return };
        let mut waiting = pool.lock();
        waiting.close_old(idle);
        if waiting.connections.is_empty() {
            waiting.watched = false;
            return;
        }
    }
}

#[cfg(test)]
mod tests;
