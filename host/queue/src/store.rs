//! The contract of a store: what Redis and SQLite both promise.
//!
//! Every call takes effect whole or not at all, but for `prune_failed`, `clear`
//! and `erase`, which may be long and then work in steps. Every other call, and
//! every step of those, answers within 30 s, be it that the store is not
//! available. A call that takes a [`Token`] may be sent again with the same
//! token and arguments after an error that [`StoreError::is_transient`] calls
//! transient: within 10 minutes the repeat changes nothing, but for leases that
//! `reserve` gave, and returns what the first one did. All times are the
//! store's ([`crate::Clock`]). `conformance` is this contract as tests.

use std::time::Duration;

use async_trait::async_trait;

use crate::clock::UnixMillis;
use crate::error::StoreError;
use crate::job::{Channel, JobId, Lease, NewJob, Reserved, Token};
use crate::keyvalue::KeyValue;
use crate::record::{AttemptRecord, Progress};
use crate::trials::Trials;
use crate::workers::Workers;

/// How long a lease that is not extended lives, by the store's time. Then any
/// sweep or reserve returns the job to the queue. Workers extend every
/// [`EXTEND_EVERY`].
pub const LEASE_DEAD_AFTER: Duration = Duration::from_secs(10);
/// How often a worker extends the leases it holds.
pub const EXTEND_EVERY: Duration = Duration::from_secs(3);
/// How often a worker sweeps each of its queues.
pub const SWEEP_EVERY: Duration = Duration::from_secs(2);
/// A pause between sweeps longer than this was an outage, not a death of workers.
pub const OUTAGE_AFTER: Duration = Duration::from_secs(6);
/// How long after an outage nothing is reclaimed.
pub const OUTAGE_GRACE: Duration = Duration::from_secs(12);
/// How long the result of a call with a token is remembered.
pub const RECEIPT_KEPT: Duration = Duration::from_mins(10);
/// How long a job that lies in no set, as a killed PHP program leaves it, is
/// seen before it returns to the queue (Redis only).
pub const ORPHAN_AFTER: Duration = Duration::from_mins(1);

/// What jobs need of a store, besides the buckets of [`KeyValue`], the counts of [`Trials`] and the registry of [`Workers`].
#[async_trait]
pub trait Store: KeyValue + Trials + Workers {
    /// The store's address, without password.
    fn address(&self) -> &str;

    /// Whether the store answers.
    async fn ping(&self) -> Result<(), StoreError>;

    /// What of the store's own settings endangers jobs: a sentence each, which
    /// names the setting and the remedy. Empty if nothing does, or where the
    /// store does not let us see a setting.
    async fn warnings(&self) -> Result<Vec<String>, StoreError>;

    /// What to know of the store beside what is measured of it.
    async fn vitals(&self) -> Result<Vitals, StoreError>;

    /// Stores jobs, all or none, in order; they are reserved first in, first
    /// out, the delayed ones when they are due. With a fence nothing is stored
    /// unless that lease still holds.
    async fn push(
        &self,
        channel: &Channel,
        token: Token,
        fence: Option<&Lease>,
        jobs: &[NewJob],
    ) -> Result<Pushed, StoreError>;

    /// Takes up to `options.limit` jobs for one attempt each, and counts the
    /// attempts. First moves what is due, delayed jobs and the expired
    /// reservations of PHP workers included. Of jobs with a crash behind them
    /// it takes at most one, and none unless `options.suspects`; the others
    /// stay where they are. Stops early once the bodies have 4 MiB.
    ///
    /// A repeat holds the leases that the first gave from then on, as if it
    /// had extended them.
    ///
    /// A reserve that took nothing is not remembered: a repeat with its token
    /// may take what has come since, and is then the call that is. That is
    /// safe, as the first gave no lease away; but whoever gives up a reserve
    /// without an answer has to take what it may still do for a dead worker's.
    async fn reserve(
        &self,
        channel: &Channel,
        token: Token,
        options: &ReserveOptions,
    ) -> Result<Reservation, StoreError>;

    /// Applies verdicts, each with its follow-ups, to jobs of one channel; a
    /// job each, in order of the batch, answers in the same order. One that is
    /// lost or refused leaves the others untouched. A batch of several
    /// channels is [`StoreError::Invalid`].
    async fn settle(&self, token: Token, batch: &[Settlement]) -> Result<Vec<Settled>, StoreError>;

    /// Tells the store that these leases of one channel are really held. With
    /// `stopping`, their worker's death will not be counted as a crash.
    async fn extend(&self, leases: &[Lease], stopping: bool) -> Result<Vec<Held>, StoreError>;

    /// Keeps what a running attempt says of its progress, if the lease holds.
    async fn progress(&self, lease: &Lease, progress: &Progress) -> Result<Held, StoreError>;

