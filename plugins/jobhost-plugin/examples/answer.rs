//! What is measured of this crate: a handler that parses the payload of `jobhost bench` and answers with JSON.

use jobhost_plugin::{Job, JobError};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Filled {
    fill: String,
}

#[derive(Serialize)]
struct Answer {
    text: String,
    bytes: usize,
}

#[jobhost_plugin::handler]
fn answer(job: Job<Filled>) -> Result<Answer, JobError> {
    let bytes = job.payload.fill.len();
    Ok(Answer { text: job.payload.fill, bytes })
}
