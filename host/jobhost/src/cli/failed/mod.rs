//! `jobhost failed`: the jobs that will not be tried again, until somebody
//! retries or drops them here.

mod change;

use std::collections::BTreeMap;
use std::fmt::Write;

use jobhost_queue::{FailedJob, Message, Store};
use serde_json::{Map, Value, json};

use super::args::{FailedCommand, FailedListArgs, FailedPruneArgs, GlobalArgs, StatusArgs};
use super::attempt::{Body, Lines, cause_line};
use super::ids::{FullId, find_job, find_queues};
use super::output::{Output, Paint, harmless_line, local_time};
use super::{load_to_look, open_to_look};
use crate::config::{Config, QueueConfig};
use crate::exit::{CliError, Exit};

/// The most that a store takes in one call.
const PAGE: u32 = 1000;

pub(super) async fn run(global: &GlobalArgs, command: FailedCommand, output: Output) -> Result<Exit, CliError> {
    let config = load_to_look(global)?;
    match command {
        FailedCommand::List(args) => list(&config, &args, output).await,
        FailedCommand::Show(args) => show(&config, &args, output).await,
        FailedCommand::Retry(args) => change::retry(&config, &args, output).await,
        FailedCommand::Remove(args) => change::remove(&config, &args, output).await,
        FailedCommand::Prune(args) => prune(&config, &args, output).await,
    }
}

async fn list(config: &Config, args: &FailedListArgs, output: Output) -> Result<Exit, CliError> {
    let queues = find_queues(config, &args.queues)?;
    let store = open_to_look(config).await?;
    let mut jobs = Vec::new();
    let mut more = false;
    for queue in queues {
        let Some(store) = &store else { break };
        // One more than is printed tells whether there are more.
        let mut found = pages(store.as_ref(), queue, args.limit + 1).await?;
        more |= found.len() > args.limit as usize;
        found.truncate(args.limit as usize);
        jobs.extend(found.into_iter().map(|job| (queue, job)));
    }
    let documents: Vec<_> = jobs.iter().map(|(queue, job)| document(queue, job, None)).collect();
    output.answer(&json!({ "failed": documents, "more": more }), |paint| {
        let mut text = String::new();
        if jobs.is_empty() {
            text.push_str("no failed jobs\n");
        }
        for (queue, job) in &jobs {
            list_line(&mut text, queue, job, *paint);
        }
        if more {
            let _ = writeln!(text, "there are more; --limit shows more than {}", args.limit);
        }
        text
    })?;
    Ok(Exit::Success)
}

async fn show(config: &Config, args: &StatusArgs, output: Output) -> Result<Exit, CliError> {
    let (queue, id) = find_job(config, args.queue.as_deref(), &args.id)?;
    let full = FullId::new(queue, id);
    let job = match open_to_look(config).await? {
        Some(store) => store.failed_job(&queue.channel, id).await?,
        None => None,
    };
    let Some(job) = job else {
        return Err(CliError::NotSo(format!(
            "job {full} is not in the failed set; `jobhost failed list` shows it, `jobhost status {full}` where the job is"
        )));
    };
    let body = body_of(&job);
    output.answer(&document(queue, &job, Some(&body)), |paint| show_text(queue, &job, &body, *paint))?;
    Ok(Exit::Success)
}

async fn prune(config: &Config, args: &FailedPruneArgs, output: Output) -> Result<Exit, CliError> {
    let queues = find_queues(config, &args.queues)?;
    let store = open_to_look(config).await?;
    let mut pruned = Map::new();
    for queue in queues {
        let count = match &store {
            Some(store) => store.prune_failed(&queue.channel, args.older).await?,
            None => 0,
        };
        pruned.insert(queue.name.clone(), count.into());
    }
    output.answer(&json!({ "pruned": pruned }), |_| {
        pruned.iter().fold(String::new(), |mut text, (queue, count)| {
            let _ = writeln!(text, "{count} failed jobs of {queue} are dropped");
            text
        })
    })?;
    Ok(Exit::Success)
}

/// The latest failures of a queue, at most `limit`.
async fn pages(store: &dyn Store, queue: &QueueConfig, limit: u32) -> Result<Vec<FailedJob>, CliError> {
    let mut jobs: Vec<FailedJob> = Vec::new();
    loop {
        let offset = u32::try_from(jobs.len()).unwrap_or(limit);
        let wanted = PAGE.min(limit.saturating_sub(offset));
        if wanted == 0 {
            return Ok(jobs);
        }
        let page = store.failed(&queue.channel, offset.into(), wanted).await?;
        let last = page.len() < wanted as usize;
        jobs.extend(page);
        if last {
            return Ok(jobs);
        }
    }
}

fn body_of(job: &FailedJob) -> Body {
    match &job.message {
        Message::Readable { body, .. } => Body::read(body),
        Message::Malformed { raw, reason } => Body {
            name: String::new(),
            payload: Err(format!(
                "the stored message `{}` is not readable: {reason}",
                raw[..raw.len().min(40)].escape_ascii()
            )),
        },
    }
}

fn ttr_of(job: &FailedJob) -> Option<u32> {
    match job.message {
        Message::Readable { ttr, .. } => Some(ttr),
        Message::Malformed { .. } => None,
    }
}

/// The job as JSON; its payload only where it was read for that.
fn document(queue: &QueueConfig, job: &FailedJob, body: Option<&Body>) -> Value {
    let metadata: BTreeMap<_, _> = job.metadata.iter().cloned().collect();
    let mut document = json!({
        "id": FullId::new(queue, job.id),
        "queue": queue.name,
        "name": job.record.name,
        "failed_at": job.failed_at,
        "attempts": job.attempts,
        "ttr": ttr_of(job),
        "key": job.key,
        "pushed_at": job.pushed_at,
        "metadata": metadata,
        "record": job.record,
    });
    if let (Some(body), Some(fields)) = (body, document.as_object_mut()) {
        fields.insert("payload".to_owned(), body.document());
        fields.insert("undecodable".to_owned(), json!(body.payload.as_ref().err()));
    }
    document
}

fn list_line(text: &mut String, queue: &QueueConfig, job: &FailedJob, paint: Paint) {
    let name = if job.record.name.is_empty() { "unknown job".to_owned() } else { harmless_line(&job.record.name) };
    let cause = job.record.cause.as_ref().map(cause_line).unwrap_or_default();
    let times = if job.attempts == 1 { "attempt" } else { "attempts" };
    let _ = writeln!(
        text,
        "{} {} {name} ({} {times}) {}",
        FullId::new(queue, job.id),
        paint.label(&local_time(job.failed_at)),
        job.attempts,
        paint.bad(&cause)
    );
}

fn show_text(queue: &QueueConfig, job: &FailedJob, body: &Body, paint: Paint) -> String {
    let full = FullId::new(queue, job.id);
    let mut lines = Lines::new(paint, &format!("{full} {}", paint.bad("has failed")));
    lines.add("name", &harmless_line(&job.record.name));
    lines.add_time("failed", Some(job.failed_at));
    lines.add("attempts", &job.attempts.to_string());
    if let Some(ttr) = ttr_of(job) {
        lines.add("ttr", &format!("{ttr} s"));
    }
    lines.add_time("pushed", job.pushed_at);
    lines.add("key", &harmless_line(&job.key));
    for (name, value) in &job.metadata {
        lines.add(&harmless_line(name), &harmless_line(value));
    }
    lines.add_record(&job.record);
    lines.add_body(body);
    lines.finish()
}

#[cfg(test)]
mod tests;
