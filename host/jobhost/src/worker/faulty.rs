//! A real store of which single verbs can be broken, for tests of what a
//! worker does then.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jobhost_queue::{
    Bucket, Change, Changed, Channel, Counted, Counts, FailedJob, Held, JobId, JobStatus, KeyValue, Lease, NewJob,
    NewTrial, Progress, Pushed, Quota, Reservation, ReserveOptions, Roster, Settled, Settlement, Store, StoreError,
    SweepReport, Token, Trial, TrialEnd, TrialName, Trials, Values, Vitals, Wake, WorkerRecord, Workers,
};
use tokio::sync::watch;

/// What is wrong with a verb.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Panics,
    /// It does not come back before it is mended.
    Hangs,
    Corrupt,
    /// It does what it should, and says that the store is not available.
    LosesItsReply,
}

type Faults = HashMap<&'static str, Fault>;

/// The store, with what is wrong with it.
pub(crate) struct Faulty {
    inner: Arc<dyn Store>,
    faults: watch::Sender<Faults>,
    calls: watch::Sender<HashMap<&'static str, u32>>,
    /// A fault that passes with its first call.
    once: Mutex<Option<&'static str>>,
    spoiled: Mutex<Option<Channel>>,
}

impl Faulty {
    pub(crate) fn new(inner: Arc<dyn Store>) -> Self {
        let (faults, calls) = (watch::channel(HashMap::new()).0, watch::channel(HashMap::new()).0);
        Self { inner, faults, calls, once: Mutex::default(), spoiled: Mutex::default() }
    }

    pub(crate) fn breaks(&self, verb: &'static str, fault: Fault) {
        self.faults.send_modify(|faults| {
            faults.insert(verb, fault);
        });
    }

    pub(crate) fn breaks_once(&self, verb: &'static str, fault: Fault) {
        *self.once.lock().unwrap() = Some(verb);
        self.breaks(verb, fault);
    }

    /// Settles nothing in this channel any more, and all else as ever.
    pub(crate) fn spoils(&self, channel: Option<&Channel>) {
        *self.spoiled.lock().unwrap() = channel.cloned();
    }

    pub(crate) fn mend(&self, verb: &'static str) {
        self.faults.send_modify(|faults| {
            faults.remove(verb);
        });
    }

    /// Waits until a verb was called so often.
    pub(crate) async fn called(&self, verb: &'static str, times: u32) {
        let mut calls = self.calls.subscribe();
        let often = calls.wait_for(|calls| calls.get(verb).is_some_and(|called| *called >= times));
        tokio::time::timeout(Duration::from_secs(30), often).await.expect(verb).unwrap();
    }

    async fn through<T>(
        &self,
        verb: &'static str,
        call: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        let fault = self.faults.borrow().get(verb).copied();
        if self.once.lock().unwrap().take_if(|once| *once == verb).is_some() {
            self.mend(verb);
        }
        self.calls.send_modify(|calls| *calls.entry(verb).or_default() += 1);
        match fault {
            None => call.await,
            Some(Fault::Panics) => panic!("planned in {verb}"),
            Some(Fault::Hangs) => {
                let mut faults = self.faults.subscribe();
                let _ = faults.wait_for(|faults| !faults.contains_key(verb)).await;
                call.await
            }
            Some(Fault::Corrupt) => Err(corrupt()),
            Some(Fault::LosesItsReply) => {
                call.await?;
                Err(StoreError::Unavailable { store: "faulty".into(), reason: "planned".into() })
            }
        }
    }
}

fn corrupt() -> StoreError {
    StoreError::Corrupt { store: "faulty".into(), place: "a key".into(), reason: "planned; delete it".into() }
}

#[async_trait]
impl KeyValue for Faulty {
    async fn values(&self, bucket: &Bucket, keys: &[String]) -> Result<Values, StoreError> {
        self.through("values", self.inner.values(bucket, keys)).await
    }

    async fn keys(&self, bucket: &Bucket, after: Option<&str>, limit: u32) -> Result<Vec<String>, StoreError> {
        self.through("keys", self.inner.keys(bucket, after, limit)).await
    }

    async fn change(
        &self,
        bucket: &Bucket,
        fence: &Lease,
        quota: Quota,
        change: &Change,
    ) -> Result<Changed, StoreError> {
        self.through("change", self.inner.change(bucket, fence, quota, change)).await
    }
}

#[async_trait]
impl Workers for Faulty {
    async fn announce(&self, worker: &WorkerRecord) -> Result<(), StoreError> {
        self.through("announce", self.inner.announce(worker)).await
    }

    async fn withdraw(&self, id: &str) -> Result<(), StoreError> {
        self.through("withdraw", self.inner.withdraw(id)).await
    }

    async fn workers(&self) -> Result<Roster, StoreError> {
        self.through("workers", self.inner.workers()).await
    }
}

#[async_trait]
impl Trials for Faulty {
    async fn trial(&self, plugin: &TrialName) -> Result<Option<Trial>, StoreError> {
        self.through("trial", self.inner.trial(plugin)).await
    }

