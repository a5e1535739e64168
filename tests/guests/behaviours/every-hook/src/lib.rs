//! Every hook, and nothing else. The payload's `answer` says what each of them answers, and `loop` which of them never
//! does.

use guest::types::{AttemptReport, FailureCause, Job, JobDraft, RetryDecision};

wit_bindgen::generate!({
    path: "../../../../wit",
    inline: "
        package guest:every-hook;
        world every-hook {
            import jobhost:plugin/context@0.1.0;
            import jobhost:plugin/queue@0.1.0;
            export jobhost:plugin/before-push@0.1.0;
            export jobhost:plugin/before-exec@0.1.0;
            export jobhost:plugin/after-exec@0.1.0;
            export jobhost:plugin/after-error@0.1.0;
        }
    ",
    world: "guest:every-hook/every-hook",
    with: {
        "jobhost:plugin/types@0.1.0": guest::types,
        "jobhost:plugin/context@0.1.0": guest::context,
        "jobhost:plugin/queue@0.1.0": guest::queue,
    },
});

use exports::jobhost::plugin::before_exec::ExecDecision;
use exports::jobhost::plugin::before_push::PushDecision;
use exports::jobhost::plugin::{after_error, after_exec, before_exec, before_push};

struct Hooks;

impl before_push::Guest for Hooks {
    fn before_push(draft: JobDraft) -> Result<PushDecision, String> {
        loop_if(&draft.payload, "before-push");
        match guest::member(&draft.payload, "answer").as_str() {
            "replace" => {
                let payload = "{\"replaced\":true}".to_owned();
                Ok(PushDecision::Replace(JobDraft {
                    payload,
                    ttr: Some(7),
                    ..draft
                }))
            }
            "elsewhere" => Ok(PushDecision::Replace(JobDraft {
                queue: "elsewhere".to_owned(),
                ..draft
            })),
            "garbage" => Ok(PushDecision::Replace(JobDraft {
                payload: "[".to_owned(),
                ..draft
            })),
            "reject" => Ok(PushDecision::Reject(format!("no {} today", draft.name))),
            "push" => Err(format!(
                "{:?}",
                guest::queue::push(&guest::draft("any", "Any", ""))
            )),
            "fail" => Err("the hook is broken".to_owned()),
            _ => Ok(PushDecision::Accept),
        }
    }
}

impl before_exec::Guest for Hooks {
    fn before_exec(job: Job) -> Result<ExecDecision, String> {
        loop_if(&job.payload, "before-exec");
        match guest::text(&job, "answer").as_str() {
            "skip" => Ok(ExecDecision::Skip("seen before".to_owned())),
            "postpone" => Ok(ExecDecision::Postpone(2_000)),
            "fail" => Ok(ExecDecision::Fail(guest::failure("35020", "not today"))),
            "broken" => Err("the hook is broken".to_owned()),
            _ => Ok(ExecDecision::Proceed),
        }
    }
}

impl after_exec::Guest for Hooks {
    fn after_exec(job: Job, output: String, report: AttemptReport) -> Result<(), String> {
        loop_if(&job.payload, "after-exec");
        let told = format!("{output} {} {}", report.peak_memory, report.plugin_digest);
        guest::context::log(guest::context::Level::Info, &told);
        let queue = guest::text(&job, "queue");
        guest::queue::push(&guest::draft(&queue, "Uploaded", &output))
            .map_err(|error| format!("{error:?}"))
    }
}

impl after_error::Guest for Hooks {
    fn after_error(
        job: Job,
        cause: FailureCause,
        decision: RetryDecision,
        _report: AttemptReport,
    ) -> Result<RetryDecision, String> {
        loop_if(&job.payload, "after-error");
        match (guest::text(&job, "answer").as_str(), decision) {
            ("trap", _) => panic!("the hook is broken"),
            ("hang", _) => loop {
                std::hint::black_box(());
            },
            ("refuse", _) => {
                let queue = guest::text(&job, "queue");
                let pushed = guest::queue::push(&guest::draft(&queue, "Failed", ""));
                Err(format!("the hook is broken: {pushed:?}"))
            }
            ("never", _) => Ok(RetryDecision::RetryAfter(u64::MAX)),
            ("retry", RetryDecision::GiveUp(_)) => Ok(RetryDecision::RetryAfter(250)),
            ("give-up", _) => Ok(RetryDecision::GiveUp(format!("{cause:?}"))),
            _ => Ok(RetryDecision::Unchanged),
        }
    }
}

/// Never comes back if the payload wants it of this hook.
fn loop_if(payload: &str, hook: &str) {
    while guest::member(payload, "loop") == hook {
        std::hint::black_box(());
    }
}

export!(Hooks);
