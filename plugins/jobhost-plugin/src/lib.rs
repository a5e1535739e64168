//! Write plugins for jobhost in Rust. A plugin is one annotated function for
//! each interface that it exports; this crate hides the bindings and the JSON,
//! and deliberately adds no runtime of its own.
//!
//! ```no_run
//! use jobhost_plugin::{Draft, Job, JobError, context, info, queue};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Deserialize)]
//! struct Resize { image: String, width: u32 }
//!
//! #[derive(Serialize)]
//! struct Resized { path: String }
//!
//! #[jobhost_plugin::handler]
//! fn resize(job: Job<Resize>) -> Result<Resized, JobError> {
//!     if job.payload.width == 0 {
//!         return Err(JobError::permanent("no-width", "an image cannot be 0 pixels wide"));
//!     }
//!     info!("attempt {} of {}", job.attempt, job.payload.image);
//!     let picture = std::fs::read(&job.payload.image)?; // a temporary one, as `JobError` says
//!     context::progress(1, 2, "read");
//!     queue::push(Draft::new("upload", "Upload", &picture.len())?)?;
//!     Ok(Resized { path: format!("/{}.png", job.id) })
//! }
//! # fn main() {}
//! ```
//!
//! Build it as a `cdylib` for `wasm32-wasip2`; the file that falls out is the plugin.
//! The other attributes are used alike. A component exports exactly the interfaces whose attributes it uses, each at
//! most once.
//!
//! # Time to run, and retries
//!
//! Beside its handler a plugin may say how long a job takes, [`time_to_run`], and which failures are worth another attempt,
//! [`retry_policy`]. Without them the queue's `ttr` and `attempts` hold.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use jobhost_plugin::{Draft, FailureCause, Job, RetryDecision};
//! use serde::Deserialize;
//!
//! #[derive(Deserialize)]
//! struct Video { minutes: u32 }
//!
//! #[jobhost_plugin::time_to_run]
//! fn time_to_run(draft: &Draft<Video>) -> Option<Duration> {
//!     Some(Duration::from_mins(2) * draft.payload.minutes)
//! }
//!
//! #[jobhost_plugin::retry_policy]
//! fn retry_policy(job: &Job<Video>, cause: &FailureCause) -> RetryDecision {
//!     match cause {
//!         FailureCause::TimedOut(_) if job.payload.minutes > 60 => RetryDecision::GiveUp("too long".to_owned()),
//!         FailureCause::Crashed(_) if job.attempt < 5 => RetryDecision::RetryAfter(Duration::from_mins(1)),
//!         _ => RetryDecision::Unchanged,
//!     }
//! }
//! # fn main() {}
//! ```
//!
//! # Hooks
//!
//! [`before_push`], [`before_exec`], [`after_exec`] and [`after_error`] hear of the jobs of the queues that name the plugin as
//! a hook, whoever handles them. `Job<P>` and `Draft<P>` read their payloads, `Job` and `Draft` leave them as text.
//!
//! ```no_run
//! use jobhost_plugin::{AttemptReport, ExecDecision, HookError, Job, info};
//! use serde::Deserialize;
//!
//! #[derive(Deserialize)]
//! struct Video { minutes: u32 }
//!
//! #[derive(Deserialize)]
//! struct Cut { scenes: usize }
//!
//! #[jobhost_plugin::before_exec]
//! fn before(job: &Job<Video>) -> Result<ExecDecision, HookError> {
//!     Ok(match job.payload.minutes {
//!         0 => ExecDecision::Skip("there is nothing to cut".to_owned()),
//!         _ => ExecDecision::Proceed,
//!     })
//! }
//!
//! #[jobhost_plugin::after_exec]
//! fn after(job: &Job, output: &Cut, report: &AttemptReport) -> Result<(), HookError> {
//!     info!("{}: {} scenes in {:?}", job.id, output.scenes, report.duration);
//!     Ok(())
//! }
//! # fn main() {}
//! ```
//!
//! # Logging
//!
//! [`info!`] and the like write lines to the job's log. With the feature `tracing` the events of that crate come there, too,
//! with their levels, targets, spans and fields, those of libraries among them; [`context`] says how. Without it the plugin
//! is smaller.
//!
//! On another target the code compiles, so that what is pure can be unit-tested
//! there, but a call to the host panics: there is none.

#[doc(hidden)]
pub mod bindings;
pub mod config;
pub mod context;
mod delivery;
mod draft;
mod error;
#[doc(hidden)]
pub mod export;
mod hook;
pub mod http;
mod job;
pub mod keyvalue;
pub mod queue;
pub mod secrets;
#[cfg(feature = "tracing")]
mod traced;

pub use draft::Draft;
pub use error::{Failure, HookError, JobError, ResultExt};
pub use hook::{AttemptReport, ExecDecision, FailureCause, PushDecision, RetryDecision};
pub use job::{InvalidJson, Job, JobInfo, Json};
pub use jobhost_plugin_macros::{
    after_error, after_exec, before_exec, before_push, handler, retry_policy, time_to_run,
};
