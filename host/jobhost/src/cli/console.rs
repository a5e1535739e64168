//! The lines that `run` and `listen` print, one for each event: for people as
//! yii2-queue prints them, or as JSON.

use std::fmt::Write;
use std::time::Duration;

use jiff::Timestamp;
use jobhost_queue::{AttemptRecord, Cause};
use serde_json::{Value, json};

use super::output::{Output, Paint, harmless, harmless_line, human_duration, local_time};
use super::printing::{self, Lines, Printed};
use crate::exit::CliError;
use crate::swap::{More, told};
use crate::worker::events::{Event, Listener, Subject, TrialState};

/// Prints events. What cannot be printed, the pipe being closed or its reader
/// far behind, is dropped: jobs neither end nor wait because nobody reads along.
pub(super) struct Console {
    lines: Lines,
    json: bool,
    paint: Paint,
    /// Whether ids are printed with their queue.
    several_queues: bool,
    pid: u32,
}

impl Console {
    /// `several_queues`: whether an id alone would be ambiguous.
    pub(super) fn new(output: Output, several_queues: bool) -> Result<(Self, Printed), CliError> {
        let (lines, printed) = printing::start(move |line| {
            let _ = output.text(line);
        })?;
        let (json, paint) = (output.is_json(), output.paint());
        Ok((Self { lines, json, paint, several_queues, pid: std::process::id() }, printed))
    }

    fn line(&self, event: &Event) -> String {
        match event {
            Event::WorkerStarted => self.worker("Worker is started"),
            Event::WorkerStopping { grace } => {
                self.worker(&format!("Worker is stopping (running jobs have {})", human_duration(*grace)))
            }
            Event::WorkerStopped { elapsed } => self.worker(&format!("Worker is stopped ({})", clock(*elapsed))),
            Event::Started(job) => self.job(job, &self.paint.good("Started")),
            Event::Done { job, record, .. } => match &record.skipped {
                Some(why) => self.job(job, &format!("{} ({})", self.paint.good("Skipped"), harmless_line(why))),
                None => self.job(job, &format!("{} ({})", self.paint.good("Done"), self.took(record))),
            },
            Event::Failed { job, record, retry_after } => self.failed(job, record, *retry_after),
            Event::Postponed { job, delay, reason } => {
                let text = format!("Postponed for {}: {}", human_duration(*delay), harmless_line(reason));
                self.job(job, &text)
            }
            Event::HandedBack(job) => self.job(job, "Handed back, not counted"),
            Event::Lost(job) => {
                self.job(job, "Lost: its lease has expired or it was removed; nothing of this attempt counts")
            }
            Event::Reclaimed { queue, ids } => {
                let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
                self.worker(&format!("Jobs of a dead worker wait again in {queue}: {}", ids.join(", ")))
            }
            Event::Swapped { plugin, from, to, more } => {
                self.worker(&format!("Plugin {plugin} is replaced: {} after {}{}", short(to), short(from), asks(more)))
            }
            Event::Trial(trial) => self.worker(&format!(
                "Plugin {}, trial of {} {}: {}{}",
                trial.plugin,
                short(&trial.to),
                state(trial.state).replace('-', " "),
                harmless_line(&trial.reason),
                asks(&trial.more)
            )),
            Event::SwapRefused { plugin, stays, reason } => {
                self.worker(&format!("Plugin {plugin} stays at {}: {}", short(stays), harmless_line(reason)))
            }
            Event::FileRestored { plugin, digest } => {
                self.worker(&format!("Plugin {plugin}: its file can be used again and is that of {}", short(digest)))
            }
            Event::Reloaded { queues } => {
                self.worker(&format!("The configuration is read again; queues: {}", queues.join(", ")))
            }
            Event::ReloadRefused { reason } => {
                self.worker(&format!("The configuration in force stays: {}", harmless_line(reason)))
            }
            Event::StoreLost { reason } => self.worker(&format!("Waiting: {}", harmless_line(reason))),
            Event::StoreBack { after } => self.worker(&format!("The store is back after {}", human_duration(*after))),
        }
    }

    fn worker(&self, text: &str) -> String {
        format!("{} [pid: {}] - {text}\n", self.now(), self.pid)
    }

    fn job(&self, job: &Subject, text: &str) -> String {
        let id = if self.several_queues { format!("{}/{}", job.queue, job.id) } else { job.id.to_string() };
        let name = if job.name.is_empty() { "unknown job".to_owned() } else { harmless_line(&job.name) };
        format!("{} [{id}] {name} (attempt: {}, pid: {}) - {text}\n", self.now(), job.attempt, self.pid)
    }

    fn failed(&self, job: &Subject, record: &AttemptRecord, retry_after: Option<Duration>) -> String {
        let mut text = self.job(job, &format!("{} ({})", self.paint.bad("Error"), self.took(record)));
        if let Some(cause) = &record.cause {
            text.push_str(&why(cause));
        }
        if let Some(delay) = retry_after {
            let _ = writeln!(text, "> next attempt in {}", human_duration(delay));
        }
        text
    }

    fn took(&self, record: &AttemptRecord) -> String {
        let took = Duration::from_micros(record.duration_us);
        self.paint.label(&format!("{:.3} s", took.as_secs_f64()))
    }

    fn now(&self) -> String {
        let now = u64::try_from(Timestamp::now().as_millisecond()).unwrap_or(0);
        self.paint.label(&local_time(now))
    }
}

impl Listener for Console {
    fn hear(&self, event: &Event) {
        self.lines.send(if self.json { format!("{}\n", document(event, self.pid)) } else { self.line(event) });
    }
}

