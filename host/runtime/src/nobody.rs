//! The host of a call that is none.

use async_trait::async_trait;

use crate::host::CallHost;
use crate::types::{JobDraft, Level, PushError};

/// The host of a plugin that is only tried out, and of an instance that is not in any call.
pub(crate) struct Nobody;

#[async_trait]
impl CallHost for Nobody {
    async fn push(&self, _drafts: Vec<JobDraft>) -> Result<(), PushError> {
        Err(PushError::Denied("there is no call".to_owned()))
    }

    async fn push_now(&self, _draft: JobDraft) -> Result<String, PushError> {
        Err(PushError::Denied("there is no call".to_owned()))
    }

    fn progress(&self, _done: u32, _total: Option<u32>, _note: &str) {}

    fn log(&self, _level: Level, _message: &str) {}
}