    async fn begin_trial(&self, plugin: &TrialName, new: &NewTrial, revision: u64) -> Result<bool, StoreError> {
        self.through("begin_trial", self.inner.begin_trial(plugin, new, revision)).await
    }

    async fn count_attempts(
        &self,
        plugin: &TrialName,
        number: u64,
        token: Token,
        counts: Counted,
    ) -> Result<bool, StoreError> {
        self.through("count_attempts", self.inner.count_attempts(plugin, number, token, counts)).await
    }

    async fn end_trial(
        &self,
        plugin: &TrialName,
        number: u64,
        revision: Option<u64>,
        end: TrialEnd,
    ) -> Result<bool, StoreError> {
        self.through("end_trial", self.inner.end_trial(plugin, number, revision, end)).await
    }
}

#[async_trait]
impl Store for Faulty {
    fn address(&self) -> &str {
        self.inner.address()
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.through("ping", self.inner.ping()).await
    }

    async fn warnings(&self) -> Result<Vec<String>, StoreError> {
        self.through("warnings", self.inner.warnings()).await
    }

    async fn vitals(&self) -> Result<Vitals, StoreError> {
        self.through("vitals", self.inner.vitals()).await
    }

    async fn push(
        &self,
        channel: &Channel,
        token: Token,
        fence: Option<&Lease>,
        jobs: &[NewJob],
    ) -> Result<Pushed, StoreError> {
        self.through("push", self.inner.push(channel, token, fence, jobs)).await
    }

    async fn reserve(
        &self,
        channel: &Channel,
        token: Token,
        options: &ReserveOptions,
    ) -> Result<Reservation, StoreError> {
        self.through("reserve", self.inner.reserve(channel, token, options)).await
    }

    async fn settle(&self, token: Token, batch: &[Settlement]) -> Result<Vec<Settled>, StoreError> {
        let spoiled = self.spoiled.lock().unwrap().clone();
        let call = async {
            if batch.first().is_some_and(|one| Some(&one.lease.channel) == spoiled.as_ref()) {
                return Err(corrupt());
            }
            self.inner.settle(token, batch).await
        };
        self.through("settle", call).await
    }

    async fn extend(&self, leases: &[Lease], stopping: bool) -> Result<Vec<Held>, StoreError> {
        self.through("extend", self.inner.extend(leases, stopping)).await
    }

    async fn progress(&self, lease: &Lease, progress: &Progress) -> Result<Held, StoreError> {
        self.through("progress", self.inner.progress(lease, progress)).await
    }

    async fn sweep(&self, channel: &Channel) -> Result<SweepReport, StoreError> {
        self.through("sweep", self.inner.sweep(channel)).await
    }

    async fn wait(&self, channel: &Channel, timeout: Duration) -> Result<Wake, StoreError> {
        self.through("wait", self.inner.wait(channel, timeout)).await
    }

    async fn counts(&self, channel: &Channel) -> Result<Counts, StoreError> {
        self.through("counts", self.inner.counts(channel)).await
    }

    async fn status(&self, channel: &Channel, id: JobId) -> Result<Option<JobStatus>, StoreError> {
        self.through("status", self.inner.status(channel, id)).await
    }

    async fn failed(&self, channel: &Channel, offset: u64, limit: u32) -> Result<Vec<FailedJob>, StoreError> {
        self.through("failed", self.inner.failed(channel, offset, limit)).await
    }

    async fn failed_job(&self, channel: &Channel, id: JobId) -> Result<Option<FailedJob>, StoreError> {
        self.through("failed_job", self.inner.failed_job(channel, id)).await
    }

    async fn retry_failed(
        &self,
        channel: &Channel,
        token: Token,
        ids: &[JobId],
    ) -> Result<Vec<Option<JobId>>, StoreError> {
        self.through("retry_failed", self.inner.retry_failed(channel, token, ids)).await
    }

    async fn remove_failed(&self, channel: &Channel, ids: &[JobId]) -> Result<Vec<bool>, StoreError> {
        self.through("remove_failed", self.inner.remove_failed(channel, ids)).await
    }

    async fn prune_failed(&self, channel: &Channel, older: Duration) -> Result<u64, StoreError> {
        self.through("prune_failed", self.inner.prune_failed(channel, older)).await
    }

    async fn remove(&self, channel: &Channel, id: JobId) -> Result<bool, StoreError> {
        self.through("remove", self.inner.remove(channel, id)).await
    }

    async fn clear(&self, channel: &Channel) -> Result<u64, StoreError> {
        self.through("clear", self.inner.clear(channel)).await
    }
    async fn is_used(&self, channel: &Channel) -> Result<bool, StoreError> {
        self.through("is_used", self.inner.is_used(channel)).await
    }

    async fn erase(&self, channel: &Channel) -> Result<(), StoreError> {
        self.through("erase", self.inner.erase(channel)).await
    }
}
