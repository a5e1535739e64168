//! The smallest plugin: one function from a payload to an output.

use jobhost_plugin::{Job, JobError};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Greet {
    name: String,
}

#[derive(Serialize)]
struct Greeting {
    text: String,
}

#[jobhost_plugin::handler]
fn greet(job: Job<Greet>) -> Result<Greeting, JobError> {
    if job.payload.name.is_empty() {
        return Err(JobError::permanent("no-name", "nobody to greet"));
    }
    Ok(Greeting { text: format!("Hello, {}!", job.payload.name) })
}
