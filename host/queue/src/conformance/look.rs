//! Promises of `status`, `counts`, `progress` and `ping`.

use super::stage::{RETAIN, Stage, done, forged, job, record, seconds, settlement};
use crate::job::{JobId, NewJob};
use crate::record::Progress;
use crate::store::{Counts, Held, JobState, JobStatus, Settlement, Verdict};

fn with_metadata(body: &str) -> NewJob {
    NewJob { metadata: vec![("who".into(), "me".into())], ..job(body) }
}

/// What is told of a job in every state.
fn assert_constant(t: &Stage, status: &JobStatus, pushed_before: u64) {
    assert_eq!(status.id, JobId(1));
    assert_eq!(status.pushed_at, Some(t.clock.now() - pushed_before * 1000));
    assert_eq!(status.metadata, [("who".to_owned(), "me".to_owned())]);
}

pub async fn an_unknown_job_has_no_status(t: Stage) {
    t.push(&["a"]).await;
    for id in [2, 1 << 41, u64::MAX] {
        assert!(t.status(JobId(id)).await.is_none());
    }
}

pub async fn status_tells_of_a_waiting_job(t: Stage) {
    let id = t.push_jobs(&[with_metadata("a")]).await[0];
    let status = t.status(id).await.unwrap();
    assert_constant(&t, &status, 0);
    assert_eq!(status.state, JobState::Waiting);
    assert_eq!((status.attempts, status.crashes), (0, 0));
    assert_eq!(status.ttr, Some(3600));
    assert_eq!(status.body.as_deref(), Some(b"a".as_slice()));
    assert_eq!((status.worker, status.ended_at, status.reserved_at), (None, None, None));
    assert!(status.record.is_none() && status.progress.is_none());
    assert!(status.key.is_some());
}

pub async fn status_tells_of_a_delayed_job(t: Stage) {
    let id = t.push_delayed("a", seconds(30)).await;
    let due_at = t.clock.now() + 30_000;
    let status = t.status(id).await.unwrap();
    assert_eq!(status.state, JobState::Delayed { due_at });
    assert_eq!((status.attempts, status.ttr), (0, Some(3600)));
}

pub async fn status_tells_of_a_reserved_job(t: Stage) {
    t.push_jobs(&[with_metadata("a")]).await;
    t.clock.advance(seconds(3));
    let taken = t.take_one().await;
    let status = t.status(taken.lease.id).await.unwrap();
    assert_constant(&t, &status, 3);
    assert_eq!(status.state, JobState::Reserved);
    assert_eq!(status.attempts, 1);
    assert_eq!(status.worker.as_deref(), Some("here:1"));
    assert_eq!(status.reserved_at, Some(t.clock.now()));
    assert_eq!(status.key, Some(taken.key));
    assert_eq!(status.body.as_deref(), Some(b"a".as_slice()));
}

