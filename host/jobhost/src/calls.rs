//! What the guests of an attempt ask of the host: follow-up jobs, progress,
//! log lines. Follow-ups wait here for the settlement, so nothing of a broken
//! call is stored.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use jobhost_queue::{Bucket, Change, Changed, Entry, FollowUp, JobId, Progress, Pushed, Quota, Store, Token};
use jobhost_runtime::types::{JobDraft, Level, PushError};
use jobhost_runtime::{BucketChange, BucketChanged, BucketValue, BucketValues, Buckets, CallHost};

use crate::push::Pusher;
use crate::worker::Holding;

/// One call's host: fresh for every call of an attempt.
pub(crate) struct AttemptCalls {
    pub(crate) plugin: String,
    pub(crate) pusher: Arc<Pusher>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) holding: Arc<Holding>,
    pub(crate) staged: Mutex<Vec<FollowUp>>,
}

impl AttemptCalls {
    /// What the call has pushed, to be stored with the settlement.
    pub(crate) fn take_staged(&self) -> Vec<FollowUp> {
        std::mem::take(&mut *self.staged.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl CallHost for AttemptCalls {
    async fn push(&self, drafts: Vec<JobDraft>) -> Result<(), PushError> {
        let mut prepared = Vec::with_capacity(drafts.len());
        for draft in drafts {
            prepared.push(self.pusher.prepare(draft).await?);
        }
        self.staged.lock().unwrap_or_else(PoisonError::into_inner).extend(prepared);
        Ok(())
    }

    async fn push_now(&self, draft: JobDraft) -> Result<String, PushError> {
        let queue = draft.queue.clone();
        let FollowUp { channel, job } = self.pusher.prepare(draft).await?;
        let fence = Some(&self.holding.lease);
        match self.store.push(&channel, Token::random(), fence, std::slice::from_ref(&job)).await {
            Ok(Pushed::Stored(ids)) => Ok(ids.first().map(|id| format!("{queue}/{id}")).unwrap_or_default()),
            Ok(Pushed::Lost) => {
                self.holding.interrupt.cancel();
                Err(PushError::Unavailable("this attempt has lost its lease".into()))
            }
            Err(error) => Err(PushError::Unavailable(error.to_string())),
        }
    }

    fn progress(&self, done: u32, total: Option<u32>, note: &str) {
        self.holding.note_progress(Progress { done, total, note: note.to_owned(), at: 0 });
    }

    fn buckets(&self) -> Result<&dyn Buckets, &'static str> {
        Ok(self)
    }

    fn log(&self, level: Level, message: &str) {
        log_of_guest(&self.plugin, Some(self.holding.lease.id), level, message);
    }
}

/// On the job store. What is written is so at once, and only while the attempt holds its lease.
#[async_trait]
impl Buckets for AttemptCalls {
    async fn values(&self, bucket: &str, keys: Vec<String>) -> Result<BucketValues, String> {
        let found = self.store.values(&named(bucket)?, &keys).await.map_err(|error| error.to_string())?;
        let value = |entry: Entry| BucketValue { value: entry.value, version: entry.version };
        let entries = found.entries.into_iter().map(|entry| entry.map(value)).collect();
        Ok(BucketValues { entries, version: found.version })
    }

    async fn keys(&self, bucket: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>, String> {
        self.store.keys(&named(bucket)?, after, limit).await.map_err(|error| error.to_string())
    }

    async fn change(&self, bucket: &str, most: (u64, u64), change: BucketChange) -> Result<BucketChanged, String> {
        let change = match change {
            BucketChange::Set(entries) => Change::Set(entries),
            BucketChange::Delete(keys) => Change::Delete(keys),
            BucketChange::Add { key, delta } => Change::Add { key, delta },
            BucketChange::Swap { key, value, version } => Change::Swap { key, value, version },
        };
        let quota = Quota { keys: most.0, bytes: most.1 };
        let changed = self.store.change(&named(bucket)?, &self.holding.lease, quota, &change).await;
        Err(match changed.map_err(|error| error.to_string())? {
            Changed::Yes => return Ok(BucketChanged::Done),
            Changed::Sum(sum) => return Ok(BucketChanged::Sum(sum)),
            Changed::Stale => return Ok(BucketChanged::Stale),
            Changed::NotANumber => "what is at the key is no whole number of 64 bits, or the sum is none".to_owned(),
            Changed::TooManyKeys => format!("the bucket `{bucket}` is full: it may have {} keys", quota.keys),
            Changed::TooManyBytes => format!("the bucket `{bucket}` is full: it may have {} bytes", quota.bytes),
            Changed::Lost => {
                self.holding.interrupt.cancel();
                "this attempt has lost its lease".to_owned()
            }
        })
    }
}

fn named(bucket: &str) -> Result<Bucket, String> {
    Bucket::new(bucket).map_err(|error| error.to_string())
}

/// A guest's log line, under the target `guest`.
pub(crate) fn log_of_guest(plugin: &str, job: Option<JobId>, level: Level, message: &str) {
    let id = job.map(|id| id.to_string()).unwrap_or_default();
    match level {
        Level::Trace => tracing::trace!(target: "guest", plugin = plugin, job.id = id, "{message}"),
        Level::Debug => tracing::debug!(target: "guest", plugin = plugin, job.id = id, "{message}"),
        Level::Info => tracing::info!(target: "guest", plugin = plugin, job.id = id, "{message}"),
        Level::Warn => tracing::warn!(target: "guest", plugin = plugin, job.id = id, "{message}"),
        Level::Error => tracing::error!(target: "guest", plugin = plugin, job.id = id, "{message}"),
    }
}
