//! What every plugin may do: log, show progress, ask for the time that is left.
//!
//! The macros [`crate::info!`] and so on send every line to the host. With the feature `tracing` of this crate the macros of
//! the crate `tracing` do so, too, and so do libraries that use it:
//!
//! ```toml
//! [dependencies]
//! jobhost-plugin = { path = "vendor/jobhost-plugin", features = ["tracing"] }
//! tracing = { version = "0.1", default-features = false, features = ["attributes"] }
//! ```
//!
//! ```
//! # fn shrink(width: u32) {
//! tracing::info!(width, "shrinking"); // the line `shrinking width=640` at level info
//! # }
//! ```
//!
//! A line begins with the spans that it is in, such as `upload{file="a.png"}: `, and, if the event is not the plugin's own,
//! with its target. Events at level info and above are sent. The variable `RUST_LOG` says otherwise, if the operator grants
//! it, as a level or as targets with levels: `env = { RUST_LOG = "warn,plugin::upload=debug" }`. An event that is not sent
//! is neither formatted nor brought to the host: it costs a comparison.

use std::time::Duration;

use crate::bindings::imports::jobhost::plugin::context as host;

/// How important a log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Every step.
    Trace,
    /// What the plugin's author wants to see.
    Debug,
    /// What an operator may want to see.
    Info,
    /// Something to look at.
    Warn,
    /// Something that went wrong.
    Error,
}

/// Writes a line to the job's log. The macros [`crate::info!`] and so on format it.
pub fn log(level: Level, message: &str) {
    let level = match level {
        Level::Trace => host::Level::Trace,
        Level::Debug => host::Level::Debug,
        Level::Info => host::Level::Info,
        Level::Warn => host::Level::Warn,
        Level::Error => host::Level::Error,
    };
    host::log(level, message);
}

/// Time left before the host interrupts this call. While the host stops it
/// shrinks to what is left of the grace period.
pub fn remaining() -> Duration {
    Duration::from_millis(host::remaining())
}

/// Shows how far the job is. `total` is `None` where it is not known.
pub fn progress(done: u32, total: impl Into<Option<u32>>, note: &str) {
    host::progress(done, total.into(), note);
}

/// Logs a line at level trace.
#[macro_export]
macro_rules! trace {
    ($($argument:tt)*) => {
        $crate::context::log($crate::context::Level::Trace, &::std::format!($($argument)*))
    };
}

/// Logs a line at level debug.
#[macro_export]
macro_rules! debug {
    ($($argument:tt)*) => {
        $crate::context::log($crate::context::Level::Debug, &::std::format!($($argument)*))
    };
}

/// Logs a line at level info.
#[macro_export]
macro_rules! info {
    ($($argument:tt)*) => {
        $crate::context::log($crate::context::Level::Info, &::std::format!($($argument)*))
    };
}

/// Logs a line at level warn.
#[macro_export]
macro_rules! warn {
    ($($argument:tt)*) => {
        $crate::context::log($crate::context::Level::Warn, &::std::format!($($argument)*))
    };
}

/// Logs a line at level error.
#[macro_export]
macro_rules! error {
    ($($argument:tt)*) => {
        $crate::context::log($crate::context::Level::Error, &::std::format!($($argument)*))
    };
}
