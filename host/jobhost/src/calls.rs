//! What the guests of an attempt ask of the host: follow-up jobs, progress,
//! log lines. Follow-ups wait here for the settlement, so nothing of a broken
//! call is stored.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jobhost_queue::{
    Bucket, Change, Changed, Channel, Entry, FollowUp, JobId, NewJob, Progress, Pushed, Quota, Store, StoreError, Token,
};
use jobhost_runtime::types::{JobDraft, Level, PushError};
use jobhost_runtime::{BucketChange, BucketChanged, BucketValue, BucketValues, Buckets, CallHost};

use crate::push::Pusher;
use crate::worker::Holding;

/// Times between tries of a push whose answer was lost. The guest's own time
/// goes on meanwhile, and may end before.
const PAUSES: [Duration; 3] = [Duration::from_millis(100), Duration::from_millis(500), Duration::from_secs(2)];

/// One call's host: fresh for every call of an attempt.
pub(crate) struct AttemptCalls {
    pub(crate) plugin: String,
    pub(crate) pusher: Arc<Pusher>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) holding: Arc<Holding>,
    pub(crate) staged: Mutex<Vec<FollowUp>>,
    /// Whether the store did not answer as it should, of which the operator was told.
    pub(crate) store_failed: AtomicBool,
}

impl AttemptCalls {
    /// What the call has pushed, to be stored with the settlement.
    pub(crate) fn take_staged(&self) -> Vec<FollowUp> {
        std::mem::take(&mut *self.staged.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether a call of the store failed, so that what the guest made of it may not be its own fault.
    pub(crate) fn has_met_a_store_failure(&self) -> bool {
        self.store_failed.load(Ordering::Relaxed)
    }

    /// What the guest is told of the store's trouble: not where the store is nor what is in it, which the log has, once
    /// for each call.
    fn trouble(&self, error: &StoreError) -> String {
        let told = self.store_failed.swap(true, Ordering::Relaxed);
        if let StoreError::Invalid(why) = error {
            return why.clone();
        }
        if !told {
            tracing::warn!(plugin = self.plugin, job.id = %self.holding.lease.id, %error, "the store failed a plugin");
        }
        let what = if error.is_transient() { "is not available" } else { "has failed" };
        format!("the store {what}; the host's log says more")
    }

    /// Stores a job at once. Where the answer is lost it is asked for again
    /// with the same token, so that nothing is stored twice.
    async fn push_until_answered(&self, channel: &Channel, job: &NewJob) -> Result<Pushed, StoreError> {
        let (token, fence) = (Token::random(), Some(&self.holding.lease));
        let mut pauses = PAUSES.into_iter();
        loop {
            match self.store.push(channel, token.clone(), fence, std::slice::from_ref(job)).await {
                Err(error) if error.is_transient() => match pauses.next() {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => return Err(error),
                },
                answer => return answer,
            }
        }
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
        match self.push_until_answered(&channel, &job).await {
            Ok(Pushed::Stored(ids)) => Ok(ids.first().map(|id| format!("{queue}/{id}")).unwrap_or_default()),
            Ok(Pushed::Lost) => {
                self.holding.interrupt.cancel();
                Err(PushError::Unavailable("this attempt has lost its lease".into()))
            }
            Err(error) if error.is_transient() => {
                Err(PushError::Unavailable(format!("{}; whether the job is stored is not known", self.trouble(&error))))
            }
            Err(error) => Err(PushError::Unavailable(self.trouble(&error))),
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
        let found = self.store.values(&named(bucket)?, &keys).await.map_err(|error| self.trouble(&error))?;
        let value = |entry: Entry| BucketValue { value: entry.value, version: entry.version };
        let entries = found.entries.into_iter().map(|entry| entry.map(value)).collect();
        Ok(BucketValues { entries, version: found.version })
    }

    async fn keys(&self, bucket: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>, String> {
        self.store.keys(&named(bucket)?, after, limit).await.map_err(|error| self.trouble(&error))
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
        Err(match changed.map_err(|error| self.trouble(&error))? {
            Changed::Yes => return Ok(BucketChanged::Done),
            Changed::Sum(sum) => return Ok(BucketChanged::Sum(sum)),
            Changed::Stale => return Ok(BucketChanged::Stale),
            Changed::NotANumber => "what is at the key is no whole number of 64 bits, or the sum is none".to_owned(),
            Changed::TooManyKeys => {
                format!("the bucket `{bucket}` is full: it may have {} keys; raise `keys` of its grants", quota.keys)
            }
            Changed::TooManyBytes => {
                format!("the bucket `{bucket}` is full: it may have {} bytes; raise `size` of its grants", quota.bytes)
            }
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

#[cfg(test)]
mod tests {
    use arc_swap::ArcSwap;
    use jobhost_queue::{OpenOptions, ReserveOptions, open};

    use super::*;
    use crate::config::{Request, load};
    use crate::registry::{Registry, Wanted};
    use crate::worker::Leases;
    use crate::worker::faulty::{Fault, Faulty};

    #[tokio::test]
    async fn a_job_pushed_now_whose_answer_is_lost_is_stored_once_and_known_by_its_id() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("jobhost.toml");
        std::fs::write(&file, "store = \"sqlite:jobs.db\"\n[queues.q]\n").unwrap();
        let config = load(&Request { config: Some(file), ..Request::default() }).unwrap();
        let store = Arc::new(Faulty::new(open(&config.store, OpenOptions::default()).await.unwrap()));
        let channel = &config.queues[0].channel;
        store.push(channel, Token::random(), None, &[NewJob::new("{}", 10)]).await.unwrap();
        let options = ReserveOptions { limit: 1, suspects: true, worker: String::new() };
        let held = store.reserve(channel, Token::random(), &options).await.unwrap().jobs.remove(0);
        let registry = Registry::load(&config, None, Wanted::All).await.unwrap();
        let calls = AttemptCalls {
            plugin: "p".into(),
            pusher: Arc::new(Pusher::new(Arc::new(ArcSwap::from_pointee(registry)))),
            store: store.clone(),
            holding: Leases::default().keep(&held.lease, Duration::ZERO),
            staged: Mutex::default(),
            store_failed: AtomicBool::default(),
        };
        let draft = || JobDraft {
            queue: "q".into(),
            name: "X".into(),
            payload: String::new(),
            delay: None,
            ttr: None,
            metadata: Vec::new(),
        };
        store.breaks_once("push", Fault::LosesItsReply);
        assert_eq!(calls.push_now(draft()).await, Ok("q/2".to_owned()));
        assert_eq!(store.counts(channel).await.unwrap().waiting, 1);
        store.breaks("push", Fault::LosesItsReply);
        let Err(PushError::Unavailable(why)) = calls.push_now(draft()).await else { panic!("an answer came") };
        let told = "the store is not available; the host's log says more; whether the job is stored is not known";
        assert_eq!(why, told);
        assert_eq!(store.counts(channel).await.unwrap().waiting, 2, "however often it was asked for");
    }
}
