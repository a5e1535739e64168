//! Keys and arguments that are not what they should be.

use std::time::Duration;

use jobhost_queue::{
    Bucket, Change, JobId, JobState, KeyValue, Message, NewJob, Quota, Settled, Settlement, Store, StoreError, Token,
    Verdict, WorkerRecord, Workers,
};

use crate::support::{Bench, done, follow_up, ids, options, settlement};

#[tokio::test]
async fn an_id_that_is_no_number_gets_one_and_its_job_runs() {
    let t = Bench::start().await;
    t.push(&["first"]).await;
    for odd in ["abc", "0", "007", "99999999999999999999"] {
        t.redis::<()>(&format!("HSET ch.messages {odd} 60;{odd}")).await;
        t.redis::<()>(&format!("LPUSH ch.waiting {odd}")).await;
    }
    let taken = t.reserve(9).await;
    assert_eq!(ids(&taken), [1, 2, 3, 4, 5]);
    let expected = Message::Readable { ttr: 60, body: b"abc".to_vec() };
    assert_eq!(taken[1].message, expected);
    for job in &taken {
        t.done(job).await;
    }
    assert_eq!(t.keys("ch.*").await.len(), 1, "the counter");
    let counts = t.store.counts(&t.channel).await.unwrap();
    assert_eq!((counts.waiting, counts.reserved, counts.done), (0, 0, 5));
}

#[tokio::test]
async fn an_id_in_use_is_passed_over() {
    let t = Bench::start().await;
    t.redis::<()>("HSET ch.messages 1 60;by_hand").await;
    assert_eq!(t.push(&["a"]).await, [JobId(2)]);
    assert_eq!(t.redis::<String>("HGET ch.messages 1").await, "60;by_hand");
}

#[tokio::test]
async fn a_message_that_cannot_be_read_is_reserved_and_can_be_failed() {
    let t = Bench::start().await;
    t.redis::<()>("HSET ch.messages 1 nonsense").await;
    t.redis::<()>("LPUSH ch.waiting 1").await;
    t.redis::<()>("INCR ch.message_id").await;
    let taken = t.reserve_one().await;
    assert!(matches!(taken.message, Message::Malformed { .. }));
    t.settle(&taken, Verdict::Failed).await;
    let failed = t.store.failed_job(&t.channel, JobId(1)).await.unwrap();
    assert_eq!(failed.unwrap().message, taken.message);
}

#[tokio::test]
async fn a_key_of_another_type_is_named_and_nothing_is_changed() {
    let t = Bench::start().await;
    t.push(&["a", "b"]).await;
    let held = t.reserve_one().await;
    for (key, spoil) in [
        ("ch.delayed", "SET ch.delayed x"),
        ("ch.attempts", "SET ch.attempts x"),
        ("ch:receipts_at", "SET ch:receipts_at x"),
        ("ch.message_id", "SET ch.message_id many"),
    ] {
        let was: bool = t.redis(&format!("EXISTS {key}")).await;
        if was {
            t.redis::<()>(&format!("RENAME {key} kept")).await;
        }
        t.redis::<()>(spoil).await;
        let before = t.keys("*").await;
        let batch = [settlement(&held, done())];
        let tried = [
            t.store.settle(Token::random(), &batch).await.err(),
            t.store.push(&t.channel, Token::random(), None, &[NewJob::new("c", 1)]).await.err(),
            t.store.reserve(&t.channel, Token::random(), &options(1)).await.err(),
            t.store.sweep(&t.channel).await.err(),
            t.store.counts(&t.channel).await.err(),
            t.store.clear(&t.channel).await.err(),
        ];
        for error in tried {
            let error = error.expect("the call should have failed");
            assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
            assert!(error.to_string().contains(&format!("`{key}`")), "{error}");
        }
        assert_eq!(t.keys("*").await, before, "{key}");
        t.redis::<()>(&format!("DEL {key}")).await;
        if was {
            t.redis::<()>(&format!("RENAME kept {key}")).await;
        }
    }
    t.done(&held).await;
}

