//! What is compared: what came of a call, and what a sample expects of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// What came of a call, or is expected to: what is absent is not compared. A null is not absent.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default, expecting = "an object with what is expected")]
pub struct Observed {
    /// How it ended.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Ending>,
    /// The output; null where it is empty.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// The failure that the plugin returned, or the host's finding.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
    /// What a hook decided, or the plugin answered: a word, or a word and its argument.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub decision: Option<Value>,
    /// Follow-up jobs.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub pushes: Option<Vec<Push>>,
    /// Reports of progress.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub progress: Option<Vec<Progress>>,
    /// Lines of the plugin's log.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub logs: Option<Vec<Line>>,
    /// What it wrote to standard output.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub stdout: Option<String>,
    /// What it wrote to standard error.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub stderr: Option<String>,
}

/// A value that is there; a null is one where the type has it.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// How a call ended.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// It returned a result.
    Done,
    /// The handler's own error: another attempt may succeed.
    Temporary,
    /// The same, not before a time.
    RetryAfter,
    /// No attempt will succeed.
    Permanent,
    /// A hook returned an error.
    Failed,
    /// The time to run was over.
    TimedOut,
    /// It was refused memory.
    OutOfMemory,
    /// It burnt its fuel.
    OutOfFuel,
    /// It trapped, as uncaught exceptions and panics do.
    Trapped,
    /// It ended itself.
    Exited,
    /// It passed another limit.
    Limit,
    /// Anything else.
    Other,
}

/// Why a call failed.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, expecting = "an object with what is expected of the error")]
pub struct Failure {
    /// Of the plugin's own error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Of the plugin's own error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<BTreeMap<String, String>>,
    /// Of one that asks for a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_ms: Option<u64>,
}

/// A follow-up job.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Push {
    /// Where to.
    pub queue: String,
    /// Its name.
    pub name: String,
    /// Its payload.
    #[serde(default)]
    pub payload: Value,
    /// Stored at once, whatever becomes of the attempt.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub now: bool,
    /// How long it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u64>,
    /// Seconds that it may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttr: Option<u32>,
    /// Kept beside its payload.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
}

/// A report of progress.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// So much is done.
    pub done: u32,
    /// Of so much, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u32>,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// A line of the plugin's log.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// trace, debug, info, warn or error.
    pub level: String,
    /// What it says.
    pub message: String,
}
