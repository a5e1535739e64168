//! Queues in a SQLite file, shared by the processes of one machine.
//!
//! One thread of a process writes, in transactions that many callers share
//! (`writer.rs`); a few connections read. What the tables hold is said in
//! `schema.sql`. Files on network file systems are refused.

mod address;
mod busy;
mod failed;
mod failure;
mod file;
mod keyvalue;
mod lease;
mod line;
mod look;
mod push;
mod reader;
mod receipt;
mod remove;
mod reserve;
mod settle;
mod sweep;
mod trials;
mod wake;
mod watch;
mod workers;
mod writer;

#[cfg(test)]
mod tests;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;

use self::address::Synchronous;
use self::file::Place;
use self::reader::Readers;
use self::remove::BETWEEN_STEPS;
use self::wake::Bell;
use self::watch::Watcher;
use self::writer::Writer;
use crate::error::StoreError;
use crate::job::{Channel, JobId, Lease, NewJob, Token};
use crate::keyvalue::{Bucket, Change, Changed, KeyValue, Quota, Values, check_keys, check_limit};
use crate::record::Progress;
use crate::store::{
    Counts, FailedJob, Held, JobStatus, Pushed, Reservation, ReserveOptions, Settled, Settlement, Store, SweepReport,
    Vitals, Wake,
};
use crate::trials::{Counted, NewTrial, Trial, TrialEnd, TrialName, Trials};
use crate::url::OpenOptions;

/// The most that one call takes of anything.
const BATCH: usize = 1000;
/// The most jobs that one push takes. It is one transaction, for which the
/// other processes wait.
const PUSHED: usize = 10_000;

/// Queues in a SQLite file. Dropping it waits for what is being written.
pub struct SqliteStore {
    place: Arc<Place>,
    writer: Writer,
    readers: Readers,
    bell: Arc<Bell>,
    watcher: OnceLock<Watcher>,
}

impl SqliteStore {
    /// Opens the file at `sqlite:path[?synchronous=full|normal]`; creates it
    /// unless `options.only_look`. The folder must exist.
    pub async fn open(url: &str, options: &OpenOptions) -> Result<Self, StoreError> {
        let place = Place::new(url, options.clock.clone())?;
        Self::open_at(place, options.only_look).await
    }

    async fn open_at(place: Place, only_look: bool) -> Result<Self, StoreError> {
        let place = Arc::new(place);
        let opening = Arc::clone(&place);
        let unavailable = |reason: String| StoreError::Unavailable { store: place.address.clone(), reason };
        let sql = tokio::task::spawn_blocking(move || opening.open(only_look))
            .await
            .map_err(|error| unavailable(error.to_string()))??;
        let bell = Arc::new(Bell::default());
        let writer = Writer::start(sql, Arc::clone(&place), Arc::clone(&bell))
            .map_err(|error| unavailable(format!("no thread can be started: {error}")))?;
        Ok(Self { writer, readers: Readers::new(Arc::clone(&place)), bell, watcher: OnceLock::new(), place })
    }

    async fn is_filled(&self, channel: &Channel) -> Result<bool, StoreError> {
        let channel = channel.clone();
        self.readers.read(move |sql| look::is_filled(sql, &channel)).await
    }
}

#[async_trait]
impl Store for SqliteStore {
    fn address(&self) -> &str {
        &self.place.address
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.readers
            .read(|sql| {
                sql.query_one("SELECT count(*) FROM channels", [], |_| Ok(()))?;
                Ok(())
            })
            .await
    }

    async fn warnings(&self) -> Result<Vec<String>, StoreError> {
        Ok(match self.place.synchronous {
            Synchronous::Full => Vec::new(),
            Synchronous::Normal => vec![format!(
                "with synchronous=normal a power cut may undo what store {} accepted or settled in the last moments before it; leave `?synchronous=normal` out of the address to be safe from that",
                self.place.address
            )],
        })
    }

    async fn vitals(&self) -> Result<Vitals, StoreError> {
        let synchronous = match self.place.synchronous {
            Synchronous::Full => "FULL",
            Synchronous::Normal => "NORMAL",
        };
        Ok(Vitals {
            engine: format!("SQLite {}", rusqlite::version()),
            durability: format!("synchronous={synchronous}"),
            cpu: None,
        })
    }

    async fn push(
        &self,
        channel: &Channel,
        token: Token,
        fence: Option<&Lease>,
        jobs: &[NewJob],
    ) -> Result<Pushed, StoreError> {
        at_most(PUSHED, jobs.len(), "a push stores at most")?;
        for job in jobs {
            job.check()?;
        }
        let push = push::Push { channel: channel.clone(), token, fence: fence.cloned(), jobs: jobs.to_vec() };
        self.writer.run(move |verb| push.run(verb)).await
    }

