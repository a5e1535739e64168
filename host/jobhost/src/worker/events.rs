//! What happens in a worker, told to whoever listens: the console, logs,
//! metrics and tests all hear the same events. Nothing is decided here.

use std::sync::Arc;
use std::time::Duration;

use jobhost_queue::{AttemptRecord, Counted, JobId};

use crate::swap::More;

/// The job an event is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The queue's configured name.
    pub queue: String,
    /// The job.
    pub id: JobId,
    /// Its name; empty where the message could not be read.
    pub name: String,
    /// Counted from 1.
    pub attempt: u32,
}

/// One thing that happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// The worker takes jobs from now on.
    WorkerStarted,
    /// It takes no new jobs; running ones have this long.
    WorkerStopping {
        /// The grace that is left.
        grace: Duration,
    },
    /// All its jobs are settled or handed back.
    WorkerStopped {
        /// How long it worked.
        elapsed: Duration,
    },
    /// An attempt begins.
    Started(Subject),
    /// A job is done, and that is settled.
    Done {
        /// Which.
        job: Subject,
        /// What it cost. Its `skipped` says whether a hook had it skipped.
        record: Box<AttemptRecord>,
        /// What the handler returned.
        output: String,
    },
    /// An attempt has failed, and what follows is settled.
    Failed {
        /// Which.
        job: Subject,
        /// What it cost, and the cause.
        record: Box<AttemptRecord>,
        /// The delay before the next attempt; `None`: it is in the failed set.
        retry_after: Option<Duration>,
    },
    /// A job did not run and waits for a later time, uncounted.
    Postponed {
        /// Which.
        job: Subject,
        /// How long it waits.
        delay: Duration,
        /// Who wanted it.
        reason: String,
    },
    /// The worker stops, or lost touch with the store: the job waits again, uncounted.
    HandedBack(Subject),
    /// Somebody else has the job by now; nothing of this attempt counts.
    Lost(Subject),
    /// Jobs of dead workers wait again.
    Reclaimed {
        /// The queue's configured name.
        queue: String,
        /// Which.
        ids: Vec<JobId>,
    },
    /// A plugin's new version is in force; running attempts finish on the one they began with.
    Swapped {
        /// The plugin's configured name.
        plugin: String,
        /// The digest of the version before.
        from: String,
        /// That of the new one.
        to: String,
        /// What it asks for that the one before did not.
        more: Vec<More>,
    },
    /// A plugin's new version is on trial, or that goes on in another way, or is over.
    Trial(Box<TrialEvent>),
    /// A plugin's file is gone or cannot be used; the version in force stays.
    SwapRefused {
        /// The plugin's configured name.
        plugin: String,
        /// The digest of the version that stays.
        stays: String,
        /// What is wrong with the file.
        reason: String,
    },
    /// A plugin's file that could not be used can be again. What is made of it is told before, if that is anything new.
    FileRestored {
        /// The plugin's configured name.
        plugin: String,
        /// The digest of the version that it holds.
        digest: String,
    },
    /// The configuration was read again and is in force.
    Reloaded {
        /// The queues that are served from now on, by their configured names.
        queues: Vec<String>,
    },
    /// The configuration was read again and cannot be put in force; nothing has changed.
    ReloadRefused {
        /// All that is wrong with it, a line each.
        reason: String,
    },
    /// The store does not answer; the worker waits for it.
    StoreLost {
        /// What it said.
        reason: String,
    },
    /// It answers again.
    StoreBack {
        /// How long it did not.
        after: Duration,
    },
}

/// What a trial of a plugin's new version has come to.
#[derive(Clone, Debug)]
pub struct TrialEvent {
    /// The plugin's configured name.
    pub plugin: String,
    /// How the trial stands.
    pub state: TrialState,
    /// The digest of the version that is compared with the new one.
    pub from: String,
    /// That of the new one.
    pub to: String,
    /// That of the version which handles all jobs here, but for the new one's share while the trial goes on.
    pub in_force: String,
    /// The share of the jobs that the new one has in the trial, in millionths.
    pub share: u32,
    /// The attempts of all workers, as they were counted last.
    pub counts: Counted,
    /// For people.
    pub reason: String,
    /// What the new version asks for that the one in force does not; told when the trial begins.
    pub more: Vec<More>,
}

/// How a trial stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrialState {
    /// The new version has its share of the jobs from now on.
    Begun,
    /// Its time is over, with too few attempts for a verdict.
    Extended,
    /// So is ten times its time.
    Held,
    /// The new version is in force.
    Promoted,
    /// It has failed too often, and is not tried again before the file changes.
    RolledBack,
    /// There is no verdict: the file or the configuration has changed.
    Ended,
}

/// Hears every event, in order of each job's own. It must not block.
pub trait Listener: Send + Sync + 'static {
    /// Is called from the worker's tasks.
    fn hear(&self, event: &Event);
}

/// Those who listen.
#[derive(Clone, Default)]
pub struct Events(Arc<Vec<Arc<dyn Listener>>>);

impl Events {
    /// Tells these, in order.
    pub fn to(listeners: Vec<Arc<dyn Listener>>) -> Self {
        Self(Arc::new(listeners))
    }

    /// Tells all.
    pub fn tell(&self, event: &Event) {
        for listener in self.0.iter() {
            listener.hear(event);
        }
    }
}
