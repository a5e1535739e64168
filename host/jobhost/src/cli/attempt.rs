//! How a job's body, its latest attempt and the cause of a failure are
//! printed, for `status` and `failed` alike.

use std::fmt::Write;
use std::time::Duration;

use jobhost_queue::{AttemptRecord, Cause, envelope};
use serde_json::Value;

use super::output::{Paint, harmless, harmless_line, human_bytes, human_count, human_duration, local_time};

/// How much of a payload or output is printed as text, in bytes.
const MAX_SHOWN: usize = 4096;

/// What a stored body says.
pub(super) struct Body {
    /// Empty where the body cannot be read.
    pub(super) name: String,
    /// The payload, or what the body begins with and why it cannot be read.
    pub(super) payload: Result<String, String>,
}

impl Body {
    pub(super) fn read(body: &[u8]) -> Self {
        match envelope::decode(body) {
            Ok(envelope) => Self { name: envelope.name, payload: Ok(envelope.payload) },
            Err(error) => Self { name: String::new(), payload: Err(error.to_string()) },
        }
    }

    /// The payload as JSON; the reason as text where there is none.
    pub(super) fn document(&self) -> Value {
        match &self.payload {
            Ok(payload) => json_or_text(payload),
            Err(_) => Value::Null,
        }
    }
}

/// Lines of `label: value`, the values aligned.
pub(super) struct Lines {
    text: String,
    paint: Paint,
}

impl Lines {
    pub(super) fn new(paint: Paint, heading: &str) -> Self {
        Self { text: format!("{heading}\n"), paint }
    }

    /// A line; nothing where the value is empty.
    pub(super) fn add(&mut self, label: &str, value: &str) {
        if !value.is_empty() {
            let label = self.paint.label(&format!("{:<12}", format!("{label}:")));
            let _ = writeln!(self.text, "{label} {value}");
        }
    }

    /// A time, in the zone of this machine.
    pub(super) fn add_time(&mut self, label: &str, at: Option<u64>) {
        if let Some(at) = at {
            self.add(label, &local_time(at));
        }
    }

    /// Text of a job or plugin that may have many lines, indented below its label.
    pub(super) fn add_block(&mut self, label: &str, text: &str) {
        if text.is_empty() {
            return;
        }
        let _ = writeln!(self.text, "{}", self.paint.label(&format!("{label}:")));
        for line in harmless(text).lines() {
            let _ = writeln!(self.text, "  {line}");
        }
    }

    /// What the body holds.
    pub(super) fn add_body(&mut self, body: &Body) {
        match &body.payload {
            Ok(payload) => self.add_block("payload", &shortened(payload)),
            Err(why) => self.add("payload", &self.paint.bad(&harmless_line(why))),
        }
    }

    /// What the latest attempt was and came to.
    pub(super) fn add_record(&mut self, record: &AttemptRecord) {
        self.add("plugin", &harmless_line(&record.plugin));
        self.add("version", &harmless_line(&record.digest));
        self.add("worker", &harmless_line(&record.worker));
        if record.started_at > 0 {
            self.add_time("started", Some(record.started_at));
        }
        if let Some(waited) = record.waited_ms {
            self.add("waited", &human_duration(Duration::from_millis(waited)));
        }
        if record.duration_us > 0 {
            self.add("ran for", &human_duration(Duration::from_micros(record.duration_us)));
        }
        if record.hooks_us > 0 {
            self.add("hooks", &human_duration(Duration::from_micros(record.hooks_us)));
        }
        if record.peak_memory > 0 {
            self.add("memory", &human_bytes(record.peak_memory));
        }
        if let Some(fuel) = record.fuel {
            self.add("fuel", &human_count(fuel));
        }
        self.add("bytes in", &human_bytes(record.bytes_in));
        self.add("bytes out", &human_bytes(record.bytes_out));
        if let Some(why) = &record.skipped {
            self.add("skipped", &harmless_line(why));
        }
        if let Some(cause) = &record.cause {
            self.add_cause(cause);
        }
    }

    pub(super) fn finish(self) -> String {
        self.text
    }

    fn add_cause(&mut self, cause: &Cause) {
        self.add("cause", &self.paint.bad(&harmless_line(&cause_kind(cause))));
        self.add_block("message", &cause.message);
        for (name, value) in &cause.details {
            self.add(&harmless_line(name), &harmless_line(value));
        }
        self.add("given up", &harmless_line(cause.given_up.as_deref().unwrap_or_default()));
        self.add_block("backtrace", cause.backtrace.as_deref().unwrap_or_default());
        self.add_block("stderr", cause.stderr.as_deref().unwrap_or_default());
    }
}

/// A cause on one line: `returned 35020: the list of assets is empty`.
pub(super) fn cause_line(cause: &Cause) -> String {
    let first = cause.message.lines().next().unwrap_or_default();
    let kind = cause_kind(cause);
    let line = if first.is_empty() { kind } else { format!("{kind}: {first}") };
    harmless_line(&line)
}

/// JSON text as a document; as a text where it is none.
pub(super) fn json_or_text(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

/// At most so much of a JSON text that a person would read.
pub(super) fn shortened(text: &str) -> String {
    if text.len() <= MAX_SHOWN {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(MAX_SHOWN);
    format!("{}…\n({} in all; --json prints it whole)", &text[..end], human_bytes(text.len() as u64))
}

fn cause_kind(cause: &Cause) -> String {
    if cause.code.is_empty() { cause.kind.clone() } else { format!("{} {}", cause.kind, cause.code) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_told_on_one_line_without_control_characters() {
        let cause = Cause {
            kind: "returned".into(),
            code: "35020".into(),
            message: "list is\u{1b}[1m empty\nmore".into(),
            ..Cause::default()
        };
        assert_eq!(cause_line(&cause), "returned 35020: list is\\u{1b}[1m empty");
        let bare = Cause { kind: "unhandled".into(), ..Cause::default() };
        assert_eq!(cause_line(&bare), "unhandled");
    }

    #[test]
    fn a_long_payload_is_cut_between_characters() {
        let shown = shortened(&"é".repeat(MAX_SHOWN));
        assert!(shown.ends_with("(8.0 KiB in all; --json prints it whole)"), "{shown}");
        assert_eq!(shortened("{}"), "{}");
    }

    #[test]
    fn a_body_that_cannot_be_read_says_why() {
        let body = Body::read(b"garbage");
        assert!(body.name.is_empty());
        assert!(body.payload.is_err_and(|why| why.contains("garbage")));
    }
}
