//! The plain data that crosses the border between host and guest, as the WIT package defines it. No type here is
//! the runtime's own; the WIT files are the documentation.

pub use crate::bindings::exported::before_exec::ExecDecision;
pub use crate::bindings::exported::before_push::PushDecision;
pub use crate::bindings::imported::context::Level;
pub use crate::bindings::imported::queue::PushError;
pub use crate::bindings::imported::types::{
    AttemptReport, DelayedFailure, Failure, FailureCause, Job, JobDraft, JobError, RetryDecision,
};
