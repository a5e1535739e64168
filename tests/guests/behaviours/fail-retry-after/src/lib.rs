//! Fails, and says when to try again.

use guest::types::{DelayedFailure, JobError};

guest::handler!(|_| Err(JobError::RetryAfter(DelayedFailure {
    failure: guest::failure("429", "too many requests"),
    after: 1_500,
})));