#[tokio::test]
async fn nothing_is_taken_from_a_queue_that_cannot_be_swept() {
    let t = Bench::start().await;
    t.push(&["a", "b", "c"]).await;
    for key in ["ch:done", "ch:output", "ch:failed_at"] {
        t.store.sweep(&t.channel).await.unwrap();
        t.redis::<()>(&format!("SET {key} x")).await;
        t.advance(7);
        let before = t.keys("*").await;
        for error in [
            t.store.sweep(&t.channel).await.err(),
            t.store.reserve(&t.channel, Token::random(), &options(1)).await.err(),
        ] {
            let error = error.expect("the call should have failed");
            assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
            assert!(error.to_string().contains(&format!("`{key}`")), "{error}");
        }
        assert_eq!(t.keys("*").await, before, "{key}");
        t.redis::<()>(&format!("DEL {key}")).await;
        let taken = t.reserve_one().await;
        t.done(&taken).await;
    }
}

#[tokio::test]
async fn a_follow_up_whose_target_is_spoiled_is_refused_and_the_others_go_through() {
    let t = Bench::start().await;
    t.redis::<()>("SET bad.waiting x").await;
    t.push(&["a", "b"]).await;
    let held = t.reserve(2).await;
    let batch = [
        Settlement { follow_ups: vec![follow_up("good", "x"), follow_up("bad", "y")], ..settlement(&held[0], done()) },
        Settlement { follow_ups: vec![follow_up("good", "z")], ..settlement(&held[1], done()) },
    ];
    let settled = t.store.settle(Token::random(), &batch).await.unwrap();
    let Settled::Refused(why) = &settled[0] else {
        panic!("{settled:?}");
    };
    assert!(why.contains("bad.waiting") && why.contains("string"), "{why}");
    assert_eq!(settled[1], Settled::Yes(vec![JobId(1)]));
    assert_eq!(t.redis::<u64>("HLEN good.messages").await, 1);
    let status = t.store.status(&t.channel, JobId(1)).await.unwrap();
    assert_eq!(status.unwrap().state, JobState::Reserved);
    assert_eq!(t.settle(&held[0], Verdict::Failed).await, Settled::Yes(vec![]));
}

#[tokio::test]
async fn a_counter_that_redis_cannot_count_on_is_refused_before_anything_is_written() {
    let t = Bench::start().await;
    t.redis::<()>("SET bad.message_id 007").await;
    t.push(&["a"]).await;
    let held = t.reserve_one().await;
    let batch = [Settlement { follow_ups: vec![follow_up("bad", "x")], ..settlement(&held, done()) }];
    let settled = t.store.settle(Token::random(), &batch).await.unwrap();
    assert!(matches!(&settled[..], [Settled::Refused(_)]), "{settled:?}");
    t.done(&held).await;
}

#[tokio::test]
async fn attempts_that_are_no_count_do_not_keep_a_batch_from_being_reserved() {
    let t = Bench::start().await;
    t.push(&["a", "b", "c", "d", "e", "f"]).await;
    let wild = ["-5", "nan", "inf", "1.5", "9000000000"];
    for (id, attempts) in (1..).zip(wild) {
        t.redis::<()>(&format!("HSET ch.attempts {id} {attempts}")).await;
    }
    let taken = t.reserve(9).await;
    let attempts: Vec<_> = taken.iter().map(|job| job.attempt).collect();
    assert_eq!(attempts, [1; 6]);
}

#[tokio::test]
async fn waiting_on_a_key_of_another_type_says_so() {
    let t = Bench::start().await;
    t.redis::<()>("SET ch.waiting x").await;
    let waited = t.store.wait(&t.channel, Duration::from_mins(1)).await;
    let error = waited.unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
    assert!(error.to_string().contains("`ch.waiting`"), "{error}");
}

#[tokio::test]
async fn a_record_that_somebody_spoiled_does_not_keep_its_job_from_running() {
    let t = Bench::start().await;
    t.push(&["a"]).await;
    for part in ["job", "times", "crashes", "lease"] {
        t.redis::<()>(&format!("HSET ch:jobs 1:{part} nonsense")).await;
    }
    t.redis::<()>("HSET ch.attempts 1 many").await;
    let taken = t.reserve_one().await;
    assert_eq!((taken.attempt, taken.crashes), (1, 0));
    assert!(!taken.key.is_empty());
    t.settle(&taken, Verdict::Failed).await;
    assert_eq!(t.keys("ch.*").await.len(), 1, "the counter");
    let failed = t.store.failed(&t.channel, 0, 9).await.unwrap();
    assert_eq!(failed[0].key, taken.key);
}