/// An event as a JSON object: `event`, `at` (RFC 3339), `pid`, and what it is about.
fn document(event: &Event, pid: u32) -> Value {
    let mut object = match event {
        Event::WorkerStarted => json!({"event": "worker-started"}),
        Event::WorkerStopping { grace } => json!({"event": "worker-stopping", "grace_ms": millis(*grace)}),
        Event::WorkerStopped { elapsed } => json!({"event": "worker-stopped", "elapsed_ms": millis(*elapsed)}),
        Event::Started(job) => about("started", job),
        Event::Done { job, record, output } => {
            let mut object = about(if record.skipped.is_some() { "skipped" } else { "done" }, job);
            object["record"] = json!(record);
            object["output"] = json!(output);
            object
        }
        Event::Failed { job, record, retry_after } => {
            let mut object = about("failed", job);
            object["record"] = json!(record);
            object["retry_after_ms"] = json!(retry_after.map(millis));
            object
        }
        Event::Postponed { job, delay, reason } => {
            let mut object = about("postponed", job);
            object["delay_ms"] = json!(millis(*delay));
            object["reason"] = json!(reason);
            object
        }
        Event::HandedBack(job) => about("handed-back", job),
        Event::Lost(job) => about("lost", job),
        Event::Reclaimed { queue, ids } => {
            let ids: Vec<_> = ids.iter().map(|id| format!("{queue}/{id}")).collect();
            json!({"event": "reclaimed", "queue": queue, "ids": ids})
        }
        Event::Swapped { plugin, from, to, more } => {
            json!({"event": "plugin-swapped", "plugin": plugin, "from": from, "to": to, "asks_for_more": more})
        }
        Event::Trial(trial) => json!({
            "event": "plugin-trial",
            "plugin": trial.plugin,
            "state": state(trial.state),
            "from": trial.from,
            "to": trial.to,
            "in_force": trial.in_force,
            "share": f64::from(trial.share) / 1e6,
            "counts": trial.counts,
            "reason": trial.reason,
            "asks_for_more": trial.more,
        }),
        Event::SwapRefused { plugin, stays, reason } => {
            json!({"event": "plugin-refused", "plugin": plugin, "stays": stays, "reason": reason})
        }
        Event::FileRestored { plugin, digest } => {
            json!({"event": "plugin-restored", "plugin": plugin, "digest": digest})
        }
        Event::Reloaded { queues } => json!({"event": "reloaded", "queues": queues}),
        Event::ReloadRefused { reason } => json!({"event": "reload-refused", "reason": reason}),
        Event::StoreLost { reason } => json!({"event": "store-lost", "reason": reason}),
        Event::StoreBack { after } => json!({"event": "store-back", "after_ms": millis(*after)}),
    };
    object["at"] = json!(Timestamp::now().to_string());
    object["pid"] = json!(pid);
    object
}

fn state(state: TrialState) -> &'static str {
    match state {
        TrialState::Begun => "begun",
        TrialState::Extended => "extended",
        TrialState::Held => "held",
        TrialState::Promoted => "promoted",
        TrialState::RolledBack => "rolled-back",
        TrialState::Ended => "ended",
    }
}

/// What a version asks for that the one before did not.
fn asks(more: &[More]) -> String {
    if more.is_empty() { String::new() } else { format!("; {}", harmless_line(&told(more))) }
}

/// So much of a digest as tells versions apart for people.
pub(super) fn short(digest: &str) -> &str {
    digest.get(..19).unwrap_or(digest)
}

fn about(event: &str, job: &Subject) -> Value {
    json!({
        "event": event,
        "id": format!("{}/{}", job.queue, job.id),
        "name": job.name,
        "attempt": job.attempt,
    })
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Code and message of a failure, each line marked; its kind where the plugin gave neither.
fn why(cause: &Cause) -> String {
    let (code, message) = (harmless_line(&cause.code), harmless(&cause.message));
    let told = match (code.is_empty(), message.is_empty()) {
        (true, true) => format!("{}, without code and message", cause.kind),
        (true, false) => message,
        (false, true) => code,
        (false, false) => format!("{code}: {message}"),
    };
    told.lines().fold(String::new(), |mut text, line| {
        let _ = writeln!(text, "> {line}");
        text
    })
}

/// `H:MM:SS`, or `D:HH:MM:SS` from a day on, like yii2.
fn clock(elapsed: Duration) -> String {
    let seconds = elapsed.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    let seconds = seconds % 60;
    if days > 0 {
        format!("{days}:{hours:02}:{minutes:02}:{seconds:02}")
    } else {
        format!("{hours}:{minutes:02}:{seconds:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_without_a_message_is_told_by_its_code_or_kind() {
        let told = |code: &str, message: &str| {
            why(&Cause { kind: "returned".into(), code: code.into(), message: message.into(), ..Cause::default() })
        };
        assert_eq!(told("35020", "no assets\nfor task 2"), "> 35020: no assets\n> for task 2\n");
        assert_eq!(told("", "no assets"), "> no assets\n");
        assert_eq!(told("35020", ""), "> 35020\n");
        assert_eq!(told("", ""), "> returned, without code and message\n");
    }

    #[test]
    fn the_worked_time_is_printed_like_yii2_prints_it() {
        assert_eq!(clock(Duration::from_secs(1)), "0:00:01");
        assert_eq!(clock(Duration::from_secs(3_725)), "1:02:05");
        assert_eq!(clock(Duration::from_secs(90_061)), "1:01:01:01");
    }
}
