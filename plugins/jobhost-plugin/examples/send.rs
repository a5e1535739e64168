//! A plugin that puts a file of its payload in a place over HTTP, with a token, and tells what the server made of it.

use jobhost_plugin::http::{self, Request};
use jobhost_plugin::{Job, JobError};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Upload {
    url: String,
    token: String,
    content: String,
}

#[derive(Serialize)]
struct Uploaded {
    answer: String,
}

#[jobhost_plugin::handler]
fn upload(job: Job<Upload>) -> Result<Uploaded, JobError> {
    let request = Request::put(&job.payload.url).header("authorization", format!("Bearer {}", job.payload.token));
    match request.send(&job.payload.content) {
        Ok(answer) if answer.status == 201 => {
            Ok(Uploaded { answer: String::from_utf8_lossy(&answer.body).into_owned() })
        }
        Ok(answer) => Err(JobError::temporary("status", format!("the server answered {}", answer.status))),
        Err(http::Error::Denied) => Err(JobError::permanent("denied", "the upload is not allowed")),
        Err(error) => Err(error.into()),
    }
}