    /// Returns the jobs of dead workers to the front of the queue, their
    /// attempt not counted but the crash; drops what is past its retention;
    /// looks for orphans. In bounded chunks: `more` asks for another call.
    async fn sweep(&self, channel: &Channel) -> Result<SweepReport, StoreError>;

    /// Waits until a job may be there to reserve, at most `timeout`. It does
    /// not poll, takes nothing, and may be dropped at any await. A job that
    /// becomes due counts as little as one that a worker holds: wake for those
    /// by [`Reservation::next_due`].
    async fn wait(&self, channel: &Channel, timeout: Duration) -> Result<Wake, StoreError>;

    /// How many jobs are in each state.
    async fn counts(&self, channel: &Channel) -> Result<Counts, StoreError>;

    /// All that is known of a job; `None` if it never was, or is past its retention.
    async fn status(&self, channel: &Channel, id: JobId) -> Result<Option<JobStatus>, StoreError>;

    /// The failed set, the latest failure first: `limit` jobs (at most 1,000)
    /// after the first `offset`.
    async fn failed(&self, channel: &Channel, offset: u64, limit: u32) -> Result<Vec<FailedJob>, StoreError>;

    /// One job of the failed set; of several with one id (ids restart when a
    /// PHP program clears the queue) the latest.
    async fn failed_job(&self, channel: &Channel, id: JobId) -> Result<Option<FailedJob>, StoreError>;

    /// Puts failed jobs back to the end of the queue, attempts and crashes at
    /// 0. Returns for each the id it has now (a new one where its own is taken
    /// by another job), `None` where it is not in the failed set. At most 1,000.
    async fn retry_failed(
        &self,
        channel: &Channel,
        token: Token,
        ids: &[JobId],
    ) -> Result<Vec<Option<JobId>>, StoreError>;

    /// Drops jobs of the failed set; answers for each whether it was there. At most 1,000.
    async fn remove_failed(&self, channel: &Channel, ids: &[JobId]) -> Result<Vec<bool>, StoreError>;

    /// Drops those that failed longer ago than `older`; returns how many. What
    /// was dropped before an error stays so.
    async fn prune_failed(&self, channel: &Channel, older: Duration) -> Result<u64, StoreError>;

    /// Removes a waiting, delayed or reserved job. A running attempt of it
    /// goes on and settles nothing. Answers whether it was there.
    async fn remove(&self, channel: &Channel, id: JobId) -> Result<bool, StoreError>;

    /// Removes all jobs that wait, are delayed or reserved when it begins; the
    /// failed set and the counter of ids stay. Returns how many. A job that is
    /// pushed meanwhile stays; one that is taken out of the failed set meanwhile
    /// may go. What was removed before an error stays so.
    async fn clear(&self, channel: &Channel) -> Result<u64, StoreError>;

    /// Whether anything is kept of this channel, be it only its counter of ids.
    async fn is_used(&self, channel: &Channel) -> Result<bool, StoreError>;

    /// Removes all that is kept of a channel: jobs in every state, their
    /// records and the counter of ids, so that it is as if it had never been
    /// used. Nobody else may use it meanwhile. What was removed before an error
    /// stays so.
    async fn erase(&self, channel: &Channel) -> Result<(), StoreError>;
}

/// What a store says of itself to whoever measures it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vitals {
    /// What it is, with its version: `Redis 7.0.15`.
    pub engine: String,
    /// What an accepted job survives, in the words of the store's own settings.
    pub durability: String,
    /// The time that the processors have worked for the store's server since it
    /// was started; `None` where there is no server.
    pub cpu: Option<Duration>,
}

/// The answer to a push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// Stored, under these ids.
    Stored(Vec<JobId>),
    /// The fence's lease is lost; nothing was stored.
    Lost,
}

/// How to reserve.
#[derive(Clone, Debug)]
pub struct ReserveOptions {
    /// At most this many jobs, 1 to 1,000.
    pub limit: u32,
    /// Whether a job with a crash behind it may be among them.
    pub suspects: bool,
    /// Who asks, for people to read: `host:pid`.
    pub worker: String,
}

/// The answer to a reserve.
#[derive(Clone, Debug)]
pub struct Reservation {
    /// The jobs taken, oldest first.
    pub jobs: Vec<Reserved>,
    /// Jobs of dead workers that this call put back into the queue, of which
    /// it may have taken some. A repeat of a call does not tell of them again.
    pub reclaimed: Vec<JobId>,
    /// Whether jobs are still waiting (suspects that were not wanted included).
    pub waiting: bool,
    /// Time until the next delayed job is due; `None` if there is none.
    pub next_due: Option<Duration>,
}

