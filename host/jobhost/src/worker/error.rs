//! Why a worker ends without having been told to.

use jobhost_queue::StoreError;

/// Why a worker ended badly. No job is lost by it: those that it still held
/// are handed back, or run again when their leases have expired.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkerError {
    /// A queue cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A queue has a job whose end cannot be stored.
    #[error("queue `{queue}` is not served: {reason}")]
    Queue {
        /// The queue's configured name.
        queue: String,
        /// Which job, what the store said, what to do.
        reason: String,
    },
    /// Something that runs for as long as the worker has ended: a bug.
    #[error("the worker cannot go on without {duty}, which has panicked: {reason}")]
    Duty {
        /// What nobody did any more.
        duty: String,
        /// What the panic said.
        reason: String,
    },
}
