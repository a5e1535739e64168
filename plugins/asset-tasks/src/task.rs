//! The rules of a task: pure, so that they can be asked again, by another attempt as well as after a lost swap.

use std::fmt;

use asset_messages::{Id, PublishedAsset};
use serde::{Deserialize, Serialize};

use crate::Run;

/// How far a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Its files are being copied.
    Copying,
    /// Its files are on their way into the channel.
    Uploading,
    /// All are there, and its article is to be published.
    Publishing,
    /// Its article is published.
    Done,
    /// One of its jobs has failed for good.
    Failed,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Copying => "copying",
            Self::Uploading => "uploading",
            Self::Publishing => "publishing",
            Self::Done => "done",
            Self::Failed => "failed",
        })
    }
}

/// What is kept of a task.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Task {
    /// How far it is.
    pub state: State,
    /// The run that it belongs to.
    pub run: String,
    /// Its files, once they are copied.
    pub assets: Vec<TaskAsset>,
    /// The key of the upload that ended last and pushes the publication.
    pub publisher: Option<String>,
    /// The channel's id of the article.
    pub article_id: Option<Id>,
    /// The keys of jobs that failed for good.
    pub failures: Vec<String>,
}

/// What is kept of a file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct TaskAsset {
    /// What was copied.
    pub copied: PublishedAsset,
    /// The channel's id of it, once it is there.
    pub remote_id: Option<Id>,
}

/// Whether a job is to upload its files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// Yes; of each of its files the channel's id, where an attempt has put it there already.
    Yes(Vec<Option<Id>>),
    /// No: the task belongs to another run, which is as far as this.
    Other(State),
    /// No: a job of this run has begun the task, and nothing is known of it any more.
    Unknown,
}

impl Task {
    fn new(run: &str) -> Self {
        Self {
            state: State::Copying,
            run: run.to_owned(),
            assets: Vec::new(),
            publisher: None,
            article_id: None,
            failures: Vec::new(),
        }
    }

    /// A job wants to copy the task's files, and may unless they are copied: then it is told how far the task is. A task
    /// that has failed begins anew. One that is being copied belongs to the job that came last, since nobody can see
    /// whether the one before is still at it; what that one hands on then does nothing.
    pub fn begin(task: &mut Option<Self>, run: &str) -> Option<State> {
        let begun = task.as_ref().filter(|known| known.run != run).map(|known| known.state);
        let other = begun.filter(|state| !matches!(state, State::Copying | State::Failed));
        if other.is_none() {
            *task = Some(Self::new(run));
        }
        other
    }

    /// A job wants to upload these files. A task that is still being copied has these from now on; a job that nobody
    /// handed on may also begin a task that is not known or has failed. That this very job had failed no longer counts.
    pub fn begin_upload(task: &mut Option<Self>, run: &Run, job: &str, assets: &[PublishedAsset]) -> Begun {
        let anew = match task {
            None if run.first => true,
            None => return Begun::Unknown,
            Some(known) if known.run == run.key => known.assets.is_empty(),
            Some(known) if run.first && known.state == State::Failed => true,
            Some(known) => return Begun::Other(known.state),
        };
        let known = task.get_or_insert_with(|| Self::new(&run.key));
        if anew {
            *known = Self::new(&run.key);
            known.assets = assets.iter().map(|copied| TaskAsset { copied: copied.clone(), remote_id: None }).collect();
        }
        known.recovered(job);
        let remote_id = |asset: &PublishedAsset| {
            known.assets.iter().find(|known| known.copied.relative_path == asset.relative_path)?.remote_id.clone()
        };
        Begun::Yes(assets.iter().map(remote_id).collect())
    }