#[tokio::test]
async fn a_job_whose_times_are_gone_keeps_its_lease_and_its_crash() {
    let t = Bench::start().await;
    t.push(&["a"]).await;
    t.live(4).await;
    t.reserve_one().await;
    t.redis::<()>("HDEL ch:jobs 1:times").await;
    // As PHP's mover would, with the lease still there.
    t.redis::<()>("RPUSH ch.waiting 1").await;
    t.redis::<()>("DEL ch.reserved").await;
    let again = t.reserve_one().await;
    assert_eq!((again.attempt, again.crashes), (1, 0), "the attempt that nobody settled is not counted");
    assert_eq!(t.live(12).await, [JobId(1)]);
    t.redis::<()>("HDEL ch:jobs 1:times").await;
    let last = t.reserve_one().await;
    assert_eq!((last.attempt, last.crashes), (1, 1));
    assert_eq!(last.key, again.key);
    t.done(&last).await;
}

#[tokio::test]
async fn a_call_over_its_limits_is_invalid() {
    let t = Bench::start().await;
    let jobs = vec![NewJob::new("a", 60); 10_001];
    let token = Token::from_stored("not a token");
    let errors = [
        t.store.push(&t.channel, Token::random(), None, &jobs).await.unwrap_err(),
        t.store.push(&t.channel, token, None, &jobs[..1]).await.unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error, StoreError::Invalid(_)), "{error}");
    }
    assert!(t.keys("*").await.is_empty());
}

#[tokio::test]
async fn a_bucket_of_another_type_or_without_versions_is_named_and_nothing_is_changed() {
    let t = Bench::start().await;
    t.push(&["a"]).await;
    let lease = t.reserve_one().await.lease;
    let (bucket, quota) = (Bucket::new("b").unwrap(), Quota { keys: 10, bytes: 100 });
    let keys = ["k".to_owned()];
    let set = Change::Set(vec![("k".to_owned(), b"v".to_vec())]);
    for key in ["values", "order", "numbers"] {
        let key = format!("jobhost:keyvalue:b:{key}");
        t.redis::<()>(&format!("SET {key} x")).await;
        let refused = t.store.change(&bucket, &lease, quota, &set).await.unwrap_err();
        assert!(refused.to_string().contains(&key), "{refused}");
        let refused = t.store.values(&bucket, &keys).await.unwrap_err();
        assert!(refused.to_string().contains(&key), "{refused}");
        t.redis::<()>(&format!("DEL {key}")).await;
    }
    assert!(t.keys("jobhost:*").await.is_empty());
    t.redis::<()>("HSET jobhost:keyvalue:b:values k by-hand").await;
    let refused = t.store.values(&bucket, &keys).await.unwrap_err();
    assert!(matches!(refused, StoreError::Corrupt { .. }), "{refused}");
    let refused = t.store.change(&bucket, &lease, quota, &set).await.unwrap_err();
    assert!(matches!(refused, StoreError::Corrupt { .. }), "{refused}");
    assert_eq!(t.redis::<String>("HGET jobhost:keyvalue:b:values k").await, "by-hand");
}

#[tokio::test]
async fn a_registry_of_another_type_is_named_and_a_record_that_cannot_be_read_hides_no_other() {
    let t = Bench::start().await;
    let worker = WorkerRecord { id: "a".into(), ..WorkerRecord::default() };
    for key in ["jobhost:{workers}:known", "jobhost:{workers}:seen_at"] {
        t.redis::<()>(&format!("SET {key} x")).await;
        for refused in [t.store.announce(&worker).await, t.store.withdraw("a").await] {
            let refused = refused.unwrap_err().to_string();
            assert!(refused.contains(key), "{refused}");
        }
        let refused = t.store.workers().await.unwrap_err().to_string();
        assert!(refused.contains(key), "{refused}");
        t.redis::<()>(&format!("DEL {key}")).await;
    }
    assert!(t.keys("*").await.is_empty());
    t.store.announce(&worker).await.unwrap();
    t.redis::<()>("HSET jobhost:{workers}:known b {by:hand").await;
    t.redis::<()>(&format!("ZADD jobhost:{{workers}}:seen_at {} b {} c", t.clock.now(), t.clock.now())).await;
    let known = t.store.workers().await.unwrap().workers;
    assert_eq!(known.iter().map(|seen| seen.record.id.as_str()).collect::<Vec<_>>(), ["a"]);
}