pub async fn status_tells_of_a_done_job(t: Stage) {
    t.push_jobs(&[with_metadata("a")]).await;
    let taken = t.take_one().await;
    t.clock.advance(seconds(3));
    let output = Some(r#"{"made":1}"#.to_owned());
    let verdict = Verdict::Done { output: output.clone() };
    t.settle(&taken, verdict).await;
    let status = t.status(taken.lease.id).await.unwrap();
    assert_constant(&t, &status, 3);
    assert_eq!(status.state, JobState::Done);
    assert_eq!(status.attempts, 1);
    assert_eq!(status.ended_at, Some(t.clock.now()));
    assert_eq!((status.ttr, status.body), (None, None));
    assert_eq!(status.record, Some(record(&taken)));
    assert_eq!(status.output, output);
    assert_eq!((status.worker, status.reserved_at, status.key), (None, None, Some(taken.key)));
}

pub async fn status_tells_of_a_failed_job(t: Stage) {
    t.push_jobs(&[with_metadata("a")]).await;
    let taken = t.take_one().await;
    t.clock.advance(seconds(3));
    t.settle(&taken, Verdict::Failed).await;
    let status = t.status(taken.lease.id).await.unwrap();
    assert_constant(&t, &status, 3);
    assert_eq!(status.state, JobState::Failed);
    assert_eq!(status.attempts, 1);
    assert_eq!(status.ended_at, Some(t.clock.now()));
    assert_eq!(status.ttr, Some(3600));
    assert_eq!(status.body.as_deref(), Some(b"a".as_slice()));
    assert_eq!(status.record, Some(record(&taken)));
    assert_eq!((status.worker, status.reserved_at, status.key), (None, None, Some(taken.key)));
}

pub async fn status_tells_of_a_retry_with_its_last_attempt(t: Stage) {
    t.push(&["a"]).await;
    let taken = t.take_one().await;
    let delay = seconds(60);
    t.settle(&taken, Verdict::Retry { delay }).await;
    let status = t.status(taken.lease.id).await.unwrap();
    let due_at = t.clock.now() + 60_000;
    assert_eq!(status.state, JobState::Delayed { due_at });
    assert_eq!((status.attempts, status.worker, status.reserved_at), (1, None, None));
    assert_eq!(status.record, Some(record(&taken)));
    assert_eq!(status.ended_at, None);
}

pub async fn counts_of_an_unused_channel_are_zero(t: Stage) {
    assert_eq!(t.counts().await, Counts::default());
}

pub async fn counts_follow_a_job_through_its_states(t: Stage) {
    let none = Counts::default();
    t.push(&["a"]).await;
    assert_eq!(t.counts().await, Counts { waiting: 1, ..none });
    let taken = t.take_one().await;
    assert_eq!(t.counts().await, Counts { reserved: 1, ..none });
    t.settle(&taken, Verdict::HandedBack).await;
    assert_eq!(t.counts().await, Counts { waiting: 1, ..none });
    let taken = t.take_one().await;
    let delay = seconds(60);
    t.settle(&taken, Verdict::Retry { delay }).await;
    assert_eq!(t.counts().await, Counts { delayed: 1, ..none });
    t.clock.advance(seconds(60));
    let taken = t.take_one().await;
    t.settle(&taken, Verdict::Failed).await;
    assert_eq!(t.counts().await, Counts { failed: 1, ..none });
    let retried = t.store.retry_failed(&t.channel, crate::Token::random(), &[taken.lease.id]).await;
    assert_eq!(retried.unwrap(), [Some(taken.lease.id)]);
    assert_eq!(t.counts().await, Counts { waiting: 1, ..none });
    let taken = t.take_one().await;
    t.done(&taken).await;
    assert_eq!(t.counts().await, Counts { done: 1, ..none });
}

pub async fn skipped_jobs_count_as_done(t: Stage) {
    t.push(&["a"]).await;
    let taken = t.take_one().await;
    let mut skipped = settlement(&taken, done());
    skipped.record.skipped = Some("not today".into());
    t.settle_all(&[skipped]).await;
    assert_eq!(t.counts().await.done, 1);
}

pub async fn removed_and_discarded_jobs_count_as_nothing(t: Stage) {
    let failed = [t.fail("f1").await, t.fail("f2").await];
    let ids = t.push(&["a", "b", "c", "d"]).await;
    let held = t.take(2).await;
    t.done(&held[0]).await;
    assert!(t.store.remove(&t.channel, ids[1]).await.unwrap());
    assert!(t.store.remove(&t.channel, ids[2]).await.unwrap());
    t.store.remove_failed(&t.channel, &failed[..1]).await.unwrap();
    let expected = Counts { waiting: 1, done: 1, failed: 1, ..Counts::default() };
    assert_eq!(t.counts().await, expected);
    let unkept = Settlement {
        retain: crate::Retain { failed: seconds(0), ..RETAIN },
        ..settlement(&t.take_one().await, Verdict::Failed)
    };
    t.settle_all(&[unkept]).await;
    t.store.clear(&t.channel).await.unwrap();
    let expected = Counts { waiting: 0, ..expected };
    assert_eq!(t.counts().await, expected);
}

pub async fn another_handle_sees_the_same(t: Stage) {
    let other = t.another().await;
    t.push(&["a", "b"]).await;
    let taken = t.take_one().await;
    assert_eq!(other.counts(&t.channel).await.unwrap(), t.counts().await);
    let status = other.status(&t.channel, taken.lease.id).await.unwrap();
    assert_eq!(status.unwrap().state, JobState::Reserved);
    let settled = other.settle(crate::Token::random(), &[settlement(&taken, done())]).await;
    assert_eq!(settled.unwrap(), [crate::Settled::Yes(vec![])]);
    assert_eq!(t.state(taken.lease.id).await, Some(JobState::Done));
}

pub async fn progress_is_kept_while_the_lease_holds(t: Stage) {
    t.push(&["a"]).await;
    let taken = t.take_one().await;
    t.clock.advance(seconds(3));
    let said = Progress { done: 3, total: Some(7), note: "half ä\n".into(), at: 0 };
    let held = t.store.progress(&taken.lease, &said).await.unwrap();
    assert_eq!(held, Held::Yes);
    let expected = Progress { at: t.clock.now(), ..said };
    let status = t.status(taken.lease.id).await.unwrap();
    assert_eq!(status.progress, Some(expected));
}

pub async fn progress_under_a_foreign_lease_is_lost(t: Stage) {
    t.push(&["a"]).await;
    let taken = t.take_one().await;
    let said = Progress { done: 3, ..Progress::default() };
    let held = t.store.progress(&forged(&taken.lease), &said).await;
    assert_eq!(held.unwrap(), Held::Lost);
    t.done(&taken).await;
    let held = t.store.progress(&taken.lease, &said).await;
    assert_eq!(held.unwrap(), Held::Lost);
    assert_eq!(t.status(taken.lease.id).await.unwrap().progress, None);
}

pub async fn a_store_answers_a_ping(t: Stage) {
    t.store.ping().await.unwrap();
    t.another().await.ping().await.unwrap();
    assert!(!t.store.address().is_empty());
}

pub async fn a_store_says_what_it_is(t: Stage) {
    let vitals = t.store.vitals().await.unwrap();
    assert!(vitals.engine.contains(|c: char| c.is_ascii_digit()), "{vitals:?}");
    assert!(!vitals.durability.is_empty(), "{vitals:?}");
}
