//! Skeleton.
#![allow(unused_variables, unused_imports)]
use crate::*;
use async_trait::async_trait;
use std::time::Duration;

/// Skeleton.
pub struct RedisStore;
impl RedisStore {
    /// Skeleton.
    pub async fn open(_url: &str, _clock: Clock) -> Result<Self, StoreError> {
        unimplemented!()
    }
}
#[async_trait]
impl Store for RedisStore {
    fn address(&self) -> &str {
        unimplemented!()
    }
    async fn ping(&self) -> Result<(), StoreError> {
        unimplemented!()
    }
    async fn push(
        &self,
        channel: &Channel,
        token: Token,
        fence: Option<&Lease>,
        jobs: &[NewJob],
    ) -> Result<Pushed, StoreError> {
        unimplemented!()
    }
    async fn reserve(
        &self,
        channel: &Channel,
        token: Token,
        options: &ReserveOptions,
    ) -> Result<Reservation, StoreError> {
        unimplemented!()
    }
    async fn settle(&self, token: Token, batch: &[Settlement]) -> Result<Vec<Settled>, StoreError> {
        unimplemented!()
    }
    async fn extend(&self, leases: &[Lease], stopping: bool) -> Result<Vec<Held>, StoreError> {
        unimplemented!()
    }
    async fn progress(&self, lease: &Lease, progress: &Progress) -> Result<Held, StoreError> {
        unimplemented!()
    }
    async fn sweep(&self, channel: &Channel) -> Result<SweepReport, StoreError> {
        unimplemented!()
    }
    async fn wait(&self, channel: &Channel, timeout: Duration) -> Result<Wake, StoreError> {
        unimplemented!()
    }
    async fn counts(&self, channel: &Channel) -> Result<Counts, StoreError> {
        unimplemented!()
    }
    async fn status(&self, channel: &Channel, id: JobId) -> Result<Option<JobStatus>, StoreError> {
        unimplemented!()
    }
    async fn failed(
        &self,
        channel: &Channel,
        offset: u64,
        limit: u32,
    ) -> Result<Vec<FailedJob>, StoreError> {
        unimplemented!()
    }
    async fn failed_job(
        &self,
        channel: &Channel,
        id: JobId,
    ) -> Result<Option<FailedJob>, StoreError> {
        unimplemented!()
    }
    async fn retry_failed(
        &self,
        channel: &Channel,
        token: Token,
        ids: &[JobId],
    ) -> Result<Vec<Option<JobId>>, StoreError> {
        unimplemented!()
    }
    async fn remove_failed(
        &self,
        channel: &Channel,
        ids: &[JobId],
    ) -> Result<Vec<bool>, StoreError> {
        unimplemented!()
    }
    async fn prune_failed(&self, channel: &Channel, older: Duration) -> Result<u64, StoreError> {
        unimplemented!()
    }
    async fn remove(&self, channel: &Channel, id: JobId) -> Result<bool, StoreError> {
        unimplemented!()
    }
    async fn clear(&self, channel: &Channel) -> Result<u64, StoreError> {
        unimplemented!()
    }
}
