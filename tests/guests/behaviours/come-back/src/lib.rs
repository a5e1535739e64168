//! Fails until attempt `good`, and asks for further attempts whatever its queue allows.

use guest::types::{FailureCause, Job, JobDraft, JobError, RetryDecision};

wit_bindgen::generate!({
    path: "../../../../wit",
    world: "retryable-job-handler",
    with: {
        "jobhost:plugin/types@0.1.0": guest::types,
        "jobhost:plugin/context@0.1.0": guest::context,
        "jobhost:plugin/queue@0.1.0": guest::queue,
    },
});

struct Stubborn;

impl exports::jobhost::plugin::handler::Guest for Stubborn {
    fn execute(job: Job) -> Result<String, JobError> {
        let good = guest::text(&job, "good")
            .parse()
            .map_err(guest::permanent)?;
        if job.attempt < good {
            return Err(JobError::Temporary(guest::failure("not-yet", job.attempt)));
        }
        Ok(job.attempt.to_string())
    }
}

impl exports::jobhost::plugin::time_to_run::Guest for Stubborn {
    fn get_ttr(_draft: JobDraft) -> Option<u32> {
        None
    }
}

impl exports::jobhost::plugin::retry_policy::Guest for Stubborn {
    fn can_retry(job: Job, cause: FailureCause) -> RetryDecision {
        match cause {
            FailureCause::Returned(_) if job.attempt < 10 => RetryDecision::RetryAfter(0),
            _ => RetryDecision::Unchanged,
        }
    }
}

export!(Stubborn);
