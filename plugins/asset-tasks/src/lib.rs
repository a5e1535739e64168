//! What the plugins of the asset pipeline keep of each task, in the bucket `tasks`: how far it is, and what became of its
//! assets. The rules by which a task moves on are here, and every one of them holds when a job is repeated; who sends and
//! who pushes is the plugins' business.
//!
//! A task is one value, changed by compare-and-swap, so that of jobs which end at the same moment each sees what the
//! others did. It stays when the task is done: a task that is pushed again is known by it.

mod task;

use asset_messages::{Id, PublishedAsset};
use jobhost_plugin::keyvalue::{Bucket, Error};
use jobhost_plugin::{Draft, JobError, JobInfo};
pub use task::{Begun, State, Task, TaskAsset};

/// The name by which the plugins open their bucket.
const BUCKET: &str = "tasks";

/// The name under which a job carries its run, which is the key of the job that began the task.
const RUN: &str = "task-run";

/// The longest name of a source, in bytes.
const MAX_SOURCE: usize = 200;

/// One task's record.
pub struct Record {
    bucket: Bucket,
    key: String,
}

impl Record {
    /// Of the task that a source calls so.
    pub fn open(source: &str, task: &Id) -> Result<Self, JobError> {
        if source.len() > MAX_SOURCE {
            let message = format!("the source's name has {} bytes, at most {MAX_SOURCE} are allowed", source.len());
            return Err(JobError::permanent("invalid-source", message));
        }
        Ok(Self { bucket: Bucket::open(BUCKET)?, key: format!("task/{source}/{task}") })
    }

    /// The task as it is now.
    pub fn read(&self) -> Result<Option<Task>, JobError> {
        Ok(self.bucket.get(&self.key)?)
    }

    /// See [`Task::begin`].
    pub fn begin(&self, run: &str) -> Result<Option<State>, JobError> {
        self.change(|task| Task::begin(task, run))
    }

    /// See [`Task::begin_upload`].
    pub fn begin_upload(&self, run: &Run, job: &str, assets: &[PublishedAsset]) -> Result<Begun, JobError> {
        self.change(|task| Task::begin_upload(task, run, job, assets))
    }

    /// See [`Task::uploaded`].
    pub fn uploaded(&self, run: &Run, job: &str, path: &str, remote_id: &Id) -> Result<bool, JobError> {
        self.change(|task| Task::uploaded(task, run, job, path, remote_id))
    }

    /// See [`Task::published`].
    pub fn published(&self, run: &Run, job: &str, article_id: &Id) -> Result<bool, JobError> {
        self.change(|task| Task::published(task, run, job, article_id))
    }

    /// See [`Task::failed`].
    pub fn failed(&self, run: &Run, job: &str) -> Result<bool, JobError> {
        self.change(|task| Task::failed(task, run, job))
    }

    /// Asks a rule again until nobody has changed the task meanwhile.
    fn change<T>(&self, rule: impl Fn(&mut Option<Task>) -> T) -> Result<T, JobError> {
        let mut answer = None;
        let changed = self.bucket.update(&self.key, |mut task| {
            let said = rule(&mut task);
            answer = Some(said);
            task.ok_or(Unknown::Task)
        });
        match (changed, answer) {
            (Ok(_) | Err(Unknown::Task), Some(answer)) => Ok(answer),
            (Err(Unknown::Bucket(error)), _) => Err(error.into()),
            (_, None) => Err(JobError::temporary("keyvalue", format!("{} was not asked for", self.key))),
        }
    }
}

/// Why a change wrote nothing.
enum Unknown {
    /// There is no task, and the rule makes none.
    Task,
    Bucket(Error),
}

impl From<Error> for Unknown {
    fn from(error: Error) -> Self {
        Self::Bucket(error)
    }
}

/// The failure of a job whose task is not known any more: its record was dropped from the bucket.
pub fn unknown(task: &Id) -> JobError {
    JobError::permanent("unknown-task", format!("nothing is known of task {task} any more; push it again"))
}

/// One passage of a task through the pipeline. A task that failed and is pushed again has another one, and what is left of
/// the first no longer counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The key of the job that began it.
    pub key: String,
    /// Whether this job is that one, and may begin the task where it is not known.
    pub first: bool,
}

impl Run {
    /// That of a job.
    pub fn of(job: &JobInfo) -> Self {
        match job.metadata.iter().find(|(name, _)| name == RUN) {
            Some((_, key)) => Self { key: key.clone(), first: false },
            None => Self { key: job.key.clone(), first: true },
        }
    }

    /// Lets a follow-up job belong to it.
    #[must_use]
    pub fn mark(&self, draft: Draft) -> Draft {
        draft.metadata(RUN, &self.key)
    }
}
