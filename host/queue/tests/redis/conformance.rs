//! The contract of a store, kept by Redis.

use std::sync::Arc;

use async_trait::async_trait;
use jobhost_queue::conformance::TestStore;
use jobhost_queue::redis::{PrivateRedis, RedisStore};
use jobhost_queue::{Clock, ManualClock, Store};

/// A server of the test's own.
struct Subject {
    server: PrivateRedis,
    clock: ManualClock,
    store: Arc<dyn Store>,
}

async fn handle(server: &PrivateRedis, clock: &ManualClock) -> Arc<dyn Store> {
    let clock = Clock::Manual(clock.clone());
    Arc::new(RedisStore::open(&server.url(), clock).await.unwrap())
}

#[async_trait]
impl TestStore for Subject {
    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store)
    }

    async fn another(&self) -> Arc<dyn Store> {
        handle(&self.server, &self.clock).await
    }
}

async fn make(clock: ManualClock) -> Subject {
    let server = PrivateRedis::start();
    let store = handle(&server, &clock).await;
    Subject { server, clock, store }
}

jobhost_queue::conformance!(make);
