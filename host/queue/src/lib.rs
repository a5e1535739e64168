//! Jobs, queues and the stores that hold them.
//!
//! This crate knows jobs and stores; it has never heard of WebAssembly. It is
//! also the library with which a Rust program pushes jobs for jobhost to run:
//!
//! ```no_run
//! # async fn example() -> Result<(), jobhost_queue::StoreError> {
//! use jobhost_queue::{Channel, NewJob, Token, open, OpenOptions, envelope};
//!
//! let store = open("sqlite:jobhost.db", OpenOptions::default()).await?;
//! let body = envelope::encode("copy_asset", r#"{"task_id":2}"#).map_err(jobhost_queue::StoreError::invalid)?;
//! let pushed = store.push(&Channel::new("default")?, Token::random(), None, &[NewJob::new(body, 300)]).await?;
//! # let _ = pushed; Ok(()) }
//! ```

pub mod clock;
pub mod envelope;
pub mod error;
pub mod job;
pub mod keyvalue;
pub mod record;
pub mod redis;
pub mod sqlite;
pub mod store;
pub mod trials;
pub mod url;
pub mod workers;

#[cfg(feature = "conformance")]
pub mod conformance;

pub use clock::{Clock, ManualClock, UnixMillis};
pub use error::StoreError;
pub use job::{Channel, JobId, Lease, Message, NewJob, Reserved, Token};
pub use keyvalue::{Bucket, Change, Changed, Entry, KeyValue, Quota, Values};
pub use record::{AttemptRecord, Cause, Progress};
pub use store::{
    Counts, FailedJob, FollowUp, Held, JobState, JobStatus, Pushed, Reservation, ReserveOptions, Retain, Settled,
    Settlement, Store, SweepReport, Verdict, Vitals, Wake,
};
pub use trials::{Counted, NewTrial, Terms, Trial, TrialEnd, TrialName, Trials, Tries};
pub use url::{OpenOptions, StoreUrl, open};
pub use workers::{Roster, SeenWorker, WorkerRecord, Workers};
