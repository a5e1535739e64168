//! What the guests of an attempt ask of the host: follow-up jobs, progress,
//! log lines. Follow-ups wait here for the settlement, so nothing of a broken
//! call is stored.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use jobhost_queue::{FollowUp, JobId, Progress, Pushed, Store, Token};
use jobhost_runtime::CallHost;
use jobhost_runtime::types::{JobDraft, Level, PushError};

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

    fn log(&self, level: Level, message: &str) {
        log_of_guest(&self.plugin, Some(self.holding.lease.id), level, message);
    }
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
