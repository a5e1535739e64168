//! Servers that are not there, go away, come back, are silent, refuse; replies
//! that are lost on the way.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use jobhost_queue::redis::{PrivateRedis, RedisStore};
use jobhost_queue::{
    Bucket, Change, Changed, Channel, Clock, Counts, JobId, KeyValue, NewJob, Pushed, Quota, Settled, Settlement,
    Store, Token, Verdict, Wake,
};
use jobhost_tests::{Fate, Proxy, Upstream};

use crate::support::{Bench, command, done, follow_up, ids, options, raw, settlement};

/// No call may take longer than this, whatever the server does.
pub(crate) const BOUND: Duration = Duration::from_millis(5500);

/// A proxy that loses replies of scripts.
struct Losing {
    proxy: Proxy,
    /// How many of the next requests that run a script are to be answered by
    /// cutting the connection, once the server has answered.
    lose: Arc<AtomicU32>,
}

impl Losing {
    fn before(server: &PrivateRedis) -> Self {
        let proxy = Proxy::before(Upstream::Unix(server.socket()));
        let lose = Arc::new(AtomicU32::new(0));
        let left = Arc::clone(&lose);
        proxy.rule(move |request| {
            let one_less = |left: u32| left.checked_sub(1);
            let loses =
                request.is("EVALSHA") && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok();
            if loses { Fate::CutReply(0) } else { Fate::Pass }
        });
        Self { proxy, lose }
    }
}

/// A store behind a proxy, its scripts known to the server.
async fn proxied() -> (Bench, Losing, RedisStore) {
    let t = Bench::start().await;
    let proxy = Losing::before(&t.server);
    t.push(&["a", "b", "c"]).await;
    let taken = t.reserve(2).await;
    t.settle(&taken[0], Verdict::Failed).await;
    t.done(&taken[1]).await;
    let failed = [JobId(1)];
    let retried = t.store.retry_failed(&t.channel, Token::random(), &failed);
    retried.await.unwrap();
    t.store.remove(&t.channel, JobId(1)).await.unwrap();
    t.store.remove_failed(&t.channel, &failed).await.unwrap();
    t.store.clear(&t.channel).await.unwrap();
    let store = RedisStore::open(&proxy.proxy.url(), Clock::Manual(t.clock.clone())).await.unwrap();
    (t, proxy, store)
}

#[tokio::test]
async fn a_connection_that_is_made_for_a_caller_on_another_runtime_does_not_end_with_it() {
    let t = Bench::start().await;
    t.redis::<u64>("CLIENT KILL TYPE normal").await;
    let store = Arc::clone(&t.store);
    let elsewhere = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let connected = async { while store.ping().await.is_err() {} };
        runtime.block_on(async { tokio::time::timeout(BOUND, connected).await }).expect("it is connected again");
    });
    elsewhere.await.unwrap();
    t.store.ping().await.unwrap();
}

#[tokio::test]
async fn a_push_whose_reply_is_lost_stores_once() {
    let (t, proxy, store) = proxied().await;
    proxy.lose.store(1, Ordering::SeqCst);
    let jobs = [NewJob::new("x", 60), NewJob::new("y", 60)];
    let pushed = store.push(&t.channel, Token::random(), None, &jobs).await;
    let expected = Pushed::Stored(vec![JobId(4), JobId(5)]);
    assert_eq!(pushed.unwrap(), expected);
    assert_eq!(proxy.lose.load(Ordering::SeqCst), 0, "a reply was lost");
    assert_eq!(t.store.counts(&t.channel).await.unwrap().waiting, 2);
}

