//! Which function of a plugin a sample calls, where it is not the handler.

use serde::Deserialize;
use serde_json::Value;

/// A call of a hook, by the hook's name.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum HookCall {
    /// With the draft that the job was before it was stored.
    BeforePush {
        /// How long the draft is to wait; default: not at all.
        #[serde(default)]
        delay_ms: Option<u64>,
    },
    /// With the job.
    BeforeExec {},
    /// With what the job returned.
    AfterExec {
        /// JSON; default: empty.
        #[serde(default)]
        output: Option<Value>,
    },
    /// With why the attempt failed.
    AfterError {
        /// Of which kind it was, and what it said.
        cause: Cause,
    },
}

/// What the plugin of a job is asked, by the function's name.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Question {
    /// How long an attempt of the job may take, of which its draft says nothing.
    GetTtr {},
    /// Whether the job is tried again.
    CanRetry {
        /// Of which kind the failure was, and what it said.
        cause: Cause,
    },
}

/// Why an attempt failed before the plugin hears of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cause {
    /// `temporary`, `permanent`, `timed-out` or `trapped`.
    pub outcome: CauseKind,
    /// The handler's code.
    #[serde(default)]
    pub code: String,
    /// The handler's message, or the trap's.
    #[serde(default)]
    pub message: String,
}

/// The causes that a sample can have.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum CauseKind {
    /// The handler's own error.
    Temporary,
    /// The handler's own error.
    Permanent,
    /// After the time to run.
    TimedOut,
    /// A trap.
    Trapped,
}
