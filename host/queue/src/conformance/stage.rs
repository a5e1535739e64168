//! What the promises are written with: a store, a clock, and terse verbs. It
//! asserts nothing beyond that a call succeeds.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::ManualClock;
use crate::error::StoreError;
use crate::job::{Channel, JobId, Lease, Message, NewJob, Reserved, Token};
use crate::record::AttemptRecord;
use crate::store::{
    Counts, FollowUp, Held, JobState, JobStatus, Pushed, Reservation, ReserveOptions, Retain, Settled, Settlement,
    Store, SweepReport, Verdict,
};

use super::TestStore;

/// Where the clock of every test stands at first: a whole second.
pub fn start_of_time() -> ManualClock {
    ManualClock::at(1_800_000_000_000)
}

pub fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// The retention that settlements have unless the test is about it.
pub const RETAIN: Retain = Retain { done: Duration::from_hours(1), failed: Duration::from_hours(1), output: 1 << 20 };

/// A store under test with a channel of its own.
pub struct Stage {
    pub clock: ManualClock,
    pub store: Arc<dyn Store>,
    pub channel: Channel,
    subject: Box<dyn TestStore>,
}

impl Stage {
    pub fn new(clock: ManualClock, subject: Box<dyn TestStore>) -> Self {
        Self { clock, store: subject.store(), channel: channel("tested"), subject }
    }

    /// A second handle, as of another process.
    pub async fn another(&self) -> Arc<dyn Store> {
        self.subject.another().await
    }

    /// Pushes one job for each body, in one call.
    pub async fn push(&self, bodies: &[&str]) -> Vec<JobId> {
        let jobs: Vec<NewJob> = bodies.iter().map(|body| job(body)).collect();
        self.push_jobs(&jobs).await
    }

    pub async fn push_delayed(&self, body: &str, delay: Duration) -> JobId {
        let delayed = NewJob { delay, ..job(body) };
        self.push_jobs(&[delayed]).await[0]
    }

    pub async fn push_jobs(&self, jobs: &[NewJob]) -> Vec<JobId> {
        stored(self.try_push(jobs).await.unwrap())
    }

    pub async fn try_push(&self, jobs: &[NewJob]) -> Result<Pushed, StoreError> {
        self.store.push(&self.channel, Token::random(), None, jobs).await
    }

    /// Reserves up to `limit` jobs, suspects among them.
    pub async fn take(&self, limit: u32) -> Vec<Reserved> {
        self.reserve(limit).await.jobs
    }

    /// Reserves one job, which must be there.
    pub async fn take_one(&self) -> Reserved {
        let mut taken = self.take(1).await;
        assert_eq!(taken.len(), 1, "a job should be waiting");
        taken.remove(0)
    }

    pub async fn reserve(&self, limit: u32) -> Reservation {
        self.try_reserve(&options(limit)).await.unwrap()
    }

    /// Reserves as a worker does that runs a suspect already.
    pub async fn reserve_without_suspects(&self, limit: u32) -> Reservation {
        let options = ReserveOptions { suspects: false, ..options(limit) };
        self.try_reserve(&options).await.unwrap()
    }

    pub async fn try_reserve(&self, options: &ReserveOptions) -> Result<Reservation, StoreError> {
        self.store.reserve(&self.channel, Token::random(), options).await
    }

    /// Settles one job without follow-ups.
    pub async fn settle(&self, job: &Reserved, verdict: Verdict) -> Settled {
        self.settle_all(&[settlement(job, verdict)]).await.remove(0)
    }

    pub async fn settle_all(&self, batch: &[Settlement]) -> Vec<Settled> {
        self.store.settle(Token::random(), batch).await.unwrap()
    }

    pub async fn done(&self, job: &Reserved) {
        assert_eq!(self.settle(job, done()).await, Settled::Yes(vec![]));
    }

    /// Pushes a job and lets it fail.
    pub async fn fail(&self, body: &str) -> JobId {
        let id = self.push(&[body]).await[0];
        let taken = self.take_one().await;
        assert_eq!(taken.lease.id, id, "the queue should have been empty");
        let settled = self.settle(&taken, Verdict::Failed).await;
        assert_eq!(settled, Settled::Yes(vec![]));
        id
    }

    pub async fn extend(&self, lease: &Lease) -> Held {
        let leases = std::slice::from_ref(lease);
        self.store.extend(leases, false).await.unwrap()[0]
    }

    pub async fn sweep(&self) -> SweepReport {
        self.store.sweep(&self.channel).await.unwrap()
    }

    /// Sweeps until there is nothing more to do at once.
    pub async fn sweep_all(&self) -> SweepReport {
        let mut total = SweepReport::default();
        loop {
            let report = self.sweep().await;
            total.reclaimed.extend(report.reclaimed);
            total.orphans.extend(report.orphans);
            total.pruned += report.pruned;
            if !report.more {
                return total;
            }
        }
    }

