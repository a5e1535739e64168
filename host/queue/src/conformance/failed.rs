//! Promises of the failed set.

use super::stage::{Stage, assert_invalid, bodies, body, job, record, seconds};
use crate::job::{JobId, NewJob, Token};
use crate::store::{JobState, Verdict};

pub async fn the_latest_failure_is_listed_first_and_pages_follow(t: Stage) {
    let mut ids = Vec::new();
    for name in ["a", "b", "c", "d", "e"] {
        ids.push(t.fail(name).await);
        t.clock.advance(seconds(1));
    }
    ids.reverse();
    assert_eq!(t.failed_ids(0, 1000).await, ids);
    assert_eq!(t.failed_ids(0, 2).await, ids[..2]);
    assert_eq!(t.failed_ids(2, 2).await, ids[2..4]);
    assert_eq!(t.failed_ids(4, 2).await, ids[4..]);
    assert!(t.failed_ids(5, 2).await.is_empty());
}

pub async fn a_failed_job_is_shown_whole(t: Stage) {
    let new = NewJob { metadata: vec![("who".into(), "me".into())], ..job("a") };
    let pushed_at = t.clock.now();
    t.push_jobs(std::slice::from_ref(&new)).await;
    let first = t.take_one().await;
    let retry = Verdict::Retry { delay: seconds(0) };
    t.settle(&first, retry).await;
    let taken = t.take_one().await;
    t.clock.advance(seconds(5));
    t.settle(&taken, Verdict::Failed).await;
    let shown = t.store.failed_job(&t.channel, taken.lease.id).await;
    let shown = shown.unwrap().unwrap();
    assert_eq!(shown.id, taken.lease.id);
    assert_eq!(shown.failed_at, t.clock.now());
    assert_eq!(shown.attempts, 2);
    assert_eq!(shown.message, taken.message);
    assert_eq!(shown.key, taken.key);
    assert_eq!(shown.pushed_at, Some(pushed_at));
    assert_eq!(shown.metadata, new.metadata);
    assert_eq!(shown.record, record(&taken));
    let listed = t.store.failed(&t.channel, 0, 9).await.unwrap().remove(0);
    assert_eq!(body(&listed.message), "a");
    assert_eq!((listed.key, listed.record), (shown.key, shown.record));
}

pub async fn a_job_that_did_not_fail_is_not_in_the_failed_set(t: Stage) {
    let ids = t.push(&["a", "b"]).await;
    let taken = t.take_one().await;
    t.done(&taken).await;
    for id in [ids[0], ids[1], JobId(99)] {
        let shown = t.store.failed_job(&t.channel, id).await.unwrap();
        assert!(shown.is_none());
    }
    let retried = t.store.retry_failed(&t.channel, Token::random(), &ids);
    assert_eq!(retried.await.unwrap(), [None, None]);
    let removed = t.store.remove_failed(&t.channel, &ids).await.unwrap();
    assert_eq!(removed, [false, false]);
    assert_eq!(t.drain().await, ["b"]);
}

pub async fn a_retried_failure_starts_anew_at_the_end_of_the_queue(t: Stage) {
    t.settle_in().await;
    t.push(&["f"]).await;
    let crashed = t.take(1).await;
    t.die(&crashed).await;
    let taken = t.take_one().await;
    assert_eq!(taken.crashes, 1);
    t.settle(&taken, Verdict::Failed).await;
    t.push(&["a", "b"]).await;
    let ids = [JobId(99), taken.lease.id];
    let retried = t.store.retry_failed(&t.channel, Token::random(), &ids).await;
    assert_eq!(retried.unwrap(), [None, Some(taken.lease.id)]);
    assert!(t.failed_ids(0, 9).await.is_empty());
    let status = t.status(taken.lease.id).await.unwrap();
    assert_eq!(status.state, JobState::Waiting);
    assert_eq!((status.attempts, status.crashes), (0, 0));
    assert_eq!(status.ended_at, None);
    let again = t.reserve_without_suspects(9).await.jobs;
    assert_eq!(bodies(&again), ["a", "b", "f"]);
    assert_eq!((again[2].attempt, again[2].crashes), (1, 0));
    assert_eq!(again[2].key, taken.key);
    assert_eq!(again[2].pushed_at, taken.pushed_at);
}

pub async fn a_retry_of_failures_sent_twice_retries_once(t: Stage) {
    let id = t.fail("a").await;
    let token = Token::random();
    let ids = [id];
    let send = || t.store.retry_failed(&t.channel, token.clone(), &ids);
    assert_eq!(send().await.unwrap(), [Some(id)]);
    let taken = t.take_one().await;
    t.settle(&taken, Verdict::Failed).await;
    assert_eq!(send().await.unwrap(), [Some(id)]);
    assert_eq!(t.failed_ids(0, 9).await, [id]);
    assert!(t.take(9).await.is_empty());
}

pub async fn failures_are_removed_by_id(t: Stage) {
    let ids = [t.fail("a").await, t.fail("b").await];
    let some = [JobId(99), ids[0]];
    let removed = t.store.remove_failed(&t.channel, &some).await.unwrap();
    assert_eq!(removed, [false, true]);
    assert_eq!(t.failed_ids(0, 9).await, [ids[1]]);
    assert!(t.status(ids[0]).await.is_none());
    let removed = t.store.remove_failed(&t.channel, &ids).await.unwrap();
    assert_eq!(removed, [false, true]);
    assert_eq!(t.counts().await.failed, 0);
}

pub async fn failures_older_than_an_age_are_pruned(t: Stage) {
    t.fail("a").await;
    t.clock.advance(seconds(10));
    t.fail("b").await;
    t.clock.advance(seconds(10));
    let young = t.fail("c").await;
    t.clock.advance(seconds(5));
    let prune = |age| t.store.prune_failed(&t.channel, seconds(age));
    assert_eq!(prune(60).await.unwrap(), 0);
    assert_eq!(prune(8).await.unwrap(), 2);
    assert_eq!(prune(8).await.unwrap(), 0);
    assert_eq!(t.failed_ids(0, 9).await, [young]);
    assert_eq!((t.counts().await.failed, t.counts().await.done), (1, 0));
}

pub async fn failed_lists_and_batches_over_1000_are_invalid(t: Stage) {
    let id = t.fail("a").await;
    assert_invalid(t.store.failed(&t.channel, 0, 1001).await);
    let many = vec![id; 1001];
    let retried = t.store.retry_failed(&t.channel, Token::random(), &many);
    assert_invalid(retried.await);
    assert_invalid(t.store.remove_failed(&t.channel, &many).await);
    assert_eq!(t.failed_ids(0, 1000).await, [id]);
}
