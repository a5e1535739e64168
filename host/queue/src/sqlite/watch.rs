//! Notices commits of other processes: by inotify on the `-wal` file, which
//! every commit writes to, and by `PRAGMA data_version`, which says whether
//! the commit can be seen already. Where there is no inotify, the latter alone
//! is asked, every 50 ms.

use std::convert::Infallible;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::file::Place;
use super::reader;
use super::wake::Bell;
use crate::error::StoreError;

/// How often the file is asked where nothing tells of a change.
const FALLBACK: Duration = Duration::from_millis(50);
/// How soon it is asked again after a write that cannot be seen yet; doubled
/// each time, up to [`SOON`] while most commits come, then to [`FALLBACK`].
const AT_FIRST: Duration = Duration::from_millis(1);
const SOON: Duration = Duration::from_millis(8);
/// Within this time after their write most commits come, on slow disks too.
const USUAL_COMMIT: Duration = Duration::from_millis(250);
/// How long after a write its commit may still come: the disk may be slow.
const SLOWEST_COMMIT: Duration = Duration::from_secs(20);

/// How long nothing is watched after the file could not be read.
const AFTER_AN_ERROR: Duration = Duration::from_secs(1);
const UNNOTICED: &str = "pushes of other processes are noticed late";

/// The watching thread. It ends when this is dropped.
pub(super) struct Watcher {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watcher {
    pub(super) fn start(place: Arc<Place>, bell: Arc<Bell>) -> Self {
        let (stop, stopped) = oneshot::channel();
        let address = place.address.clone();
        let thread =
            std::thread::Builder::new().name("jobhost-sqlite-watch".into()).spawn(move || run(&place, &bell, stopped));
        if let Err(error) = &thread {
            tracing::warn!(store = %address, %error, "{UNNOTICED}");
        }
        Self { stop: Some(stop), thread: thread.ok() }
    }
}

#[cfg(test)]
impl Watcher {
    /// One that notices nothing.
    pub(super) fn blind() -> Self {
        Self { stop: None, thread: None }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It panicked if this fails, and has said so itself.
            let _ = thread.join();
        }
    }
}

fn run(place: &Place, bell: &Bell, stopped: oneshot::Receiver<()>) {
    // A runtime of its own: the caller's may end before the store does.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::warn!(store = %place.address, %error, "{UNNOTICED}");
            return;
        }
    };
    runtime.block_on(async {
        tokio::select! {
            _ = stopped => {}
            () = keep_watching(place, bell) => {}
        }
    });
}

async fn keep_watching(place: &Place, bell: &Bell) {
    loop {
        let Err(error) = watch(place, bell).await;
        tracing::warn!(store = %place.address, %error, "{UNNOTICED}");
        tokio::time::sleep(AFTER_AN_ERROR).await;
    }
}

async fn watch(place: &Place, bell: &Bell) -> Result<Infallible, StoreError> {
    let sql = reader::reading(place)?;
    let mut seen = version(&sql, place)?;
    let mut writes = Writes::of(place);
    // What was committed before the first look is not told.
    bell.ring_all();
    loop {
        writes.next().await;
        let now_seen = version(&sql, place)?;
        if now_seen != seen {
            seen = now_seen;
            bell.ring_all();
        }
    }
}

fn version(sql: &Connection, place: &Place) -> Result<i64, StoreError> {
    sql.pragma_query_value(None, "data_version", |row| row.get(0))
        .map_err(|error| super::failure::Failure::from(error).at(place))
}

/// Says when it is worth to ask the file.
struct Writes {
    events: Option<events::Events>,
    last: Instant,
    nap: Duration,
}

impl Writes {
    fn of(place: &Place) -> Self {
        let events = events::Events::of(&place.beside("-wal"));
        if let Err(error) = &events {
            tracing::debug!(store = %place.address, %error, "the file is asked for changes every 50 ms");
        }
        Self { events: events.ok(), last: Instant::now(), nap: FALLBACK }
    }

    /// Returns at the next write, and some times after it: the write comes
    /// before its commit, which has to wait for the disk.
    async fn next(&mut self) {
        let Some(events) = &mut self.events else {
            tokio::time::sleep(FALLBACK).await;
            return;
        };
        let written = if self.last.elapsed() > SLOWEST_COMMIT {
            events.next().await;
            true
        } else {
            let again = Instant::now() + self.nap;
            timeout_at(again, events.next()).await.is_ok()
        };
        if written {
            self.last = Instant::now();
            self.nap = AT_FIRST;
        } else {
            let longest = if self.last.elapsed() < USUAL_COMMIT { SOON } else { FALLBACK };
            self.nap = longest.min(self.nap * 2);
        }
    }
}

#[cfg(target_os = "linux")]
mod events {
    use std::path::Path;

    use futures_util::StreamExt;
    use inotify::{EventStream, Inotify, WatchMask};

    pub(super) struct Events(EventStream<[u8; 4096]>);

    impl Events {
        pub(super) fn of(file: &Path) -> std::io::Result<Self> {
            let inotify = Inotify::init()?;
            inotify.watches().add(file, WatchMask::MODIFY)?;
            Ok(Self(inotify.into_event_stream([0; 4096])?))
        }

        /// Returns when the file is written to.
        pub(super) async fn next(&mut self) {
            if self.0.next().await.is_none() {
                std::future::pending::<()>().await;
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod events {
    use std::path::Path;

    pub(super) struct Events;

    impl Events {
        pub(super) fn of(_: &Path) -> std::io::Result<Self> {
            Err(std::io::ErrorKind::Unsupported.into())
        }

        pub(super) async fn next(&mut self) {
            std::future::pending().await
        }
    }
}