    async fn reserve(
        &self,
        channel: &Channel,
        token: Token,
        options: &ReserveOptions,
    ) -> Result<Reservation, StoreError> {
        if options.limit == 0 {
            return Err(StoreError::Invalid("a reserve of 0 jobs takes nothing; ask for 1 to 1000".into()));
        }
        at_most(BATCH, options.limit as usize, "a reserve takes at most")?;
        let reserve = reserve::Reserve { channel: channel.clone(), token, options: options.clone() };
        self.writer.run(move |verb| reserve.run(verb)).await
    }

    async fn settle(&self, token: Token, batch: &[Settlement]) -> Result<Vec<Settled>, StoreError> {
        let Some(first) = batch.first() else {
            return Ok(Vec::new());
        };
        at_most(BATCH, batch.len(), "a batch settles at most")?;
        one_channel(&first.lease, batch.iter().map(|one| &one.lease))?;
        let settle = settle::Settle { token, batch: batch.to_vec() };
        self.writer.run(move |verb| settle.run(verb)).await
    }

    async fn extend(&self, leases: &[Lease], stopping: bool) -> Result<Vec<Held>, StoreError> {
        let Some(first) = leases.first() else {
            return Ok(Vec::new());
        };
        one_channel(first, leases)?;
        let leases = leases.to_vec();
        self.writer.run(move |verb| lease::extend(verb, &leases, stopping)).await
    }

    async fn progress(&self, lease: &Lease, progress: &Progress) -> Result<Held, StoreError> {
        let (lease, progress) = (lease.clone(), progress.clone());
        self.writer.run(move |verb| lease::progress(verb, &lease, &progress)).await
    }

    async fn sweep(&self, channel: &Channel) -> Result<SweepReport, StoreError> {
        let channel = channel.clone();
        self.writer.run(move |verb| sweep::sweep(verb, &channel)).await
    }

    async fn wait(&self, channel: &Channel, timeout: Duration) -> Result<Wake, StoreError> {
        self.watcher.get_or_init(|| Watcher::start(Arc::clone(&self.place), Arc::clone(&self.bell)));
        let bell = self.bell.of(channel.as_str());
        let woken = async {
            loop {
                // Before the look, so that what comes after it is not missed.
                let rung = bell.notified();
                if self.is_filled(channel).await? {
                    return Ok(Wake::Ready);
                }
                rung.await;
            }
        };
        tokio::time::timeout(timeout, woken).await.unwrap_or(Ok(Wake::TimedOut))
    }

    async fn counts(&self, channel: &Channel) -> Result<Counts, StoreError> {
        let (channel, now) = (channel.clone(), self.place.now());
        self.readers.read(move |sql| look::counts(sql, &channel, now)).await
    }

    async fn status(&self, channel: &Channel, id: JobId) -> Result<Option<JobStatus>, StoreError> {
        let (channel, now) = (channel.clone(), self.place.now());
        self.readers.read(move |sql| look::status(sql, &channel, id, now)).await
    }

    async fn failed(&self, channel: &Channel, offset: u64, limit: u32) -> Result<Vec<FailedJob>, StoreError> {
        at_most(BATCH, limit as usize, "a list shows at most")?;
        let channel = channel.clone();
        self.readers.read(move |sql| failed::list(sql, &channel, offset, limit)).await
    }

    async fn failed_job(&self, channel: &Channel, id: JobId) -> Result<Option<FailedJob>, StoreError> {
        let channel = channel.clone();
        self.readers.read(move |sql| failed::one(sql, &channel, id)).await
    }

    async fn retry_failed(
        &self,
        channel: &Channel,
        token: Token,
        ids: &[JobId],
    ) -> Result<Vec<Option<JobId>>, StoreError> {
        at_most(BATCH, ids.len(), "one call retries at most")?;
        let (channel, ids) = (channel.clone(), ids.to_vec());
        self.writer.run(move |verb| failed::retry(verb, &channel, &token, &ids)).await
    }

    async fn remove_failed(&self, channel: &Channel, ids: &[JobId]) -> Result<Vec<bool>, StoreError> {
        at_most(BATCH, ids.len(), "one call removes at most")?;
        let (channel, ids) = (channel.clone(), ids.to_vec());
        self.writer.run(move |verb| failed::remove(verb, &channel, &ids)).await
    }

