//! What a worker does beside its attempts: settling, extending leases,
//! sweeping, watching, replacing plugins. A duty does not end by itself. One
//! that has ended has panicked, and without it the worker would only look as
//! if it worked. Those for a queue that is no longer served are ended.

use std::any::Any;
use std::collections::HashMap;
use std::future::pending;

use tokio::task::{AbortHandle, Id, JoinError, JoinSet};

use super::error::WorkerError;

/// The duties of one worker, which end with it.
#[derive(Default)]
pub(crate) struct Duties {
    tasks: JoinSet<()>,
    names: HashMap<Id, String>,
}

impl Duties {
    /// Begins one. The name says what nobody does any more without it. It may
    /// be ended by what is returned.
    pub(crate) fn begin(
        &mut self,
        name: impl Into<String>,
        duty: impl Future<Output = ()> + Send + 'static,
    ) -> AbortHandle {
        let handle = self.tasks.spawn(duty);
        self.names.insert(handle.id(), name.into());
        handle
    }

    /// Returns when one has ended by itself. It may be dropped at any await.
    pub(crate) async fn broken(&mut self) -> WorkerError {
        while let Some(ended) = self.tasks.join_next_with_id().await {
            if let Some(error) = self.told(ended) {
                return error;
            }
        }
        pending().await
    }

    /// One that has ended by itself already, if there is one.
    pub(crate) fn broken_already(&mut self) -> Option<WorkerError> {
        while let Some(ended) = self.tasks.try_join_next_with_id() {
            if let Some(error) = self.told(ended) {
                return Some(error);
            }
        }
        None
    }

    /// Ends them all.
    pub(crate) async fn end(mut self) {
        self.tasks.shutdown().await;
    }

    /// What is wrong with that, unless it was told to end.
    fn told(&mut self, ended: Result<(Id, ()), JoinError>) -> Option<WorkerError> {
        let (id, reason) = match ended {
            Ok((id, ())) => (id, Some("it returned".to_owned())),
            Err(error) if error.is_cancelled() => (error.id(), None),
            Err(error) => (error.id(), Some(said(error))),
        };
        let duty = self.names.remove(&id).unwrap_or_default();
        reason.map(|reason| WorkerError::Duty { duty, reason })
    }
}

/// What a panic said.
fn said(error: JoinError) -> String {
    let shown = error.to_string();
    let panic: Box<dyn Any + Send> = match error.try_into_panic() {
        Ok(panic) => panic,
        Err(_) => return shown,
    };
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.map_or(shown, str::to_owned)
}
