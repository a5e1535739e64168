//! `jobhost status`: all that is known of one job.

use std::collections::BTreeMap;

use jobhost_queue::{JobState, JobStatus};
use serde_json::{Value, json};

use super::args::{GlobalArgs, StatusArgs};
use super::attempt::{Body, Lines, json_or_text, shortened};
use super::ids::{FullId, find_job};
use super::output::{Output, Paint, harmless_line, local_time};
use super::{load_to_look, open_to_look};
use crate::exit::{CliError, Exit};

pub(super) async fn run(global: &GlobalArgs, args: &StatusArgs, output: Output) -> Result<Exit, CliError> {
    let config = load_to_look(global)?;
    let (queue, id) = find_job(&config, args.queue.as_deref(), &args.id)?;
    let full = FullId::new(queue, id);
    let status = match open_to_look(&config).await? {
        Some(store) => store.status(&queue.channel, id).await?,
        None => None,
    };
    let Some(status) = status else {
        return Err(CliError::NotSo(format!(
            "there is no job {full}: it was never pushed, or its record is past the queue's `retain`"
        )));
    };
    let body = status.body.as_deref().map(Body::read);
    output.answer(&document(&full, &status, body.as_ref()), |paint| text(&full, &status, body.as_ref(), *paint))?;
    Ok(Exit::Success)
}

/// The state in a word.
fn state_word(state: JobState) -> &'static str {
    match state {
        JobState::Waiting => "waiting",
        JobState::Delayed { .. } => "delayed",
        JobState::Reserved => "reserved",
        JobState::Done => "done",
        JobState::Failed => "failed",
    }
}

/// The name in the body, else in the record of the latest attempt.
fn name_of<'s>(status: &'s JobStatus, body: Option<&'s Body>) -> &'s str {
    let recorded = status.record.as_ref().map(|record| record.name.as_str());
    body.map(|body| body.name.as_str()).filter(|name| !name.is_empty()).or(recorded).unwrap_or_default()
}

fn document(full: &FullId, status: &JobStatus, body: Option<&Body>) -> Value {
    let due_at = match status.state {
        JobState::Delayed { due_at } => Some(due_at),
        _ => None,
    };
    let metadata: BTreeMap<_, _> = status.metadata.iter().cloned().collect();
    json!({
        "id": full,
        "queue": full.queue,
        "state": state_word(status.state),
        "due_at": due_at,
        "name": name_of(status, body),
        "attempts": status.attempts,
        "crashes": status.crashes,
        "ttr": status.ttr,
        "pushed_at": status.pushed_at,
        "ended_at": status.ended_at,
        "worker": status.worker,
        "reserved_at": status.reserved_at,
        "key": status.key,
        "metadata": metadata,
        "payload": body.map(Body::document),
        "undecodable": body.and_then(|body| body.payload.as_ref().err()),
        "progress": status.progress,
        "record": status.record,
        "output": status.output.as_deref().map(json_or_text),
    })
}

fn text(full: &FullId, status: &JobStatus, body: Option<&Body>, paint: Paint) -> String {
    let word = state_word(status.state);
    let word = match status.state {
        JobState::Done => paint.good(word),
        JobState::Failed => paint.bad(word),
        _ => word.to_owned(),
    };
    let mut lines = Lines::new(paint, &format!("{full} is {word}"));
    lines.add("name", &harmless_line(name_of(status, body)));
    if let JobState::Delayed { due_at } = status.state {
        lines.add("due", &local_time(due_at));
    }
    lines.add("attempts", &status.attempts.to_string());
    if status.crashes > 0 {
        lines.add("crashes", &status.crashes.to_string());
    }
    if let Some(ttr) = status.ttr {
        lines.add("ttr", &format!("{ttr} s"));
    }
    lines.add_time("pushed", status.pushed_at);
    lines.add_time("ended", status.ended_at);
    if status.state == JobState::Reserved {
        lines.add("held by", &harmless_line(status.worker.as_deref().unwrap_or_default()));
        lines.add_time("since", status.reserved_at);
    }
    if let Some(progress) = &status.progress {
        let of = progress.total.map(|total| format!(" of {total}")).unwrap_or_default();
        let note = harmless_line(&progress.note);
        let said = format!("{}{of} {note}", progress.done);
        lines.add("progress", said.trim_end());
    }
    lines.add("key", &harmless_line(status.key.as_deref().unwrap_or_default()));
    for (name, value) in &status.metadata {
        lines.add(&harmless_line(name), &harmless_line(value));
    }
    if let Some(record) = &status.record {
        // What it costs now is known when it is settled; until then the one before is.
        if status.ended_at.is_none() {
            lines.add("last time", &format!("attempt {}", record.attempt));
        }
        lines.add_record(record);
    }
    if let Some(body) = body {
        lines.add_body(body);
    }
    lines.add_block("output", &shortened(status.output.as_deref().unwrap_or_default()));
    lines.finish()
}
