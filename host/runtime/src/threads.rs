//! The threads on which guests run: nobody else's, so that whoever has to do something in time does not wait for one that
//! computes. It knows no guest.

use std::cell::Cell;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::runtime::{Handle, Runtime};
use tokio::task::JoinHandle;

use crate::limits::size;

/// After how many polls of guests a thread looks at its timers, at the latest: some may have computed for a whole tick.
const POLLS: u32 = 8;

/// Tells engines apart.
static ENGINES: AtomicU64 = AtomicU64::new(1);

thread_local! {
    /// The engine whose guests run on this thread; 0 on all others. To ask the runtime would count a reference that all its
    /// threads share.
    static GUESTS_OF: Cell<u64> = const { Cell::new(0) };
}

/// The threads of an engine.
pub(crate) struct Threads {
    engine: u64,
    /// None only while it is dropped.
    runtime: Option<Runtime>,
}

impl Threads {
    /// Starts so many threads, or one for each processor.
    pub(crate) fn start(count: Option<u32>) -> std::io::Result<Self> {
        let engine = ENGINES.fetch_add(1, Ordering::Relaxed);
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        runtime.thread_name("jobhost-guest").event_interval(POLLS).enable_time().enable_io();
        runtime.on_thread_start(move || GUESTS_OF.set(engine));
        if let Some(count) = count {
            runtime.worker_threads(size(u64::from(count)));
        }
        Ok(Self { engine, runtime: Some(runtime.build()?) })
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.runtime.as_ref().map_or(0, |runtime| runtime.metrics().num_workers())
    }

    /// Whether who asks is on one of them.
    pub(crate) fn is_here(&self) -> bool {
        GUESTS_OF.get() == self.engine
    }

    /// For whoever has tasks for them. None while they end.
    pub(crate) fn handle(&self) -> Option<Handle> {
        self.runtime.as_ref().map(|runtime| runtime.handle().clone())
    }

    /// Runs a future on them. None while they end.
    pub(crate) fn spawn<F>(&self, future: F) -> Option<JoinHandle<F::Output>>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.runtime.as_ref().map(|runtime| runtime.spawn(future))
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // The last owner may be a task of a runtime, which must not block on the end of another.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