    /// A job has put a file into the channel. Answers whether this job pushes the publication: of jobs that end at the
    /// same moment one does, and does so again if it is repeated.
    pub fn uploaded(task: &mut Option<Self>, run: &Run, job: &str, path: &str, remote_id: &Id) -> bool {
        let Some(task) = of_run(task, run) else { return false };
        if let Some(asset) = task.assets.iter_mut().find(|asset| asset.copied.relative_path == path) {
            asset.remote_id = Some(remote_id.clone());
        }
        task.recovered(job);
        if task.assets.iter().all(|asset| asset.remote_id.is_some()) {
            let publisher = task.publisher.get_or_insert_with(|| job.to_owned());
            let mine = publisher == job;
            task.settle();
            return mine;
        }
        false
    }

    /// A job has published the article. Answers whether the task is of its run.
    pub fn published(task: &mut Option<Self>, run: &Run, job: &str, article_id: &Id) -> bool {
        let Some(task) = of_run(task, run) else { return false };
        task.article_id = Some(article_id.clone());
        task.recovered(job);
        true
    }

    /// A job has failed for good. Answers whether the task is of its run.
    pub fn failed(task: &mut Option<Self>, run: &Run, job: &str) -> bool {
        let Some(task) = of_run(task, run) else { return false };
        if !task.failures.iter().any(|known| known == job) {
            task.failures.push(job.to_owned());
        }
        task.settle();
        true
    }

    /// A job that had failed has done its work after all: its failure was never settled, or somebody has retried it.
    fn recovered(&mut self, job: &str) {
        self.failures.retain(|known| known != job);
        self.settle();
    }

    /// The state follows from the rest.
    fn settle(&mut self) {
        self.state = if !self.failures.is_empty() {
            State::Failed
        } else if self.article_id.is_some() {
            State::Done
        } else if self.publisher.is_some() {
            State::Publishing
        } else if self.assets.is_empty() {
            State::Copying
        } else {
            State::Uploading
        };
    }
}

fn of_run<'t>(task: &'t mut Option<Task>, run: &Run) -> Option<&'t mut Task> {
    task.as_mut().filter(|task| task.run == run.key)
}

#[cfg(test)]
mod tests {
    use asset_messages::AssetKind;

    use super::*;

    fn run(key: &str) -> Run {
        Run { key: key.to_owned(), first: false }
    }

    fn id(text: &str) -> Id {
        Id::Text(text.to_owned())
    }

    fn asset(path: &str) -> PublishedAsset {
        let channel_article_id = Id::Number(11);
        PublishedAsset { kind: AssetKind::Image, channel_article_id, relative_path: path.to_owned(), size: 5 }
    }

    /// A task of the run `r` with two files, of which none is uploaded.
    fn uploading() -> Option<Task> {
        let mut task = None;
        assert_eq!(Task::begin(&mut task, "r"), None);
        let begun = Task::begin_upload(&mut task, &run("r"), "0", &[asset("/a"), asset("/b")]);
        assert_eq!(begun, Begun::Yes(vec![None, None]));
        task
    }

    #[test]
    fn a_task_goes_from_copying_to_done() {
        let mut task = None;
        Task::begin(&mut task, "r");
        assert_eq!(task.as_ref().unwrap().state, State::Copying);
        let mut task = uploading();
        assert_eq!(task.as_ref().unwrap().state, State::Uploading);
        assert!(!Task::uploaded(&mut task, &run("r"), "1", "/a", &id("A")));
        assert_eq!(task.as_ref().unwrap().state, State::Uploading);
        assert!(Task::uploaded(&mut task, &run("r"), "2", "/b", &id("B")));
        assert_eq!(task.as_ref().unwrap().state, State::Publishing);
        assert!(Task::published(&mut task, &run("r"), "3", &id("X")));
        assert_eq!(task.as_ref().unwrap().state, State::Done);
    }

    #[test]
    fn exactly_one_of_the_uploads_publishes_also_when_they_are_repeated() {
        let mut task = uploading();
        assert!(!Task::uploaded(&mut task, &run("r"), "1", "/a", &id("A")));
        assert!(!Task::uploaded(&mut task, &run("r"), "1", "/a", &id("A")));
        for _ in 0..2 {
            assert!(Task::uploaded(&mut task, &run("r"), "2", "/b", &id("B")));
            assert!(!Task::uploaded(&mut task, &run("r"), "1", "/a", &id("A")));
        }
    }

