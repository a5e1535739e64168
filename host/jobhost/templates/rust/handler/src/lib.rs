//! Greets people: a job handler to change into your own.

use jobhost_plugin::{Draft, Job, JobError, context, info, queue};
use serde::{Deserialize, Serialize};

/// The payload: the JSON with which the job was pushed.
#[derive(Deserialize)]
struct Greet {
    name: String,
    #[serde(default)]
    ready_at_attempt: u32,
}

/// The output: JSON that is kept with the job.
#[derive(Serialize)]
struct Greeting {
    text: String,
    attempt: u32,
}

/// The payload of the follow-up job.
#[derive(Serialize)]
struct Announce<'a> {
    text: &'a str,
}

#[jobhost_plugin::handler]
fn greet(job: Job<Greet>) -> Result<Greeting, JobError> {
    let Greet { name, ready_at_attempt } = &job.payload;
    if name.is_empty() {
        // It will be no better next time.
        return Err(JobError::permanent("no-name", "nobody to greet"));
    }
    if job.attempt < *ready_at_attempt {
        // It may be next time. `?` on an error of another crate says the same.
        let message = format!("there is no greeting before attempt {ready_at_attempt}");
        return Err(JobError::temporary("not-ready", message));
    }
    info!("greeting {name}");
    context::progress(1, 2, "greeting");
    let text = format!("Hello, {name}!");
    // Stored when this job is done, or not at all.
    queue::push(Draft::new("follow-up", "announce", &Announce { text: &text })?)?;
    context::progress(2, 2, "announced");
    Ok(Greeting { text, attempt: job.attempt })
}