/// What becomes of a job.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// It is done. The output is kept as long as `retain` says.
    Done {
        /// JSON text, or nothing.
        output: Option<String>,
    },
    /// Another attempt, after this delay (whole seconds, rounded up; 0 = at once, at the end of the queue).
    Retry {
        /// How long it waits.
        delay: Duration,
    },
    /// No further attempt: into the failed set with its record.
    Failed,
    /// It did not run: again after this delay, the attempt not counted.
    Postponed {
        /// How long it waits.
        delay: Duration,
    },
    /// The worker stops: back to the front of the queue, the attempt not counted.
    HandedBack,
}

/// How long things stay after the end of a job; zero = not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retain {
    /// A done job's record and output.
    pub done: Duration,
    /// A failed job, with its message.
    pub failed: Duration,
    /// The longest output kept, in bytes; a longer one is dropped, its record stays.
    pub output: u64,
}

/// A verdict and what belongs to it.
#[derive(Clone, Debug)]
pub struct Settlement {
    /// Who settles.
    pub lease: Lease,
    /// What becomes of the job.
    pub verdict: Verdict,
    /// What the attempt was. Kept with the job, whatever the verdict.
    pub record: AttemptRecord,
    /// Jobs that become visible in the same step.
    pub follow_ups: Vec<FollowUp>,
    /// How long what is left of the job stays.
    pub retain: Retain,
}

/// A job to be pushed with a settlement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FollowUp {
    /// Where to.
    pub channel: Channel,
    /// What.
    pub job: NewJob,
}

/// The answer to a settlement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It is so; the follow-ups have these ids.
    Yes(Vec<JobId>),
    /// The lease no longer holds: somebody else has the job, or it is gone.
    /// Nothing was changed.
    Lost,
    /// A follow-up cannot be stored, and why. Nothing was changed; the lease
    /// holds, and the job can be settled with another verdict.
    Refused(String),
}

/// Whether a lease still holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// It does.
    Yes,
    /// It does not.
    Lost,
}

/// What a sweep did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SweepReport {
    /// Jobs of dead workers that wait again.
    pub reclaimed: Vec<JobId>,
    /// Jobs found in no set that wait again.
    pub orphans: Vec<JobId>,
    /// Records past their retention that were dropped.
    pub pruned: u64,
    /// Whether there is more to do at once.
    pub more: bool,
}

/// Why a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// A job may be there.
    Ready,
    /// Nothing came.
    TimedOut,
}

/// Jobs by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Ready to be reserved.
    pub waiting: u64,
    /// Not due yet, retries included.
    pub delayed: u64,
    /// Held by a worker.
    pub reserved: u64,
    /// Ended well, or skipped.
    pub done: u64,
    /// In the failed set.
    pub failed: u64,
}

/// Where a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobState {
    /// Ready to be reserved.
    Waiting,
    /// Due at this time.
    Delayed {
        /// By the store's clock.
        due_at: UnixMillis,
    },
    /// Held by a worker.
    Reserved,
    /// Ended well, or skipped.
    Done,
    /// In the failed set.
    Failed,
}

/// All that is known of a job.
#[derive(Clone, Debug)]
pub struct JobStatus {
    /// The job.
    pub id: JobId,
    /// Where it is.
    pub state: JobState,
    /// Attempts counted so far, the running one included.
    pub attempts: u32,
    /// Workers that died while they ran it.
    pub crashes: u32,
    /// Time to run in seconds; `None` once it is done or where it cannot be read.
    pub ttr: Option<u32>,
    /// The stored body; `None` once it is done.
    pub body: Option<Vec<u8>>,
    /// When jobhost stored it.
    pub pushed_at: Option<UnixMillis>,
    /// When it was done or failed.
    pub ended_at: Option<UnixMillis>,
    /// Who holds it: `host:pid`.
    pub worker: Option<String>,
    /// Since when one of ours holds it, by the store's time.
    pub reserved_at: Option<UnixMillis>,
    /// Unique everywhere; `None` for a PHP program's job before its first attempt.
    pub key: Option<String>,
    /// Kept beside the message.
    pub metadata: Vec<(String, String)>,
    /// What the running or last attempt said.
    pub progress: Option<Progress>,
    /// The latest attempt that was settled.
    pub record: Option<AttemptRecord>,
    /// A done job's output, if it is kept.
    pub output: Option<String>,
}

/// A job of the failed set.
#[derive(Clone, Debug)]
pub struct FailedJob {
    /// The id it had.
    pub id: JobId,
    /// When it failed for good.
    pub failed_at: UnixMillis,
    /// Attempts counted.
    pub attempts: u32,
    /// What was stored.
    pub message: crate::job::Message,
    /// Unique everywhere.
    pub key: String,
    /// When jobhost stored it.
    pub pushed_at: Option<UnixMillis>,
    /// Kept beside the message.
    pub metadata: Vec<(String, String)>,
    /// The last attempt, with the cause.
    pub record: AttemptRecord,
}
