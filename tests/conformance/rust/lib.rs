//! Does what the jobs of the conformance kit ask for.

use std::time::Duration;

use jobhost_plugin::{
    AttemptReport, Draft, ExecDecision, Failure, FailureCause, HookError, Job, JobError, Json, PushDecision,
    RetryDecision, context, debug, error, info, queue, warn,
};
use serde::Deserialize;
use serde_json::{Value, json};

const A_WHILE: Duration = Duration::from_millis(1500);

#[derive(Deserialize)]
struct Payload {
    #[serde(rename = "do")]
    what: String,
    #[serde(default)]
    text: String,
}

#[jobhost_plugin::handler]
fn run(job: Job<Payload>) -> Result<Value, JobError> {
    match job.payload.what.as_str() {
        "echo" => return Ok(json!({ "text": job.payload.text })),
        "temporary" => return Err(JobError::temporary("busy", "later, perhaps")),
        "permanent" => return Err(JobError::permanent("never", "nobody can").detail("path", "a.b")),
        "retry-after" => return Err(JobError::retry_after(A_WHILE, "429", "too many")),
        "uncaught" => panic!("nobody catches this"),
        "progress" => {
            context::progress(1, None, "begun");
            context::progress(2, 3, "näher");
        }
        "logs" => {
            debug!("a");
            info!("b {}", '🦀');
            warn!("c");
            error!("d");
        }
        "print" => {
            println!("to stdout 🦀");
            eprintln!("to stderr");
        }
        "push" => {
            let first = Draft::new("follow-up", "first", &json!({ "text": "ü" }))?;
            queue::push(first.delay(A_WHILE).ttr(Duration::from_millis(2500)).metadata("tenant", "7"))?;
            let id = queue::push_now(Draft::new("follow-up", "second", &json!({}))?)?;
            return Ok(json!({ "id": id }));
        }
        "refused-push" => {
            let refused = match queue::push(Draft::new("follow-up", "first", &json!({}))?) {
                Err(queue::PushError::Denied(_)) => "denied",
                _ => "otherwise",
            };
            return Ok(json!({ "refused": refused }));
        }
        "loop" => loop {
            std::hint::spin_loop();
        },
        "fill-memory" => {
            let mut kept = Vec::new();
            loop {
                kept.push(std::hint::black_box(vec![1_u8; 1 << 20]));
            }
        }
        "random" => return Ok(json!({ "numbers": [random(), random()], "id": random().to_string() })),
        "job" => {
            let tenant = job.metadata.iter().find(|(name, _)| name == "tenant").map(|(_, value)| value);
            return Ok(json!({
                "id": job.id,
                "key": job.key,
                "name": job.name,
                "attempt": job.attempt,
                "of": job.max_attempts,
                "ttr": job.ttr.as_secs(),
                "tenant": tenant,
                "remaining": !context::remaining().is_zero(),
            }));
        }
        _ => {}
    }
    Ok(Value::Null)
}

/// The standard library has no other source of randomness.
fn random() -> u64 {
    use std::hash::BuildHasher;
    std::collections::hash_map::RandomState::new().hash_one(0)
}

fn what(payload: &Json) -> Result<String, HookError> {
    Ok(payload.read::<Payload>()?.what)
}

#[jobhost_plugin::time_to_run]
fn time_to_run(draft: &Draft) -> Option<Duration> {
    (what(&draft.payload).ok()? == "take-long").then_some(Duration::from_millis(89_500))
}

#[jobhost_plugin::retry_policy]
fn retry_policy(_job: &Job, cause: &FailureCause) -> RetryDecision {
    match cause.code() {
        "busy" => RetryDecision::RetryAfter(A_WHILE),
        "timed-out" => RetryDecision::GiveUp(cause.code().to_owned()),
        _ => RetryDecision::Unchanged,
    }
}

#[jobhost_plugin::before_push]
fn before_push(mut draft: Draft) -> Result<PushDecision, HookError> {
    Ok(match what(&draft.payload)?.as_str() {
        "reject" => PushDecision::Reject("nichts für uns".to_owned()),
        "replace" => {
            draft.name = "other".to_owned();
            draft.payload = Json::from_text(json!({ "text": "ü" }).to_string());
            PushDecision::Replace(draft)
        }
        _ => PushDecision::Accept,
    })
}

#[jobhost_plugin::before_exec]
fn before_exec(job: &Job) -> Result<ExecDecision, HookError> {
    Ok(match what(&job.payload)?.as_str() {
        "skip" => ExecDecision::Skip("nichts für uns".to_owned()),
        "postpone" => ExecDecision::Postpone(A_WHILE),
        "fail" => ExecDecision::Fail(Failure {
            code: "never".to_owned(),
            message: "nobody can".to_owned(),
            details: vec![("path".to_owned(), "a.b".to_owned())],
        }),
        _ => ExecDecision::Proceed,
    })
}

#[jobhost_plugin::after_exec]
fn after_exec(_job: &Job, output: &Json, _report: &AttemptReport) -> Result<(), HookError> {
    #[derive(Deserialize)]
    struct Output {
        text: String,
    }
    let Output { text } = output.read()?;
    queue::push(Draft::new("follow-up", "heard", &json!({ "text": text }))?)?;
    Ok(())
}

#[jobhost_plugin::after_error]
fn after_error(
    _job: &Job,
    cause: &FailureCause,
    _decision: &RetryDecision,
    _report: &AttemptReport,
) -> Result<RetryDecision, HookError> {
    warn!("{}: {}", cause.code(), cause.message());
    Ok(RetryDecision::RetryAfter(A_WHILE))
}
