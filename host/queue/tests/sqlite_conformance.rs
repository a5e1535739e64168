//! The contract of a store, kept by SQLite.

#![expect(clippy::unwrap_used, reason = "a test panics to fail")]

use std::sync::Arc;

use async_trait::async_trait;
use jobhost_queue::conformance::TestStore;
use jobhost_queue::sqlite::SqliteStore;
use jobhost_queue::{Clock, ManualClock, OpenOptions, Store};

struct Subject {
    folder: tempfile::TempDir,
    clock: ManualClock,
    store: Arc<dyn Store>,
}

async fn open(folder: &tempfile::TempDir, clock: &ManualClock) -> Arc<dyn Store> {
    let url = format!("sqlite:{}/jobs.db", folder.path().display());
    let options = OpenOptions { clock: Clock::Manual(clock.clone()), ..OpenOptions::default() };
    Arc::new(SqliteStore::open(&url, &options).await.unwrap())
}

#[async_trait]
impl TestStore for Subject {
    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store)
    }

    async fn another(&self) -> Arc<dyn Store> {
        open(&self.folder, &self.clock).await
    }
}

async fn make(clock: ManualClock) -> Subject {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder, &clock).await;
    Subject { folder, clock, store }
}

jobhost_queue::conformance!(make);
