//! What a sweep and a reserve mend, and what is left behind in the end: as
//! little as possible.

use jobhost_queue::{Channel, Held, JobId, NewJob, Settlement, Store, Token};

use crate::support::{Bench, done, follow_up, ids, options, retry, settlement};

#[tokio::test]
async fn an_id_without_message_is_dropped_and_the_next_is_taken() {
    let t = Bench::start().await;
    t.redis::<()>("RPUSH ch.waiting 7 8").await;
    t.push(&["a"]).await;
    assert_eq!(ids(&t.reserve(1).await), [1]);
    assert_eq!(t.redis::<u64>("LLEN ch.waiting").await, 0);
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
