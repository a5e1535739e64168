//! What is due and who may move it: the lock of PHP movers, scores, chunks.

use std::time::Duration;

use jobhost_queue::{Channel, Clock, Held, JobState, NewJob, Store, Token};
use serde_json::json;

use crate::support::{Bench, ids, options, retry, state};

#[tokio::test]
async fn a_ghost_that_a_php_mover_doubled_is_dropped() {
    let t = Bench::start().await;
    t.push(&["held", "delayed"]).await;
    let held = t.reserve_one().await;
    t.settle(&t.reserve_one().await, retry(60)).await;
    t.redis::<()>("RPUSH ch.waiting 1 2 1").await;
    assert!(t.reserve(9).await.is_empty());
    assert_eq!(t.redis::<u64>("LLEN ch.waiting").await, 0);
    t.done(&held).await;
    assert!(matches!(state(&t, 2).await, Some(JobState::Delayed { .. })));
    t.advance(60);
    assert_eq!(ids(&t.reserve(9).await), [2]);
}

#[tokio::test]
async fn while_a_php_worker_holds_the_moving_lock_nothing_is_moved() {
    let t = Bench::start().await;
    t.push(&["a"]).await;
    t.settle(&t.reserve_one().await, retry(10)).await;
    t.advance(10);
    t.redis::<()>("SET ch.moving_lock 1 EX 100").await;
    let one = options(1);
    let tried = t.store.reserve(&t.channel, Token::random(), &one);
    let tried = tried.await.unwrap();
    assert!(tried.jobs.is_empty());
    assert!(
        tried.next_due > Some(Duration::from_secs(50)),
        "the worker need not try before the lock is gone: {:?}",
        tried.next_due
    );
    t.redis::<()>("DEL ch.moving_lock").await;
    assert!(t.reserve(1).await.is_empty(), "a slow one may still be at it");
    t.advance(1);
    assert_eq!(t.reserve_one().await.attempt, 2);
}

#[tokio::test]
async fn a_moving_lock_without_expiry_is_ignored_after_ten_seconds() {
    let t = Bench::start().await;
    t.push(&["a"]).await;
    t.settle(&t.reserve_one().await, retry(10)).await;
    t.advance(10);
    t.redis::<()>("SET ch.moving_lock 1").await;
    assert!(t.reserve(1).await.is_empty());
    t.advance(9);
    assert!(t.reserve(1).await.is_empty());
    t.advance(1);
    assert_eq!(t.reserve_one().await.attempt, 2);
}

#[tokio::test]
async fn no_score_is_written_that_a_php_mover_might_remove_unseen() {
    let t = Bench::start().await;
    let soon = [NewJob { delay: Duration::from_secs(1), ..NewJob::new("a", 60) }];
    let push = || t.store.push(&t.channel, Token::random(), None, &soon);
    push().await.unwrap();
    assert_eq!(state(&t, 1).await, Some(JobState::Waiting));
    // Between two whole seconds there is more than one to the second next.
    t.clock.advance(Duration::from_millis(1));
    push().await.unwrap();
    let due_at = t.at(2) * 1000;
    assert_eq!(state(&t, 2).await, Some(JobState::Delayed { due_at }));
}

#[tokio::test]
async fn more_jobs_than_a_chunk_are_all_moved_and_reclaimed() {
    let t = Bench::start().await;
    let delayed = NewJob { delay: Duration::from_secs(10), ..NewJob::new("a", 60) };
    let jobs = vec![delayed; 2500];
    let push = t.store.push(&t.channel, Token::random(), None, &jobs);
    push.await.unwrap();
    t.live(14).await;
    let mut taken = Vec::new();
    for _ in 0..3 {
        taken.extend(t.reserve(1000).await);
    }
    assert_eq!(taken.len(), 2500);
    t.live(10).await;
    let mut back = 0;
    loop {
        let report = t.store.sweep(&t.channel).await.unwrap();
        back += report.reclaimed.len();
        if !report.more {
            break;
        }
    }
    let counts = t.store.counts(&t.channel).await.unwrap();
    assert_eq!((counts.waiting, counts.reserved), (2500, 0));
    assert!(back <= 2500);
}

#[tokio::test]
async fn after_an_outage_a_reservation_of_ours_that_expired_is_not_moved() {
    let t = Bench::start().await;
    let short = [NewJob::new("a", 1)];
    let push = t.store.push(&t.channel, Token::random(), None, &short);
    push.await.unwrap();
    t.live(14).await;
    let held = t.reserve_one().await;
    t.advance(60);
    assert!(t.reserve(9).await.is_empty());
    let extended = t.store.extend(&[held.lease], false).await.unwrap();
    assert_eq!(extended, [Held::Yes]);
}

#[tokio::test]
async fn a_lease_score_is_extended_while_it_is_held_and_spans_ttr_and_30_seconds() {
    let t = Bench::start().await;
    let jobs = [NewJob::new("short", 1), NewJob::new("long", 100)];
    let push = t.store.push(&t.channel, Token::random(), None, &jobs);
    push.await.unwrap();
    let held = t.reserve(2).await;
    let leases: Vec<_> = held.iter().map(|job| job.lease.clone()).collect();
    for _ in 0..2 {
        let scores = t.keys("ch.reserved").await["ch.reserved"].clone();
        let expected = json!([["1", t.score(30) + 0.0005], ["2", t.score(105) + 0.0005]]);
        assert_eq!(scores, expected);
        t.advance(3);
        t.store.extend(&leases, false).await.unwrap();
    }
}

#[tokio::test]
async fn without_a_tests_clock_the_servers_time_is_used() {
    let t = Bench::start().await;
    let store = jobhost_queue::redis::RedisStore::open(&t.server.url(), Clock::Store).await.unwrap();
    let other = Channel::new("other").unwrap();
    let job = NewJob::new("a", 60);
    store.push(&other, Token::random(), None, &[job]).await.unwrap();
    let taken = store.reserve(&other, Token::random(), &options(1)).await;
    let taken = taken.unwrap().jobs.remove(0);
    let (seconds, _): (u64, u64) = t.redis("TIME").await;
    assert!(taken.reserved_at.abs_diff(seconds * 1000) < 60_000);
    assert_eq!(taken.ready_at, taken.pushed_at);
}
