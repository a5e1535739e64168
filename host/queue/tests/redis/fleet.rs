//! A mixed fleet: workers that use yii2-queue's single commands beside ours,
//! on one queue. No job is lost, and each runs once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use jobhost_queue::redis::RedisStore;
use jobhost_queue::{Channel, Clock, NewJob, Store, Token, Verdict};
use redis::aio::MultiplexedConnection;

use crate::support::{Bench, command, done, options, raw, settlement};

const JOBS: usize = 3000;

/// How often each job ran, by the number in its body.
type Runs = Arc<Vec<AtomicU32>>;

fn ran(runs: &Runs, body: &str) {
    runs[body.parse::<usize>().unwrap()].fetch_add(1, Ordering::SeqCst);
}

fn all_ran(runs: &Runs) -> bool {
    runs.iter().all(|runs| runs.load(Ordering::SeqCst) > 0)
}

/// What yii2-queue's worker does for a job, command by command.
async fn php_worker(mut redis: MultiplexedConnection, runs: Runs) {
    while !all_ran(&runs) {
        php_move(&mut redis).await;
        let Some(id): Option<String> = command(&mut redis, "RPOP ch.waiting").await else {
            tokio::time::sleep(Duration::from_millis(1)).await;
            continue;
        };
        let message: Option<String> = command(&mut redis, &format!("HGET ch.messages {id}")).await;
        let Some(message) = message else { continue };
        let (ttr, body) = message.split_once(';').unwrap();
        let until = now(&mut redis).await + ttr.parse::<u64>().unwrap();
        command::<()>(&mut redis, &format!("ZADD ch.reserved {until} {id}")).await;
        command::<()>(&mut redis, &format!("HINCRBY ch.attempts {id} 1")).await;
        ran(&runs, body);
        command::<()>(&mut redis, &format!("ZREM ch.reserved {id}")).await;
        command::<()>(&mut redis, &format!("HDEL ch.attempts {id}")).await;
        command::<()>(&mut redis, &format!("HDEL ch.messages {id}")).await;
    }
}

/// yii2-queue's `moveExpired`, under its lock.
async fn php_move(redis: &mut MultiplexedConnection) {
    let locked: Option<String> = command(redis, "SET ch.moving_lock 1 NX EX 1").await;
    if locked.is_none() {
        return;
    }
    let now = now(redis).await;
    for set in ["ch.delayed", "ch.reserved"] {
        let range = format!("ZREVRANGEBYSCORE {set} {now} -inf");
        let due: Vec<String> = command(redis, &range).await;
        for id in due {
            command::<()>(redis, &format!("RPUSH ch.waiting {id}")).await;
        }
        command::<()>(redis, &format!("ZREMRANGEBYSCORE {set} -inf {now}")).await;
    }
}

async fn now(redis: &mut MultiplexedConnection) -> u64 {
    command::<(u64, u64)>(redis, "TIME").await.0
}

/// A worker of ours; every seventh job it postpones once, as one does that
/// waits for something.
async fn our_worker(store: RedisStore, channel: Channel, runs: Runs) {
    while !all_ran(&runs) {
        let jobs = store.reserve(&channel, Token::random(), &options(5)).await;
        let jobs = jobs.unwrap().jobs;
        if jobs.is_empty() {
            let wait = store.wait(&channel, Duration::from_millis(20));
            wait.await.unwrap();
        }
        let mut batch = Vec::new();
        for job in &jobs {
            let jobhost_queue::Message::Readable { body, .. } = &job.message else {
                panic!("{job:?}");
            };
            let body = std::str::from_utf8(body).unwrap();
            let first = job.first_reserved_at == job.reserved_at;
            if first && job.lease.id.0 % 7 == 0 {
                let delay = Duration::from_secs(1);
                batch.push(settlement(job, Verdict::Postponed { delay }));
            } else {
                ran(&runs, body);
                batch.push(settlement(job, done()));
            }
        }
        for settled in store.settle(Token::random(), &batch).await.unwrap() {
            assert!(matches!(settled, jobhost_queue::Settled::Yes(_)), "{settled:?}");
        }
        store.sweep(&channel).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_job_runs_once_beside_workers_that_use_yii2s_commands() {
    let t = Bench::start().await;
    let runs: Runs = Arc::new((0..JOBS).map(|_| AtomicU32::new(0)).collect());
    let jobs: Vec<_> = (0..JOBS)
        .map(|n| NewJob {
            // Spread, so that a PHP mover is done before its lock expires.
            delay: Duration::from_secs(if n % 5 == 0 { 2 + n as u64 % 4 } else { 0 }),
            ..NewJob::new(n.to_string(), 300)
        })
        .collect();
    let mut workers = Vec::new();
    for _ in 0..2 {
        let store = RedisStore::open(&t.server.url(), Clock::Store).await.unwrap();
        if workers.is_empty() {
            let push = store.push(&t.channel, Token::random(), None, &jobs);
            push.await.unwrap();
        }
        let worker = our_worker(store, t.channel.clone(), Arc::clone(&runs));
        workers.push(tokio::spawn(worker));
        let worker = php_worker(raw(&t.server).await, Arc::clone(&runs));
        workers.push(tokio::spawn(worker));
    }
    for worker in workers {
        let ended = tokio::time::timeout(Duration::from_mins(1), worker).await;
        ended.expect("a job was lost").unwrap();
    }
    let odd: Vec<_> = (0..JOBS).filter(|n| runs[*n].load(Ordering::SeqCst) != 1).collect();
    assert!(odd.is_empty(), "these ran more than once: {odd:?}");
    let left = t.keys("ch.*").await;
    let left: Vec<_> = left.keys().filter(|key| !key.ends_with("_lock")).collect();
    assert_eq!(left, ["ch.message_id"]);
    let counts = t.store.counts(&t.channel).await.unwrap();
    assert_eq!(counts.done, JOBS as u64);
}
