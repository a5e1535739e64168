//! Fails in a way that another attempt may cure.

use guest::types::{Failure, JobError};

guest::handler!(|job| Err(JobError::Temporary(Failure {
    code: "upstream-503".to_owned(),
    message: format!("{} is busy", job.queue),
    details: vec![("attempt".to_owned(), job.attempt.to_string())],
})));
