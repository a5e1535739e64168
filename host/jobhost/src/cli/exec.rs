//! `jobhost exec`: one job at once in its sandbox, without a store. Jobs that
//! it pushes are shown, not stored; hooks are not asked.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jobhost_queue::envelope::{self, Envelope};
use jobhost_runtime::types::{Job, JobDraft, JobError, Level, PushError};
use jobhost_runtime::{Buckets, Call, CallHost, Finished, Interrupt, Outcome};
use serde_json::{Value, json};

use super::args::{ExecArgs, GlobalArgs};
use super::output::{Output, Paint, compiling, complain, harmless, human_bytes, human_duration};
use super::{load_to_run, payload};
use crate::calls::log_of_guest;
use crate::cause;
use crate::config::{Config, Jobs};
use crate::exit::{CliError, Exit};
use crate::host::{HostError, engine_that_tells};
use crate::registry::{Registry, Wanted};

/// Runs the job; not so if it fails.
pub async fn run(global: &GlobalArgs, args: ExecArgs) -> Result<Exit, CliError> {
    let output = Output::new(global);
    let config = load_to_run(global, &args.plugins, args.concurrency)?;
    let (name, body) = job_of(&args, &config)?;
    let engine = engine_that_tells(&config, compiling)?;
    let registry = Registry::load(&config, Some(&engine), Wanted::All).await.map_err(HostError::from)?;
    let Some(plugin) = registry.handler(&name) else {
        return Err(CliError::NotSo(format!(
            "no plugin handles jobs named `{name}`; give one of the configured names with --name"
        )));
    };
    let ttr = args.ttr.unwrap_or_else(|| Duration::from_secs(u64::from(config.queues[0].ttr)));
    let host = Arc::new(Shown { plugin: plugin.name().to_owned(), pushed: Mutex::default() });
    let call = Call { budget: ttr, host: host.clone(), interrupt: Interrupt::default() };
    let finished = plugin.execute(job(&config, &name, body, ttr), call).await;
    let pushed = std::mem::take(&mut *host.pushed.lock().unwrap_or_else(PoisonError::into_inner));
    show(output, &finished, &pushed, plugin.digest())
}

/// The job's name and its body as it would be stored.
fn job_of(args: &ExecArgs, config: &Config) -> Result<(String, String), CliError> {
    let text = payload::read_payload(Some(&args.payload))?;
    let stem = args.plugins.first().and_then(|path: &PathBuf| path.file_stem()).unwrap_or_default().to_string_lossy();
    let own = envelope::decode(text.as_bytes()).ok().map(|Envelope { name, .. }| name);
    let name = args.name.clone().or(own).or_else(|| first_job(config, &stem)).unwrap_or_else(|| stem.into_owned());
    let body = envelope::encode(&name, &text).map_err(|error| CliError::Usage(format!("the payload: {error}")))?;
    let body = String::from_utf8(body).map_err(|error| CliError::Bug(error.to_string()))?;
    Ok((name, body))
}

/// Of a plugin that handles jobs of certain names.
fn first_job(config: &Config, plugin: &str) -> Option<String> {
    match &config.plugin(plugin)?.jobs {
        Jobs::Named(names) => names.first().cloned(),
        Jobs::All => None,
    }
}

fn job(config: &Config, name: &str, payload: String, ttr: Duration) -> Job {
    Job {
        id: "0".into(),
        key: "exec".into(),
        queue: config.queues[0].name.clone(),
        name: name.to_owned(),
        payload,
        attempt: 1,
        max_attempts: Some(1),
        ttr: u32::try_from(ttr.as_secs()).unwrap_or(u32::MAX).max(1),
        pushed_at: None,
        metadata: Vec::new(),
    }
}

