//! Answers get-ttr and can-retry, as the payload tells it to; `loop` in place of an answer never comes back, `trap`
//! traps. A job whose payload has a `fail` fails.

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

struct Policy;

impl exports::jobhost::plugin::handler::Guest for Policy {
    fn execute(job: Job) -> Result<String, JobError> {
        match guest::text(&job, "fail").as_str() {
            "" => Ok(job.payload),
            message => Err(JobError::Temporary(guest::failure("503", message))),
        }
    }
}

impl exports::jobhost::plugin::time_to_run::Guest for Policy {
    fn get_ttr(draft: JobDraft) -> Option<u32> {
        match guest::member(&draft.payload, "ttr").as_str() {
            "loop" => loop {
                std::hint::black_box(());
            },
            "push" => Some(denied(
                guest::queue::push(&guest::draft("any", "Any", "")).is_err_and(is_denied),
            )),
            seconds => seconds.parse().ok(),
        }
    }
}

impl exports::jobhost::plugin::retry_policy::Guest for Policy {
    fn can_retry(job: Job, cause: FailureCause) -> RetryDecision {
        match guest::member(&job.payload, "retry").as_str() {
            "push" => RetryDecision::RetryAfter(
                denied(
                    guest::queue::push_now(&guest::draft("any", "Any", "")).is_err_and(is_denied),
                )
                .into(),
            ),
            "trap" => panic!("can-retry is broken"),
            "retry" => RetryDecision::Retry,
            "loop" => loop {
                std::hint::black_box(());
            },
            "" => RetryDecision::GiveUp(format!("{cause:?}")),
            milliseconds => milliseconds
                .parse()
                .map_or(RetryDecision::Unchanged, RetryDecision::RetryAfter),
        }
    }
}

fn is_denied(error: guest::queue::PushError) -> bool {
    matches!(error, guest::queue::PushError::Denied(_))
}

fn denied(denied: bool) -> u32 {
    if denied { 403 } else { 200 }
}

export!(Policy);