#[tokio::test]
async fn a_change_of_a_bucket_whose_reply_is_lost_is_made_once() {
    let (t, proxy, store) = proxied().await;
    t.push(&["x"]).await;
    let lease = t.reserve_one().await.lease;
    let (bucket, quota) = (Bucket::new("b").unwrap(), Quota { keys: 10, bytes: 100 });
    let change = async |change: Change| store.change(&bucket, &lease, quota, &change).await.unwrap();
    let add = Change::Add { key: "n".to_owned(), delta: 5 };
    assert_eq!(change(add.clone()).await, Changed::Sum(5));
    proxy.lose.store(1, Ordering::SeqCst);
    assert_eq!(change(add).await, Changed::Sum(10));
    assert_eq!(proxy.lose.load(Ordering::SeqCst), 0, "a reply was lost");
    let seen = store.values(&bucket, &["n".to_owned()]).await.unwrap();
    proxy.lose.store(1, Ordering::SeqCst);
    let swap = Change::Swap { key: "n".to_owned(), value: b"mine".to_vec(), version: seen.version };
    assert_eq!(change(swap.clone()).await, Changed::Yes);
    assert_eq!(change(swap).await, Changed::Stale);
}

#[tokio::test]
async fn a_reserve_whose_reply_is_lost_takes_once() {
    let (t, proxy, store) = proxied().await;
    t.push(&["x", "y", "z"]).await;
    proxy.lose.store(1, Ordering::SeqCst);
    let two = options(2);
    let taken = store.reserve(&t.channel, Token::random(), &two);
    let taken = taken.await.unwrap().jobs;
    assert_eq!(ids(&taken), [4, 5]);
    assert_eq!((taken[0].attempt, taken[1].attempt), (1, 1));
    assert_eq!(proxy.lose.load(Ordering::SeqCst), 0, "a reply was lost");
    let counts = t.store.counts(&t.channel).await.unwrap();
    assert_eq!((counts.waiting, counts.reserved), (1, 2));
    t.done(&taken[0]).await;
}

#[tokio::test]
async fn a_settlement_whose_reply_is_lost_settles_once() {
    let (t, proxy, store) = proxied().await;
    t.push(&["x"]).await;
    let taken = t.reserve_one().await;
    proxy.lose.store(1, Ordering::SeqCst);
    let batch = [Settlement {
        follow_ups: vec![follow_up("ch", "next"), follow_up("other", "there")],
        ..settlement(&taken, done())
    }];
    let settled = store.settle(Token::random(), &batch).await.unwrap();
    assert_eq!(settled, [Settled::Yes(vec![JobId(5), JobId(1)])]);
    assert_eq!(proxy.lose.load(Ordering::SeqCst), 0, "a reply was lost");
    assert_eq!(t.redis::<u64>("LLEN ch.waiting").await, 1);
    assert_eq!(t.redis::<u64>("LLEN other.waiting").await, 1);
}

#[tokio::test]
async fn removals_whose_replies_are_lost_tell_the_truth() {
    let (t, proxy, store) = proxied().await;
    t.push(&["x", "fails", "z"]).await;
    proxy.lose.store(1, Ordering::SeqCst);
    assert!(store.remove(&t.channel, JobId(4)).await.unwrap());
    t.settle(&t.reserve_one().await, Verdict::Failed).await;
    proxy.lose.store(1, Ordering::SeqCst);
    let failed = [JobId(5)];
    let retried = store.retry_failed(&t.channel, Token::random(), &failed);
    assert_eq!(retried.await.unwrap(), [Some(JobId(5))]);
    proxy.lose.store(1, Ordering::SeqCst);
    assert_eq!(store.clear(&t.channel).await.unwrap(), 2);
    assert_eq!(proxy.lose.load(Ordering::SeqCst), 0, "a reply was lost");
}

#[tokio::test]
async fn a_call_that_failed_twice_can_be_sent_again_by_the_caller() {
    let (t, proxy, store) = proxied().await;
    let (token, jobs) = (Token::random(), [NewJob::new("x", 60)]);
    proxy.lose.store(2, Ordering::SeqCst);
    let error = store.push(&t.channel, token.clone(), None, &jobs).await;
    let error = error.unwrap_err();
    assert!(error.is_transient(), "{error}");
    let pushed = store.push(&t.channel, token, None, &jobs).await.unwrap();
    assert_eq!(pushed, Pushed::Stored(vec![JobId(4)]));
    assert_eq!(t.store.counts(&t.channel).await.unwrap().waiting, 1);
}

