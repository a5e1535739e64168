//! What becomes of jobs that PHP programs pushed, took over, put back or cleared.

use std::time::Duration;

use jobhost_queue::{Held, JobId, Settled, Store, Token, Verdict};

use crate::support::{Bench, done, ids, options, php_push, retry, state};

#[tokio::test]
async fn a_php_job_gets_its_key_at_the_first_reserve_and_keeps_it() {
    let t = Bench::start().await;
    php_push(&t, "1").await;
    let unborn = t.store.status(&t.channel, JobId(1)).await.unwrap();
    assert_eq!(unborn.unwrap().key, None);
    let first = t.reserve_one().await;
    assert!(!first.key.is_empty());
    t.settle(&first, retry(0)).await;
    let second = t.reserve_one().await;
    assert_eq!((second.attempt, &second.key), (2, &first.key));
    assert_eq!(second.ready_at, Some(t.clock.now()));
    t.settle(&second, Verdict::Failed).await;
    let failed = t.store.failed_job(&t.channel, JobId(1)).await.unwrap();
    assert_eq!(failed.unwrap().key, first.key);
}

#[tokio::test]
async fn the_expired_reservation_of_a_php_worker_comes_back_with_its_attempt_counted() {
    let t = Bench::start().await;
    php_push(&t, "1").await;
    t.redis::<()>("RPOP ch.waiting").await;
    t.redis::<()>(&format!("ZADD ch.reserved {} 1", t.at(60))).await;
    t.redis::<()>("HINCRBY ch.attempts 1 1").await;
    let one = options(1);
    let early = t.store.reserve(&t.channel, Token::random(), &one);
    let early = early.await.unwrap();
    assert!(early.jobs.is_empty());
    assert_eq!(early.next_due, Some(Duration::from_mins(1)));
    t.advance(60);
    let taken = t.reserve_one().await;
    assert_eq!((taken.attempt, taken.crashes), (2, 0));
}

#[tokio::test]
async fn a_lease_is_lost_once_a_php_worker_has_reserved_the_job_again() {
    let t = Bench::start().await;
    t.push(&["a"]).await;
    let ours = t.reserve_one().await;
    // The mover of a PHP worker whose clock is ahead, then its reserve.
    t.redis::<()>(&format!("ZADD ch.reserved {} 1", t.at(300))).await;
    t.redis::<()>("HINCRBY ch.attempts 1 1").await;
    let before = t.keys("ch.*").await;
    assert_eq!(t.settle(&ours, done()).await, Settled::Lost);
    let extended = t.store.extend(&[ours.lease], false).await.unwrap();
    assert_eq!(extended, [Held::Lost]);
    assert_eq!(t.keys("ch.*").await, before);
    assert_eq!(t.redis::<u64>("HEXISTS ch:jobs 1:lease").await, 0);
}

#[tokio::test]
async fn a_job_of_ours_that_a_php_mover_put_back_is_taken_without_counting_the_lost_attempt() {
    let t = Bench::start().await;
    t.push(&["a"]).await;
    t.live(14).await;
    let lost = t.reserve_one().await;
    t.live(8).await;
    t.advance(3);
    t.redis::<()>("ZREM ch.reserved 1").await;
    t.redis::<()>("RPUSH ch.waiting 1").await;
    let again = t.reserve_one().await;
    assert_eq!((again.attempt, again.crashes), (1, 1));
    assert_eq!(t.settle(&lost, done()).await, Settled::Lost);
    t.done(&again).await;
}

#[tokio::test]
async fn a_job_taken_from_a_worker_that_lives_counts_neither_attempt_nor_crash() {
    let t = Bench::start().await;
    t.push(&["a"]).await;
    t.live(14).await;
    let held = t.reserve_one().await;
    t.live(4).await;
    // The mover of a PHP worker whose clock is far ahead.
    t.redis::<()>("ZREM ch.reserved 1").await;
    t.redis::<()>("RPUSH ch.waiting 1").await;
    let again = t.reserve_one().await;
    assert_eq!((again.attempt, again.crashes), (1, 0));
    assert_eq!(t.settle(&held, done()).await, Settled::Lost);
}

#[tokio::test]
async fn since_when_a_job_could_be_taken_is_unknown_after_a_php_worker_had_it() {
    let t = Bench::start().await;
    t.push(&["a"]).await;
    let ours = t.reserve_one().await;
    t.settle(&ours, retry(0)).await;
    t.redis::<()>("RPOP ch.waiting").await;
    let until = t.at(5);
    t.redis::<()>(&format!("ZADD ch.reserved {until} 1")).await;
    t.redis::<()>("HINCRBY ch.attempts 1 1").await;
    t.advance(5);
    let again = t.reserve_one().await;
    assert_eq!((again.attempt, again.ready_at), (3, None));
    assert_eq!(again.first_reserved_at, ours.first_reserved_at);
}

#[tokio::test]
async fn a_foreign_clear_drops_the_records_of_jobs_but_not_the_failed_set() {
    let t = Bench::start().await;
    t.push(&["fails", "held", "done", "fails too"]).await;
    let taken = t.reserve(4).await;
    t.settle(&taken[3], Verdict::Failed).await;
    t.settle(&taken[0], Verdict::Failed).await;
    t.done(&taken[2]).await;
    let cleared: Vec<String> = t.redis("KEYS ch.*").await;
    t.redis::<()>(&format!("DEL {}", cleared.join(" "))).await;
    let counts = t.store.counts(&t.channel).await.unwrap();
    assert_eq!((counts.failed, counts.done, counts.reserved), (2, 0, 0));
    php_push(&t, "1").await;
    php_push(&t, "2").await;
    let new = t.reserve(9).await;
    assert_eq!(ids(&new), [1, 2]);
    assert_eq!((new[1].attempt, new[1].crashes), (1, 0));
    assert_ne!(new[1].key, taken[1].key, "another job with the same id");
    assert_eq!(t.settle(&taken[1], done()).await, Settled::Lost);
    assert_eq!(state(&t, 3).await, None, "the record of the job before");
    // Both jobs with id 1 fail: the latest is shown, and both are there.
    t.settle(&new[0], Verdict::Failed).await;
    t.done(&new[1]).await;
    let shown = t.store.failed_job(&t.channel, JobId(1)).await.unwrap();
    assert_eq!(shown.unwrap().key, new[0].key);
    assert_eq!(t.store.failed(&t.channel, 0, 9).await.unwrap().len(), 3);
    let counts = t.store.counts(&t.channel).await.unwrap();
    assert_eq!((counts.failed, counts.done), (3, 1));
    // Retried, the latest keeps its id. Those of before need new ones: theirs
    // are taken, or will be.
    for (id, expected) in [(1, 1), (1, 3), (4, 4)] {
        let id = [JobId(id)];
        let retried = t.store.retry_failed(&t.channel, Token::random(), &id);
        assert_eq!(retried.await.unwrap(), [Some(JobId(expected))]);
    }
    assert_eq!(t.redis::<String>("GET ch.message_id").await, "4");
    let counts = t.store.counts(&t.channel).await.unwrap();
    assert_eq!((counts.failed, counts.done, counts.waiting), (0, 1, 3));
    let again = t.reserve(9).await;
    assert_eq!((&again[0].key, &again[1].key), (&new[0].key, &taken[0].key));
}