    /// Lets time pass with a sweep every two seconds, as workers do; returns
    /// what was reclaimed.
    pub async fn live(&self, time: Duration) -> Vec<JobId> {
        let mut reclaimed = Vec::new();
        for _ in 0..time.as_secs() / 2 {
            self.clock.advance(seconds(2));
            reclaimed.extend(self.sweep_all().await.reclaimed);
        }
        reclaimed
    }

    /// Sweeps for so long that no outage is remembered.
    pub async fn settle_in(&self) {
        self.live(seconds(20)).await;
    }

    /// Has the worker that holds these jobs die, and the jobs reclaimed.
    pub async fn die(&self, held: &[Reserved]) {
        let mut reclaimed = self.live(seconds(14)).await;
        reclaimed.sort();
        let mut ids: Vec<JobId> = held.iter().map(|job| job.lease.id).collect();
        ids.sort();
        assert_eq!(reclaimed, ids);
    }

    pub async fn counts(&self) -> Counts {
        self.store.counts(&self.channel).await.unwrap()
    }

    pub async fn status(&self, id: JobId) -> Option<JobStatus> {
        self.store.status(&self.channel, id).await.unwrap()
    }

    pub async fn state(&self, id: JobId) -> Option<JobState> {
        self.status(id).await.map(|status| status.state)
    }

    pub async fn failed_ids(&self, offset: u64, limit: u32) -> Vec<JobId> {
        let failed = self.store.failed(&self.channel, offset, limit).await;
        failed.unwrap().into_iter().map(|job| job.id).collect()
    }

    /// The bodies that are served one after the other until nothing is left.
    pub async fn drain(&self) -> Vec<String> {
        bodies(&self.take(1000).await)
    }

    /// The same in another channel.
    pub async fn drain_of(&self, channel: &Channel) -> Vec<String> {
        bodies(&take_from(self.store.as_ref(), channel, 1000).await)
    }
}

pub fn channel(name: &str) -> Channel {
    Channel::new(name).unwrap()
}

/// Pushes one job for each body.
pub async fn push_to(store: &dyn Store, channel: &Channel, bodies: &[&str]) -> Vec<JobId> {
    let jobs: Vec<NewJob> = bodies.iter().map(|body| job(body)).collect();
    let pushed = store.push(channel, Token::random(), None, &jobs).await;
    stored(pushed.unwrap())
}

/// Reserves up to `limit` jobs, suspects among them.
pub async fn take_from(store: &dyn Store, channel: &Channel, limit: u32) -> Vec<Reserved> {
    let options = options(limit);
    let reserved = store.reserve(channel, Token::random(), &options).await;
    reserved.unwrap().jobs
}

/// A job whose ttr is longer than any test lasts.
pub fn job(body: &str) -> NewJob {
    NewJob::new(body, 3600)
}

pub fn options(limit: u32) -> ReserveOptions {
    ReserveOptions { limit, suspects: true, worker: "here:1".into() }
}

pub fn done() -> Verdict {
    Verdict::Done { output: None }
}

pub fn settlement(job: &Reserved, verdict: Verdict) -> Settlement {
    Settlement { lease: job.lease.clone(), verdict, record: record(job), follow_ups: Vec::new(), retain: RETAIN }
}

pub fn record(job: &Reserved) -> AttemptRecord {
    AttemptRecord {
        attempt: job.attempt,
        name: "a name".into(),
        started_at: job.reserved_at,
        duration_us: 1234,
        ..AttemptRecord::default()
    }
}

pub fn follow_up(channel: &Channel, body: &str) -> FollowUp {
    FollowUp { channel: channel.clone(), job: job(body) }
}

/// The same lease with a token that nobody was given.
pub fn forged(lease: &Lease) -> Lease {
    Lease { token: Token::random(), ..lease.clone() }
}

pub fn stored(pushed: Pushed) -> Vec<JobId> {
    match pushed {
        Pushed::Stored(ids) => ids,
        Pushed::Lost => panic!("a push should have been stored"),
    }
}

pub fn ids(jobs: &[Reserved]) -> Vec<JobId> {
    jobs.iter().map(|job| job.lease.id).collect()
}

pub fn bodies(jobs: &[Reserved]) -> Vec<String> {
    jobs.iter().map(|job| body(&job.message)).collect()
}

pub fn body(message: &Message) -> String {
    match message {
        Message::Readable { body, .. } => String::from_utf8(body.clone()).unwrap(),
        Message::Malformed { reason, .. } => panic!("a message should be readable: {reason}"),
    }
}

pub fn assert_invalid<T: std::fmt::Debug>(answer: Result<T, StoreError>) {
    match answer {
        Err(StoreError::Invalid(_)) => {}
        other => panic!("a call should have been invalid: {other:?}"),
    }
}