    async fn prune_failed(&self, channel: &Channel, older: Duration) -> Result<u64, StoreError> {
        let (mut dropped, mut before) = (0, None);
        loop {
            let channel = channel.clone();
            let (some, more) = self.writer.run(move |verb| failed::prune_some(verb, &channel, older, before)).await?;
            dropped += some;
            if more.is_none() {
                return Ok(dropped);
            }
            before = more;
            tokio::time::sleep(BETWEEN_STEPS).await;
        }
    }

    async fn remove(&self, channel: &Channel, id: JobId) -> Result<bool, StoreError> {
        let channel = channel.clone();
        self.writer.run(move |verb| remove::remove(verb, &channel, id)).await
    }

    async fn clear(&self, channel: &Channel) -> Result<u64, StoreError> {
        let (mut removed, mut rest) = (0, None);
        loop {
            let channel = channel.clone();
            let (some, left) = self.writer.run(move |verb| remove::clear_some(verb, &channel, rest)).await?;
            removed += some;
            if left.is_none() {
                return Ok(removed);
            }
            rest = left;
            tokio::time::sleep(BETWEEN_STEPS).await;
        }
    }

    async fn is_used(&self, channel: &Channel) -> Result<bool, StoreError> {
        let channel = channel.clone();
        self.readers.read(move |sql| Ok(line::load(sql, &channel)?.is_some())).await
    }

    async fn erase(&self, channel: &Channel) -> Result<(), StoreError> {
        loop {
            let channel = channel.clone();
            if self.writer.run(move |verb| remove::erase_some(verb, &channel)).await? {
                return Ok(());
            }
            tokio::time::sleep(BETWEEN_STEPS).await;
        }
    }
}

#[async_trait]
impl KeyValue for SqliteStore {
    async fn values(&self, bucket: &Bucket, keys: &[String]) -> Result<Values, StoreError> {
        check_keys(keys.iter())?;
        let (bucket, keys) = (bucket.clone(), keys.to_vec());
        self.readers.read(move |sql| keyvalue::values(sql, &bucket, &keys)).await
    }

    async fn keys(&self, bucket: &Bucket, after: Option<&str>, limit: u32) -> Result<Vec<String>, StoreError> {
        check_limit(limit)?;
        let (bucket, after) = (bucket.clone(), after.unwrap_or_default().to_owned());
        self.readers.read(move |sql| keyvalue::keys(sql, &bucket, &after, limit)).await
    }

    async fn change(
        &self,
        bucket: &Bucket,
        fence: &Lease,
        quota: Quota,
        change: &Change,
    ) -> Result<Changed, StoreError> {
        change.check()?;
        let write = keyvalue::Write { bucket: bucket.clone(), fence: fence.clone(), quota, change: change.clone() };
        self.writer.run(move |verb| write.run(verb)).await
    }
}

#[async_trait]
impl Trials for SqliteStore {
    async fn trial(&self, plugin: &TrialName) -> Result<Option<Trial>, StoreError> {
        let (plugin, now) = (plugin.clone(), self.place.now());
        self.readers.read(move |sql| trials::latest(sql, &plugin, now)).await
    }

    async fn begin_trial(&self, plugin: &TrialName, new: &NewTrial, revision: u64) -> Result<bool, StoreError> {
        new.check()?;
        let (plugin, new) = (plugin.clone(), new.clone());
        self.writer.run(move |verb| trials::begin(verb, &plugin, &new, revision)).await
    }

    async fn count_attempts(
        &self,
        plugin: &TrialName,
        number: u64,
        token: Token,
        counts: Counted,
    ) -> Result<bool, StoreError> {
        let plugin = plugin.clone();
        self.writer.run(move |verb| trials::count(verb, &plugin, number, &token, counts)).await
    }

    async fn end_trial(
        &self,
        plugin: &TrialName,
        number: u64,
        revision: Option<u64>,
        end: TrialEnd,
    ) -> Result<bool, StoreError> {
        let plugin = plugin.clone();
        self.writer.run(move |verb| trials::end(verb, &plugin, number, revision, end)).await
    }
}

fn at_most(limit: usize, given: usize, what: &str) -> Result<(), StoreError> {
    if given <= limit {
        return Ok(());
    }
    Err(StoreError::Invalid(format!("{what} {limit} jobs, not {given}; make several calls")))
}

fn one_channel<'l>(first: &Lease, leases: impl IntoIterator<Item = &'l Lease>) -> Result<(), StoreError> {
    match leases.into_iter().find(|lease| lease.channel != first.channel) {
        None => Ok(()),
        Some(other) => Err(StoreError::Invalid(format!(
            "a call is about one channel, not about {} and {}; make a call for each",
            first.channel, other.channel
        ))),
    }
}
