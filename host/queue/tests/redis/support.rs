//! A Redis server with a store on it and a connection for looking at the keys
//! as a PHP program would. It asserts nothing by itself.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jobhost_queue::redis::{PrivateRedis, RedisStore};
use jobhost_queue::{
    AttemptRecord, Channel, Clock, FollowUp, JobId, JobState, ManualClock, NewJob, Pushed, ReserveOptions, Reserved,
    Retain, Settled, Settlement, Store, Token, Verdict,
};
use redis::FromRedisValue;
use redis::aio::MultiplexedConnection;
use serde_json::{Value, json};

/// Where the clock stands at first: a whole second.
pub(crate) const START: u64 = 1_800_000_000_000;

pub(crate) struct Bench {
    pub(crate) server: PrivateRedis,
    pub(crate) store: Arc<RedisStore>,
    pub(crate) raw: MultiplexedConnection,
    pub(crate) clock: ManualClock,
    pub(crate) channel: Channel,
}

impl Bench {
    /// A store with channel `ch`.
    pub(crate) async fn start() -> Self {
        Self::start_at(START, "ch").await
    }

    pub(crate) async fn start_at(now: u64, channel: &str) -> Self {
        let server = PrivateRedis::start();
        let clock = ManualClock::at(now);
        let store = RedisStore::open(&server.url(), Clock::Manual(clock.clone())).await.unwrap();
        let raw = raw(&server).await;
        Self { store: Arc::new(store), raw, clock, channel: Channel::new(channel).unwrap(), server }
    }

    /// Runs a command given as words.
    pub(crate) async fn redis<T: FromRedisValue>(&self, words: &str) -> T {
        command(&mut self.raw.clone(), words).await
    }

    pub(crate) fn at(&self, seconds: u64) -> u64 {
        self.clock.now() / 1000 + seconds
    }

    /// A score so many seconds from now.
    #[expect(clippy::cast_precision_loss, reason = "unix seconds are small")]
    pub(crate) fn score(&self, seconds: u64) -> f64 {
        self.at(seconds) as f64
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    pub(crate) async fn push(&self, bodies: &[&str]) -> Vec<JobId> {
        let jobs: Vec<_> = bodies.iter().map(|body| NewJob::new(*body, 300)).collect();
        let pushed = self.store.push(&self.channel, Token::random(), None, &jobs).await;
        match pushed.unwrap() {
            Pushed::Stored(ids) => ids,
            Pushed::Lost => panic!("a push without fence cannot be lost"),
        }
    }

    pub(crate) async fn reserve(&self, limit: u32) -> Vec<Reserved> {
        let options = options(limit);
        let reserved = self.store.reserve(&self.channel, Token::random(), &options).await;
        reserved.unwrap().jobs
    }

    pub(crate) async fn reserve_one(&self) -> Reserved {
        let mut jobs = self.reserve(1).await;
        assert_eq!(jobs.len(), 1, "a job should be waiting");
        jobs.remove(0)
    }

    pub(crate) async fn settle(&self, job: &Reserved, verdict: Verdict) -> Settled {
        let batch = [settlement(job, verdict)];
        let mut settled = self.store.settle(Token::random(), &batch).await.unwrap();
        settled.remove(0)
    }

    pub(crate) async fn done(&self, job: &Reserved) {
        assert_eq!(self.settle(job, done()).await, Settled::Yes(vec![]));
    }

    /// Sweeps as workers do, every 2 s, and tells which ids came back.
    pub(crate) async fn live(&self, seconds: u64) -> Vec<JobId> {
        let mut back = Vec::new();
        for _ in 0..seconds / 2 {
            self.advance(2);
            let report = self.store.sweep(&self.channel).await.unwrap();
            back.extend(report.reclaimed);
            back.extend(report.orphans);
        }
        back
    }

    /// All keys that match, with their values, as the recorded files have them.
    pub(crate) async fn keys(&self, pattern: &str) -> BTreeMap<String, Value> {
        let mut found = BTreeMap::new();
        let names: Vec<String> = self.redis(&format!("KEYS {pattern}")).await;
        for name in names {
            found.insert(name.clone(), self.value(&name).await);
        }
        found
    }

    async fn value(&self, name: &str) -> Value {
        let kind: String = self.redis(&format!("TYPE {name}")).await;
        match kind.as_str() {
            "string" => json!(self.redis::<String>(&format!("GET {name}")).await),
            "list" => json!(self.redis::<Vec<String>>(&format!("LRANGE {name} 0 -1")).await),
            "hash" => {
                let fields: BTreeMap<String, String> = self.redis(&format!("HGETALL {name}")).await;
                json!(fields)
            }
            "zset" => json!(self.redis::<Vec<(String, f64)>>(&format!("ZRANGE {name} 0 -1 WITHSCORES")).await),
            other => panic!("{name} is a {other}"),
        }
    }
}

pub(crate) async fn raw(server: &PrivateRedis) -> MultiplexedConnection {
    redis::Client::open(server.url()).unwrap().get_multiplexed_async_connection().await.unwrap()
}

/// Runs a command given as words.
pub(crate) async fn command<T: FromRedisValue>(raw: &mut MultiplexedConnection, words: &str) -> T {
    let mut words = words.split(' ');
    let mut command = redis::cmd(words.next().unwrap());
    for word in words {
        command.arg(word);
    }
    command.query_async(raw).await.unwrap()
}

/// A job as a PHP program pushes it.
pub(crate) async fn php_push(t: &Bench, id: &str) {
    t.redis::<()>("INCR ch.message_id").await;
    t.redis::<()>(&format!("HSET ch.messages {id} 60;{{}}")).await;
    t.redis::<()>(&format!("LPUSH ch.waiting {id}")).await;
}

/// Where a job of the channel `ch` is.
pub(crate) async fn state(t: &Bench, id: u64) -> Option<JobState> {
    let status = t.store.status(&t.channel, JobId(id)).await.unwrap();
    status.map(|status| status.state)
}

pub(crate) fn options(limit: u32) -> ReserveOptions {
    ReserveOptions { limit, suspects: true, worker: "here:1".into() }
}

pub(crate) fn settlement(job: &Reserved, verdict: Verdict) -> Settlement {
    Settlement {
        lease: job.lease.clone(),
        verdict,
        record: AttemptRecord { attempt: job.attempt, ..AttemptRecord::default() },
        follow_ups: Vec::new(),
        retain: Retain { done: Duration::from_hours(1), failed: Duration::from_hours(1), output: 1024 },
    }
}

pub(crate) fn done() -> Verdict {
    Verdict::Done { output: None }
}

pub(crate) fn retry(seconds: u64) -> Verdict {
    Verdict::Retry { delay: Duration::from_secs(seconds) }
}

pub(crate) fn follow_up(channel: &str, body: &str) -> FollowUp {
    FollowUp { channel: Channel::new(channel).unwrap(), job: NewJob::new(body, 300) }
}

pub(crate) fn ids(jobs: &[Reserved]) -> Vec<u64> {
    jobs.iter().map(|job| job.lease.id.0).collect()
}
