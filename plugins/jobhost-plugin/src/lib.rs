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
//!     let picture = std::fs::read(&job.payload.image)?; // any std error is a temporary one
//!     context::progress(1, 2, "read");
//!     queue::push(Draft::new("upload", "Upload", &picture.len())?)?;
//!     Ok(Resized { path: format!("/{}.png", job.id) })
//! }
//! # fn main() {}
//! ```
//!
//! Build it as a `cdylib` for `wasm32-wasip2`; the file that falls out is the plugin.
//! The other attributes, [`time_to_run`], [`retry_policy`], [`before_push`],
//! [`before_exec`], [`after_exec`] and [`after_error`], are used alike. A component
//! exports exactly the interfaces whose attributes it uses, each at most once.
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

pub use draft::Draft;
pub use error::{Failure, HookError, JobError};
pub use hook::{AttemptReport, ExecDecision, FailureCause, PushDecision, RetryDecision};
pub use job::{InvalidJson, Job, JobInfo, Json};
pub use jobhost_plugin_macros::{
    after_error, after_exec, before_exec, before_push, handler, retry_policy, time_to_run,
};