    #[test]
    fn what_an_attempt_has_uploaded_is_known_to_the_next() {
        let mut task = uploading();
        Task::uploaded(&mut task, &run("r"), "1", "/a", &id("A"));
        let begun = Task::begin_upload(&mut task, &run("r"), "0", &[asset("/a"), asset("/b")]);
        assert_eq!(begun, Begun::Yes(vec![Some(id("A")), None]));
    }

    #[test]
    fn a_task_is_begun_once_unless_it_has_failed() {
        let mut task = uploading();
        assert_eq!(Task::begin(&mut task, "s"), Some(State::Uploading));
        let first = Run { key: "s".to_owned(), first: true };
        assert_eq!(Task::begin_upload(&mut task, &first, "s", &[]), Begun::Other(State::Uploading));
        Task::failed(&mut task, &run("r"), "1");
        assert_eq!(task.as_ref().unwrap().state, State::Failed);
        assert_eq!(Task::begin_upload(&mut task, &run("s"), "1", &[]), Begun::Other(State::Failed));
        assert_eq!(Task::begin(&mut task, "s"), None);
        assert_eq!(task.as_ref().unwrap().state, State::Copying);
    }

    #[test]
    fn a_task_that_is_being_copied_belongs_to_the_job_that_began_it_last() {
        let mut task = None;
        for run in ["r", "s"] {
            assert_eq!(Task::begin(&mut task, run), None);
        }
        let first = Task::begin_upload(&mut task, &run("r"), "0", &[asset("/a")]);
        assert_eq!(first, Begun::Other(State::Copying));
        assert_eq!(Task::begin_upload(&mut task, &run("s"), "1", &[asset("/b")]), Begun::Yes(vec![None]));
        assert_eq!(Task::begin(&mut task, "r"), Some(State::Uploading));
    }

    #[test]
    fn a_task_whose_record_is_gone_is_not_begun_with_what_is_left_of_it() {
        let mut task = None;
        assert_eq!(Task::begin_upload(&mut task, &run("r"), "1", &[asset("/a")]), Begun::Unknown);
        assert_eq!(task, None);
        let pushed = Run { key: "s".to_owned(), first: true };
        assert_eq!(Task::begin_upload(&mut task, &pushed, "s", &[asset("/a")]), Begun::Yes(vec![None]));
    }

    #[test]
    fn what_is_left_of_an_earlier_run_changes_nothing() {
        let mut task = uploading();
        let before = task.clone();
        assert!(!Task::uploaded(&mut task, &run("q"), "1", "/a", &id("A")));
        assert!(!Task::published(&mut task, &run("q"), "1", &id("X")));
        assert!(!Task::failed(&mut task, &run("q"), "1"));
        assert_eq!(task, before);
        assert!(!Task::failed(&mut None, &run("q"), "1"));
    }

    #[test]
    fn a_task_is_failed_until_each_job_that_failed_has_done_its_work() {
        let mut task = uploading();
        for job in ["1", "2", "1"] {
            assert!(Task::failed(&mut task, &run("r"), job));
        }
        assert!(!Task::uploaded(&mut task, &run("r"), "1", "/a", &id("A")));
        assert_eq!(task.as_ref().unwrap().state, State::Failed);
        assert!(Task::uploaded(&mut task, &run("r"), "2", "/b", &id("B")));
        assert_eq!(task.as_ref().unwrap().state, State::Publishing);
    }

    #[test]
    fn a_task_is_kept_as_json_that_others_can_read() {
        let task = uploading().unwrap();
        let text = serde_json::to_string(&task).unwrap();
        assert!(text.starts_with(r#"{"state":"uploading","run":"r","assets":[{"copied":{"type":"image","#), "{text}");
        assert_eq!(serde_json::from_str::<Task>(&text).unwrap(), task);
    }
}
