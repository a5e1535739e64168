//! Fails for good.

use guest::types::JobError;

guest::handler!(|job| Err(JobError::Permanent(guest::failure("35020", job.name))));