fn show(
    output: Output,
    finished: &Finished<Result<String, JobError>>,
    pushed: &[JobDraft],
    digest: &str,
) -> Result<Exit, CliError> {
    let (result, failure) = match &finished.outcome {
        Outcome::Returned(Ok(result)) => (Some(result.as_str()), None),
        Outcome::Returned(Err(error)) => {
            let cause = jobhost_runtime::types::FailureCause::Returned(error.clone());
            (None, Some((cause::record(&cause), None)))
        }
        Outcome::Faulted(fault) => (None, Some((cause::record(&fault.cause), fault.backtrace.as_deref()))),
        Outcome::Cancelled => return Err(CliError::Bug("the job was cancelled, which nobody asked for".into())),
        Outcome::Unavailable(why) => return Err(CliError::NotSo(format!("the job could not be run: {why}"))),
    };
    let usage = &finished.usage;
    let document = json!({
        "outcome": if failure.is_none() { "done" } else { "failed" },
        "output": result,
        "cause": failure.as_ref().map(|(cause, _)| cause),
        "backtrace": failure.as_ref().and_then(|(_, backtrace)| *backtrace),
        "pushes": pushed.iter().map(shown).collect::<Vec<_>>(),
        "duration_us": u64::try_from(usage.duration.as_micros()).unwrap_or(u64::MAX),
        "peak_memory_bytes": usage.peak_memory,
        "fuel": usage.fuel,
        "stdout": usage.stdout,
        "stderr": usage.stderr,
        "plugin_digest": digest,
    });
    output.answer(&document, |_: &Paint| match result {
        Some("") | None => String::new(),
        Some(text) => format!("{text}\n"),
    })?;
    if !output.is_json() {
        tell(finished, pushed, failure.as_ref().map(|(cause, backtrace)| (cause, *backtrace)));
    }
    Ok(if failure.is_none() { Exit::Success } else { Exit::NotSo })
}

/// What is not the output goes to stderr.
fn tell(
    finished: &Finished<Result<String, JobError>>,
    pushed: &[JobDraft],
    failure: Option<(&jobhost_queue::Cause, Option<&str>)>,
) {
    let usage = &finished.usage;
    for text in [&usage.stdout, &usage.stderr] {
        if !text.is_empty() {
            complain(&format!("the plugin wrote:\n{}", harmless(text)));
        }
    }
    for draft in pushed {
        let payload = if draft.payload.is_empty() { "{}" } else { &draft.payload };
        complain(&harmless(&format!("would push {} to {}: {payload}", draft.name, draft.queue)));
    }
    if let Some((cause, backtrace)) = failure {
        let code = if cause.code.is_empty() { String::new() } else { format!("{}: ", cause.code) };
        complain(&harmless(&format!("the job failed ({}): {code}{}", cause.kind, cause.message)));
        for (name, detail) in &cause.details {
            complain(&harmless(&format!("{name}: {detail}")));
        }
        if let Some(backtrace) = backtrace {
            complain(&harmless(backtrace));
        }
    }
    complain(&format!("took {}, {} of memory", human_duration(usage.duration), human_bytes(usage.peak_memory)));
}

fn shown(draft: &JobDraft) -> Value {
    json!({
        "queue": draft.queue,
        "name": draft.name,
        "payload": draft.payload,
        "delay_ms": draft.delay,
        "ttr": draft.ttr,
    })
}

/// Collects what the job pushes.
struct Shown {
    plugin: String,
    pushed: Mutex<Vec<JobDraft>>,
}

#[async_trait]
impl CallHost for Shown {
    async fn push(&self, drafts: Vec<JobDraft>) -> Result<(), PushError> {
        self.pushed.lock().unwrap_or_else(PoisonError::into_inner).extend(drafts);
        Ok(())
    }

    async fn push_now(&self, _draft: JobDraft) -> Result<String, PushError> {
        Err(PushError::Unavailable("`jobhost exec` has no store".into()))
    }

    fn progress(&self, done: u32, total: Option<u32>, note: &str) {
        tracing::info!(done, total, note, "progress");
    }

    fn buckets(&self) -> Result<&dyn Buckets, &'static str> {
        Err("`jobhost exec` has no store")
    }

    fn log(&self, level: Level, message: &str) {
        log_of_guest(&self.plugin, None, level, message);
    }
}
