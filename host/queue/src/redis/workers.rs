//! The registry of workers: a hash of records, and a set that keeps when each was last heard of.

use async_trait::async_trait;
use redis::{Script, ScriptInvocation};

use super::{RedisStore, keys, scripts};
use crate::clock::UnixMillis;
use crate::error::StoreError;
use crate::workers::{MAX_WORKERS, Roster, WorkerRecord, Workers, check_id, decode};

impl RedisStore {
    fn on_workers<'s>(&self, script: &'s Script) -> ScriptInvocation<'s> {
        let mut call = script.prepare_invoke();
        for key in keys::workers() {
            call.key(key);
        }
        call.arg(self.clock.overridden().map_or_else(String::new, |now| now.to_string()));
        call
    }
}

#[async_trait]
impl Workers for RedisStore {
    async fn announce(&self, worker: &WorkerRecord) -> Result<(), StoreError> {
        let record = worker.encode()?;
        let mut call = self.on_workers(&scripts::ANNOUNCE);
        call.arg(&worker.id).arg(record);
        self.invoke(&call).await
    }

    async fn withdraw(&self, id: &str) -> Result<(), StoreError> {
        check_id(id)?;
        let mut call = self.on_workers(&scripts::WITHDRAW);
        call.arg(id);
        self.invoke(&call).await
    }

    async fn workers(&self) -> Result<Roster, StoreError> {
        let mut call = self.on_workers(&scripts::WORKERS);
        call.arg(MAX_WORKERS + 1);
        let (now, mut found): (UnixMillis, Vec<(String, f64, Option<Vec<u8>>)>) = self.invoke(&call).await?;
        let more = found.len() > MAX_WORKERS;
        found.truncate(MAX_WORKERS);
        let seen = |(id, at, record): (String, f64, Option<Vec<u8>>)| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the script wrote it: whole")]
            decode(&id, &String::from_utf8_lossy(&record.unwrap_or_default()), at as UnixMillis, now)
        };
        Ok(Roster { workers: found.into_iter().filter_map(seen).collect(), more })
    }
}
