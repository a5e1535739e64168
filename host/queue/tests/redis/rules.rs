//! What is Redis's own: living beside PHP programs on one queue, and what the
//! sweep mends.

use std::time::Duration;

use jobhost_queue::{Channel, Clock, Held, JobId, JobState, NewJob, Settled, Settlement, Store, Token, Verdict};
use serde_json::json;

use crate::support::{Bench, done, follow_up, ids, options, retry, settlement};

/// A job as a PHP program pushes it.
async fn php_push(t: &Bench, id: &str) {
    t.redis::<()>("INCR ch.message_id").await;
    t.redis::<()>(&format!("HSET ch.messages {id} 60;{{}}")).await;
    t.redis::<()>(&format!("LPUSH ch.waiting {id}")).await;
}

async fn state(t: &Bench, id: u64) -> Option<JobState> {
    let status = t.store.status(&t.channel, JobId(id)).await.unwrap();
    status.map(|status| status.state)
}

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
async fn an_id_without_message_is_dropped_and_the_next_is_taken() {
    let t = Bench::start().await;
    t.redis::<()>("RPUSH ch.waiting 7 8").await;
    t.push(&["a"]).await;
    assert_eq!(ids(&t.reserve(1).await), [1]);
    assert_eq!(t.redis::<u64>("LLEN ch.waiting").await, 0);
}

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

#[tokio::test]
async fn an_orphan_comes_back_after_a_minute_and_nothing_else_does() {
    let t = Bench::start().await;
    t.push(&["waiting", "held", "delayed", "orphan"]).await;
    let first = t.reserve_one().await;
    let held = t.reserve_one().await;
    t.settle(&t.reserve_one().await, retry(1000)).await;
    t.settle(&first, retry(0)).await;
    // A PHP worker popped it and died before it wrote anything.
    t.redis::<()>("LREM ch.waiting 0 4").await;
    for _ in 0..30 {
        assert_eq!(t.live(2).await, []);
        let extended = t.store.extend(std::slice::from_ref(&held.lease), false);
        assert_eq!(extended.await.unwrap(), [Held::Yes]);
    }
    assert_eq!(t.live(4).await, [JobId(4)]);
    assert_eq!(t.redis::<Vec<String>>("LRANGE ch.waiting 0 -1").await, ["1", "4"]);
    assert_eq!(t.redis::<u64>("EXISTS ch:orphans").await, 0);
    assert_eq!(t.live(120).await, [JobId(2)], "that of the dead worker");
}

#[tokio::test]
async fn an_id_that_found_its_place_in_time_is_no_orphan() {
    let t = Bench::start().await;
    t.push(&["a"]).await;
    t.redis::<()>("LREM ch.waiting 0 1").await;
    t.live(50).await;
    t.redis::<()>("LPUSH ch.waiting 1").await;
    t.live(4).await;
    t.redis::<()>("LREM ch.waiting 0 1").await;
    assert_eq!(t.live(50).await, [], "the minute begins again");
    assert_eq!(t.live(20).await, [JobId(1)]);
}

#[tokio::test]
async fn records_of_a_job_that_a_php_worker_finished_are_dropped() {
    let t = Bench::start().await;
    t.push(&["a"]).await;
    t.settle(&t.reserve_one().await, retry(0)).await;
    t.redis::<()>("RPOP ch.waiting").await;
    t.redis::<()>("HDEL ch.attempts 1").await;
    t.redis::<()>("HDEL ch.messages 1").await;
    t.live(2).await;
    for records in ["jobs", "leases_at"] {
        let left: u64 = t.redis(&format!("EXISTS ch:{records}")).await;
        assert_eq!(left, 0, "ch:{records}");
    }
    assert_eq!(t.store.counts(&t.channel).await.unwrap().done, 1);
}

#[tokio::test]
async fn what_pushing_leaves_behind_stays_small_where_only_php_workers_serve() {
    let t = Bench::start().await;
    let own = Channel::new("own").unwrap();
    for _ in 0..300 {
        t.advance(10);
        t.push(&["a"]).await;
        let job = NewJob::new("b", 60);
        let pushed = t.store.push(&own, Token::random(), None, &[job]).await;
        pushed.unwrap();
        let options = options(1);
        let taken = t.store.reserve(&own, Token::random(), &options).await;
        let held = taken.unwrap().jobs.remove(0);
        let batch = [Settlement { follow_ups: vec![follow_up("ch", "c")], ..settlement(&held, done()) }];
        t.store.settle(Token::random(), &batch).await.unwrap();
        // A PHP worker runs both.
        t.redis::<()>("DEL ch.waiting ch.messages").await;
    }
    let records: u64 = t.redis("HLEN ch:jobs").await;
    let receipts: u64 = t.redis("HLEN ch:receipts").await;
    assert!(records < 200 && receipts < 100, "{records}, {receipts}");
}

#[tokio::test]
async fn a_receipt_is_short_however_many_jobs_the_call_was_about() {
    let t = Bench::start().await;
    t.push(&["a"; 1000]).await;
    let held = t.reserve(1000).await;
    let batch: Vec<_> = held.iter().map(|job| settlement(job, done())).collect();
    let token = Token::random();
    let settled = t.store.settle(token.clone(), &batch).await.unwrap();
    assert_eq!(t.store.settle(token, &batch).await.unwrap(), settled);
    let receipts: Vec<String> = t.redis("HVALS ch:receipts").await;
    assert_eq!(receipts.len(), 3);
    let mut of_workers = receipts.iter().filter(|text| !text.starts_with("stored"));
    assert!(of_workers.all(|text| text.len() < 40), "{receipts:?}");
}

#[tokio::test]
async fn our_clear_keeps_the_counter_and_the_epoch() {
    let t = Bench::start().await;
    t.push(&["a", "b"]).await;
    t.done(&t.reserve_one().await).await;
    assert_eq!(t.store.clear(&t.channel).await.unwrap(), 1);
    assert_eq!(t.redis::<String>("GET ch.message_id").await, "2");
    assert_eq!(t.redis::<Option<u64>>("HGET ch:state epoch").await, None);
    assert_eq!(t.store.counts(&t.channel).await.unwrap().done, 1);
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