#[tokio::test]
async fn a_reply_that_is_cut_in_its_middle_is_asked_for_again() {
    let (t, proxy, store) = proxied().await;
    for (nth, kept) in (4..).zip([1, 3, 7]) {
        let mut cut = Some(Fate::CutReply(kept));
        proxy.proxy.rule(move |request| cut.take_if(|_| request.is("EVALSHA")).unwrap_or(Fate::Pass));
        let pushed = store.push(&t.channel, Token::random(), None, &[NewJob::new("x", 60)]).await;
        assert_eq!(pushed.unwrap(), Pushed::Stored(vec![JobId(nth)]), "{kept} bytes of its reply came");
    }
    proxy.proxy.rule(|request| if request.is("EVALSHA") { Fate::CutReply(3) } else { Fate::Pass });
    let error = store.counts(&t.channel).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
}

#[tokio::test]
async fn a_server_that_asks_for_another_password_now_is_not_available() {
    let t = Bench::start().await;
    t.push(&["a"]).await;
    let held = t.reserve_one().await;
    t.redis::<()>("CONFIG SET requirepass sesame").await;
    t.redis::<()>("CLIENT KILL TYPE normal").await;
    loop {
        let error = t.store.settle(Token::random(), &[settlement(&held, done())]).await.unwrap_err();
        assert!(error.is_transient(), "{error}");
        // The connection that broke comes first.
        if error.to_string().contains("unauthenticated") {
            break;
        }
    }
    redis::cmd("CONFIG").arg(&["SET", "requirepass", ""]).exec_async(&mut t.raw.clone()).await.unwrap();
    t.done(&held).await;
}

#[tokio::test]
async fn a_server_that_went_away_is_told_in_bounded_time_and_comes_back() {
    let mut t = Bench::start().await;
    t.push(&["a"]).await;
    let (store, channel) = (Arc::clone(&t.store), t.channel.clone());
    let waiting = Channel::new("nothing").unwrap();
    let waiter = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.wait(&waiting, Duration::from_mins(1)).await }
    });
    // Its blocking command is on its way when the server dies.
    while !t.redis::<String>("CLIENT LIST").await.contains("cmd=blmove") {
        tokio::task::yield_now().await;
    }
    t.server.kill();
    let woken = waiter.await.unwrap().unwrap_err();
    assert!(woken.is_transient(), "{woken}");
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let (store, channel) = (Arc::clone(&store), channel.clone());
            tokio::spawn(async move {
                let start = Instant::now();
                let error = store.sweep(&channel).await.unwrap_err();
                (start.elapsed(), error)
            })
        })
        .collect();
    for call in calls {
        let (took, error) = call.await.unwrap();
        assert!(took < BOUND, "{took:?}");
        assert!(error.is_transient(), "{error}");
        assert!(error.to_string().contains(store.address()), "{error}");
    }
    let woken = store.wait(&channel, Duration::from_mins(1)).await;
    assert!(woken.unwrap_err().is_transient());
    t.server.restart();
    while let Err(error) = store.ping().await {
        assert!(error.is_transient(), "{error}");
    }
    assert_eq!(t.push(&["b"]).await, [JobId(1)], "it came back empty");
    let woken = store.wait(&channel, Duration::from_mins(1)).await;
    assert_eq!(woken.unwrap(), Wake::Ready);
    assert_eq!(ids(&t.reserve(9).await), [1]);
}

#[tokio::test]
async fn scripts_that_the_server_forgot_are_loaded_again() {
    let t = Bench::start().await;
    t.push(&["a"]).await;
    t.redis::<()>("SCRIPT FLUSH").await;
    t.push(&["b"]).await;
    assert_eq!(ids(&t.reserve(9).await), [1, 2]);
}

