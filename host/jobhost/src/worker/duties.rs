//! What a worker does beside its attempts: settling, extending leases,
//! sweeping, watching. A duty does not end by itself. One that has ended has
//! panicked, and without it the worker would only look as if it worked.

use std::any::Any;
use std::collections::HashMap;
use std::future::pending;

use tokio::task::{Id, JoinError, JoinSet};

use super::error::WorkerError;

/// The duties of one worker, which end with it.
#[derive(Default)]
pub(crate) struct Duties {
    tasks: JoinSet<()>,
    names: HashMap<Id, String>,
}

impl Duties {
    /// Begins one. The name says what nobody does any more without it.
    pub(crate) fn begin(&mut self, name: impl Into<String>, duty: impl Future<Output = ()> + Send + 'static) {
        let id = self.tasks.spawn(duty).id();
        self.names.insert(id, name.into());
    }

    /// Returns when one has ended. It may be dropped at any await.
    pub(crate) async fn broken(&mut self) -> WorkerError {
        match self.tasks.join_next_with_id().await {
            Some(ended) => self.told(ended),
            None => pending().await,
        }
    }

    /// One that has ended already, if there is one.
    pub(crate) fn broken_already(&mut self) -> Option<WorkerError> {
        let ended = self.tasks.try_join_next_with_id()?;
        Some(self.told(ended))
    }

    /// Ends them all.
    pub(crate) async fn end(mut self) {
        self.tasks.shutdown().await;
    }

    fn told(&self, ended: Result<(Id, ()), JoinError>) -> WorkerError {
        let (id, reason) = match ended {
            Ok((id, ())) => (id, "it returned".to_owned()),
            Err(error) => (error.id(), said(error)),
        };
        WorkerError::Duty { duty: self.names.get(&id).cloned().unwrap_or_default(), reason }
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
