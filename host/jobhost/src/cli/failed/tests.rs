//! The failed set of a real store, as it is printed and emptied.

use std::sync::Arc;
use std::time::Duration;

use jobhost_queue::{
    AttemptRecord, Cause, NewJob, OpenOptions, ReserveOptions, Retain, Settled, Settlement, Token, Verdict,
};
use tempfile::TempDir;

use super::change::retry_all;
use super::*;
use crate::cli::args::ColorWhen;
use crate::config::{Request, load};

struct Failures {
    store: Arc<dyn Store>,
    config: Config,
    _folder: TempDir,
}

impl Failures {
    /// A store with jobs of these bodies, all failed, in this order.
    async fn of(bodies: &[String]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = load(&Request {
            folder: folder.path().to_owned(),
            store: Some(format!("sqlite:{}", folder.path().join("jobs.db").display())),
            ..Request::default()
        })
        .unwrap();
        let store = jobhost_queue::open(&config.store, OpenOptions::default()).await.unwrap();
        let failures = Self { store, config, _folder: folder };
        for body in bodies {
            failures.fail(body).await;
        }
        failures
    }

    fn queue(&self) -> &QueueConfig {
        &self.config.queues[0]
    }

    async fn fail(&self, body: &str) {
        let channel = &self.queue().channel;
        let job = NewJob::new(body, 60);
        let pushed = self.store.push(channel, Token::random(), None, &[job]).await;
        pushed.unwrap();
        let options = ReserveOptions { limit: 1, suspects: true, worker: "here:1".into() };
        let taken = self.store.reserve(channel, Token::random(), &options).await;
        let reserved = taken.unwrap().jobs.remove(0);
        let settlement = Settlement {
            lease: reserved.lease,
            verdict: Verdict::Failed,
            record: record(),
            follow_ups: Vec::new(),
            retain: Retain { done: Duration::ZERO, failed: Duration::from_hours(1), output: 0 },
        };
        let settled = self.store.settle(Token::random(), &[settlement]).await;
        assert_eq!(settled.unwrap(), [Settled::Yes(Vec::new())]);
    }

    async fn all(&self) -> Vec<FailedJob> {
        pages(self.store.as_ref(), self.queue(), 10_000).await.unwrap()
    }
}

fn record() -> AttemptRecord {
    AttemptRecord {
        attempt: 1,
        name: "app\\jobs\\A".into(),
        plugin: "copy_asset".into(),
        duration_us: 1500,
        peak_memory: 1 << 20,
        cause: Some(Cause {
            kind: "returned".into(),
            code: "35020".into(),
            message: "list is empty\nfor task 2".into(),
            backtrace: Some("0: main".into()),
            ..Cause::default()
        }),
        ..AttemptRecord::default()
    }
}

fn plain() -> Paint {
    Paint::new(ColorWhen::Never, false, false)
}

#[tokio::test]
async fn a_failed_job_is_listed_on_one_line_and_shown_whole() {
    let failures = Failures::of(&[r#"{"class":"app\\jobs\\A","task_id":2}"#.to_owned()]).await;
    let job = failures.all().await.remove(0);
    let mut line = String::new();
    list_line(&mut line, failures.queue(), &job, plain());
    assert!(line.starts_with("default/1 "), "{line}");
    assert!(line.ends_with(" app\\jobs\\A (1 attempt) returned 35020: list is empty\n"), "{line}");
    let body = body_of(&job);
    let text = show_text(failures.queue(), &job, &body, plain());
    for part in [
        "default/1 has failed\n",
        "plugin:      copy_asset\n",
        "ran for:     1 ms\n",
        "memory:      1.0 MiB\n",
        "cause:       returned 35020\n",
        "message:\n  list is empty\n  for task 2\n",
        "backtrace:\n  0: main\n",
        "payload:\n  {\"class\":\"app\\\\jobs\\\\A\",\"task_id\":2}\n",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    let document = document(failures.queue(), &job, Some(&body));
    assert_eq!(document["id"], "default/1");
    assert_eq!(document["payload"]["task_id"], 2);
    assert_eq!(document["record"]["cause"]["code"], "35020");
}

#[tokio::test]
async fn a_failed_job_that_cannot_be_read_says_so() {
    let failures = Failures::of(&["garbage".to_owned()]).await;
    let job = failures.all().await.remove(0);
    let body = body_of(&job);
    let text = show_text(failures.queue(), &job, &body, plain());
    assert!(text.contains("payload:     the body is not usable JSON"), "{text}");
    let document = document(failures.queue(), &job, Some(&body));
    assert!(document["payload"].is_null());
    assert!(document["undecodable"].as_str().is_some_and(|why| why.contains("garbage")));
}

#[tokio::test]
async fn retrying_all_takes_the_oldest_first() {
    let bodies: Vec<_> = (1..=3).map(|n| format!(r#"{{"class":"A","n":{n}}}"#)).collect();
    let failures = Failures::of(&bodies).await;
    let mut answers = Vec::new();
    retry_all(failures.store.as_ref(), failures.queue(), &mut answers).await.unwrap();
    let ids: Vec<_> = answers.iter().map(|answer| answer.id.to_string()).collect();
    assert_eq!(ids, ["default/1", "default/2", "default/3"]);
    assert!(failures.all().await.is_empty());
    let counts = failures.store.counts(&failures.queue().channel).await.unwrap();
    assert_eq!((counts.waiting, counts.failed), (3, 0));
}
