//! What is kept of an attempt: its cost, its end, its progress.

use serde::{Deserialize, Serialize};

use crate::clock::UnixMillis;

/// What one attempt was, cost and came to. Kept with the job as JSON, and shown as that to programs: the names stay.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AttemptRecord {
    /// Counted from 1.
    pub attempt: u32,
    /// The job's name; empty where the message could not be read.
    pub name: String,
    /// The configured name of the plugin that ran it; empty if none did.
    pub plugin: String,
    /// The plugin's version, `sha256:…`; empty if none ran it.
    pub digest: String,
    /// Who ran it: `host:pid`.
    pub worker: String,
    /// When the attempt was reserved, by the store's time.
    pub started_at: UnixMillis,
    /// From the push, or from when it was due, to the start. Milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waited_ms: Option<u64>,
    /// How long the handler ran, in microseconds.
    pub duration_us: u64,
    /// How long its hooks ran, in microseconds.
    pub hooks_us: u64,
    /// Bytes of linear memory at its highest.
    #[serde(rename = "peak_memory_bytes")]
    pub peak_memory: u64,
    /// Fuel used, where fuel is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fuel: Option<u64>,
    /// Bytes of the stored body, which is the payload.
    pub bytes_in: u64,
    /// Bytes of the output, or of the texts of the handler's own failure; 0 if it did not return.
    pub bytes_out: u64,
    /// Why a before-exec hook had the job skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
    /// Why it ended badly; `None` if it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
}

/// Why an attempt ended badly.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cause {
    /// One of the WIT package's failure causes: `returned`, `timed-out`,
    /// `trapped`, `crashed`, `unhandled`, `undecodable`, …
    pub kind: String,
    /// The handler's own short code, such as `35020`; empty otherwise.
    pub code: String,
    /// For people, one or more lines.
    pub message: String,
    /// Further facts, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<(String, String)>,
    /// The guest's frames, innermost first, a line each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backtrace: Option<String>,
    /// The end of what the guest wrote to stderr.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stderr: Option<String>,
    /// Why no further attempt is made, where a hook or `can-retry` said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given_up: Option<String>,
}

/// How far a running attempt says it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Steps done.
    pub done: u32,
    /// Steps in all, where known.
    pub total: Option<u32>,
    /// A word on what is going on.
    pub note: String,
    /// When it was said, by the store's time. The store sets it.
    #[serde(default)]
    pub at: UnixMillis,
}