#[tokio::test]
async fn a_server_that_cannot_write_now_is_not_available_and_nothing_is_changed() {
    let t = Bench::start().await;
    t.push(&["a"]).await;
    let held = t.reserve_one().await;
    for (spoil, mend, word) in [
        ("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0", "maxmemory"),
        ("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE", "read only"),
        ("CONFIG SET min-replicas-to-write 1", "CONFIG SET min-replicas-to-write 0", "replicas"),
    ] {
        let before = t.keys("*").await;
        t.redis::<()>(spoil).await;
        let jobs = [NewJob::new("b", 60)];
        let settled = [settlement(&held, done())];
        let errors = [
            t.store.push(&t.channel, Token::random(), None, &jobs).await.unwrap_err(),
            t.store.settle(Token::random(), &settled).await.unwrap_err(),
        ];
        for error in errors {
            assert!(error.is_transient(), "{spoil}: {error}");
            assert!(error.to_string().contains(word), "{spoil}: {error}");
        }
        t.redis::<()>(mend).await;
        assert_eq!(t.keys("*").await, before, "{spoil}");
    }
    t.done(&held).await;
}

#[tokio::test]
async fn dropped_waits_leave_one_connection_and_take_nothing() {
    let t = Bench::start().await;
    for _ in 0..200 {
        let wait = t.store.wait(&t.channel, Duration::from_mins(1));
        let dropped = tokio::time::timeout(Duration::from_millis(1), wait).await;
        assert!(dropped.is_err());
    }
    let clients: String = command(&mut raw(&t.server).await, "CLIENT LIST").await;
    let blocked = clients.matches("cmd=blmove").count();
    assert!(blocked <= 1, "{clients}");
    assert!(clients.lines().count() <= 5, "{clients}");
    t.push(&["a"]).await;
    let woken = t.store.wait(&t.channel, Duration::from_mins(1)).await;
    assert_eq!(woken.unwrap(), Wake::Ready);
    assert_eq!(ids(&t.reserve(9).await), [1]);
    let expected = Counts { reserved: 1, ..Counts::default() };
    assert_eq!(t.store.counts(&t.channel).await.unwrap(), expected);
}

#[tokio::test]
async fn nobody_blocks_on_the_server_for_waits_that_were_dropped() {
    let t = Bench::start().await;
    let wait = t.store.wait(&t.channel, Duration::from_mins(1));
    let dropped = tokio::time::timeout(Duration::from_millis(50), wait).await;
    assert!(dropped.is_err());
    let gone = Instant::now() + Duration::from_secs(20);
    loop {
        let info: String = t.redis("INFO clients").await;
        // The command that was on its way ends by itself; no other follows.
        if info.contains("blocked_clients:0") {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let info: String = t.redis("INFO clients").await;
            assert!(info.contains("blocked_clients:0"), "{info}");
            return;
        }
        assert!(Instant::now() < gone, "{info}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_server_that_has_become_a_replica_is_looked_up_anew() {
    let t = Bench::start().await;
    t.push(&["a"]).await;
    let connections = async || {
        let facts: String = t.redis("INFO stats").await;
        let count = facts.lines().find_map(|line| line.strip_prefix("total_connections_received:"));
        count.unwrap().trim().parse::<u32>().unwrap()
    };
    let before = connections().await;
    t.redis::<()>("REPLICAOF 127.0.0.1 1").await;
    for _ in 0..2 {
        let refused = t.store.reserve(&t.channel, Token::random(), &options(1)).await.unwrap_err();
        assert!(refused.is_transient(), "{refused}");
    }
    t.redis::<()>("REPLICAOF NO ONE").await;
    assert_eq!(ids(&t.reserve(1).await), [1]);
    assert!(connections().await > before, "the name of the server may mean another one by now");
}
