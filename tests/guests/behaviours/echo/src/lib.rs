//! Returns its payload.

guest::handler!(|job| Ok(job.payload));
