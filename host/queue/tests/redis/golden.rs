//! Key-spaces recorded from yii2-queue 2.3.8, both directions: what we store
//! is what yii2 would have stored, and what we leave of a job that yii2 stored
//! is what yii2 would have left.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::support::{Bench, done, retry, settlement};
use jobhost_queue::{Counts, JobId, Message, NewJob, Store, Token, Verdict};
use serde_json::{Value, json};

/// A step of a recorded scenario.
struct Step {
    /// When it was taken, in unix seconds.
    time: u64,
    channel: String,
    /// The keys after it, without `moving_lock`, which only PHP workers take.
    keys: BTreeMap<String, Value>,
}

fn step(file: &str, nth: usize) -> Step {
    let path = format!("{}/tests/yii2/{file}.json", env!("CARGO_MANIFEST_DIR"));
    let scenario: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let step = &scenario["steps"][nth];
    let keys = step["keys"].as_object().unwrap().iter();
    Step {
        time: step["unix_time"].as_u64().unwrap(),
        channel: scenario["channel"].as_str().unwrap().to_owned(),
        keys: keys
            .filter(|(name, _)| !name.ends_with(".moving_lock"))
            .map(|(name, key)| (name.clone(), key["value"].clone()))
            .collect(),
    }
}

impl Step {
    /// A store with these keys, at this time.
    async fn restored(&self) -> Bench {
        let t = Bench::start_at(self.time * 1000, &self.channel).await;
        for (name, value) in &self.keys {
            let mut load = redis::cmd(match value {
                Value::String(_) => "SET",
                Value::Object(_) => "HSET",
                Value::Array(members) if members[0].is_array() => "ZADD",
                _ => "RPUSH",
            });
            load.arg(name);
            match value {
                Value::String(text) => drop(load.arg(text)),
                Value::Object(fields) => {
                    for (field, value) in fields {
                        load.arg(field).arg(value.as_str().unwrap());
                    }
                }
                Value::Array(members) => {
                    for member in members {
                        match member {
                            Value::String(id) => load.arg(id),
                            pair => load.arg(pair[1].as_f64().unwrap()).arg(pair[0].as_str().unwrap()),
                        };
                    }
                }
                other => panic!("{name} holds {other}"),
            }
            let () = load.query_async(&mut t.raw.clone()).await.unwrap();
        }
        assert_eq!(yii2_keys(&t).await, self.keys);
        t
    }

    fn message(&self, id: &str) -> &str {
        let messages = &self.keys[&format!("{}.messages", self.channel)];
        messages[id].as_str().unwrap()
    }

    /// The job that yii2 pushed under this id, to be pushed by us.
    fn job(&self, id: &str) -> NewJob {
        let (ttr, body) = self.message(id).split_once(';').unwrap();
        NewJob::new(body, ttr.parse().unwrap())
    }
}

async fn yii2_keys(t: &Bench) -> BTreeMap<String, Value> {
    let mut keys = t.keys(&format!("{}.*", t.channel)).await;
    keys.remove(&format!("{}.moving_lock", t.channel));
    keys
}

async fn push(t: &Bench, job: NewJob) {
    let pushed = t.store.push(&t.channel, Token::random(), None, &[job]).await;
    pushed.unwrap();
}

#[tokio::test]
async fn a_push_and_a_delayed_push_store_what_yii2_would_have_stored() {
    let recorded = step("json-push-run", 0);
    let t = Bench::start_at(recorded.time * 1000, &recorded.channel).await;
    push(&t, recorded.job("1")).await;
    assert_eq!(yii2_keys(&t).await, recorded.keys);
    let recorded = step("json-push-run", 1);
    let delayed = NewJob { delay: Duration::from_mins(1), ..recorded.job("2") };
    assert_eq!(delayed.ttr, 77);
    push(&t, delayed).await;
    assert_eq!(yii2_keys(&t).await, recorded.keys);
}

#[tokio::test]
async fn rich_and_php_serialized_bodies_are_stored_byte_for_byte() {
    for (file, steps) in [("json-rich", 1), ("php-push", 2)] {
        let recorded = step(file, 0);
        let t = Bench::start_at(recorded.time * 1000, &recorded.channel).await;
        for nth in 0..steps {
            let recorded = step(file, nth);
            push(&t, recorded.job(&(nth + 1).to_string())).await;
            assert_eq!(yii2_keys(&t).await, recorded.keys, "{file} {nth}");
        }
    }
}

#[tokio::test]
async fn bodies_that_yii2_stored_are_reserved_byte_for_byte() {
    for (file, nth, jobs) in [("json-rich", 0, 1), ("php-push", 1, 2)] {
        let recorded = step(file, nth);
        let t = recorded.restored().await;
        for id in 1..=jobs {
            let taken = t.reserve_one().await;
            let stored = recorded.job(&id.to_string());
            let expected = Message::Readable { ttr: stored.ttr, body: stored.body };
            assert_eq!(taken.message, expected);
            assert_eq!((taken.lease.id, taken.attempt), (JobId(id), 1));
            assert_eq!((taken.pushed_at, taken.ready_at), (None, None));
            t.done(&taken).await;
        }
    }
}

#[tokio::test]
async fn a_done_job_leaves_what_yii2_would_have_left() {
    let t = step("json-push-run", 1).restored().await;
    let taken = t.reserve(9).await;
    assert_eq!(taken.len(), 1, "the other is not due");
    t.done(&taken[0]).await;
    assert_eq!(yii2_keys(&t).await, step("json-push-run", 3).keys);
    let counts = t.store.counts(&t.channel).await.unwrap();
    let expected = Counts { delayed: 1, done: 1, ..Counts::default() };
    assert_eq!(counts, expected, "what yii2's info says at this step");
}

#[tokio::test]
async fn a_job_failed_for_good_leaves_what_yii2_would_have_left() {
    let t = step("json-fail", 0).restored().await;
    let taken = t.reserve_one().await;
    t.settle(&taken, Verdict::Failed).await;
    assert_eq!(yii2_keys(&t).await, step("json-fail", 1).keys);
    let counts = t.store.counts(&t.channel).await.unwrap();
    assert_eq!((counts.failed, counts.done), (1, 0));
}

#[tokio::test]
async fn a_job_we_hold_looks_like_one_that_a_php_worker_holds_but_for_the_score() {
    let recorded = step("json-reserved", 1);
    let t = step("json-reserved", 0).restored().await;
    let taken = t.reserve_one().await;
    let mut keys = yii2_keys(&t).await;
    let reserved = format!("{}.reserved", t.channel);
    let (ours, theirs) = (&keys[&reserved][0], &recorded.keys[&reserved][0]);
    assert_eq!(ours[0], theirs[0]);
    let (score, their_score) = (ours[1].as_f64().unwrap(), theirs[1].as_f64().unwrap());
    assert!(score >= their_score, "nobody takes it before its ttr");
    assert!(score < their_score + 6.0, "{score} and {their_score}");
    assert!(score.fract() > 0.0, "ours can be told from PHP's");
    keys.insert(reserved.clone(), recorded.keys[&reserved].clone());
    assert_eq!(keys, recorded.keys);
    t.done(&taken).await;
    assert_eq!(yii2_keys(&t).await, step("json-reserved", 2).keys);
}

#[tokio::test]
async fn a_job_to_be_retried_lies_in_delayed_where_yii2_leaves_it_in_reserved() {
    let recorded = step("json-retry", 1);
    let t = step("json-retry", 0).restored().await;
    let taken = t.reserve_one().await;
    t.settle(&taken, retry(2)).await;
    let mut expected = recorded.keys.clone();
    expected.remove(&format!("{}.reserved", t.channel));
    let due = json!([["1", t.score(2)]]);
    expected.insert(format!("{}.delayed", t.channel), due);
    assert_eq!(yii2_keys(&t).await, expected);
    t.advance(2);
    assert_eq!(t.reserve_one().await.attempt, 2);
}

#[tokio::test]
async fn a_job_that_a_php_worker_left_to_be_retried_is_taken_when_that_is_due() {
    let t = step("json-retry", 1).restored().await;
    assert!(t.reserve(9).await.is_empty());
    t.advance(2);
    let taken = t.reserve_one().await;
    assert_eq!((taken.attempt, taken.crashes), (2, 0));
    t.done(&taken).await;
    let left = yii2_keys(&t).await;
    assert_eq!(left.keys().collect::<Vec<_>>(), [&format!("{}.message_id", t.channel)]);
}

#[tokio::test]
async fn our_keys_have_a_colon_and_in_the_end_only_the_channels_numbers_stay() {
    let t = Bench::start().await;
    t.push(&["done", "failed", "retried", "removed"]).await;
    let taken = t.reserve(3).await;
    let mut output = settlement(&taken[0], done());
    output.verdict = Verdict::Done { output: Some("{}".into()) };
    t.store.settle(Token::random(), &[output]).await.unwrap();
    t.settle(&taken[1], Verdict::Failed).await;
    t.settle(&taken[2], retry(0)).await;
    t.store.remove(&t.channel, JobId(4)).await.unwrap();
    let again = t.reserve_one().await;
    t.store.progress(&again.lease, &jobhost_queue::Progress::default()).await.unwrap();
    for name in t.keys("*").await.keys() {
        assert!(name.starts_with("ch.") || name.starts_with("ch:"), "{name} is no key of the channel");
    }
    t.done(&again).await;
    let held = t.keys("ch.*").await;
    assert_eq!(held.keys().collect::<Vec<_>>(), ["ch.message_id"]);
    // The end of retention, and of the receipts of all that.
    t.advance(3601);
    assert_eq!(t.live(4).await, []);
    assert_eq!(t.keys("ch:*").await.keys().collect::<Vec<_>>(), ["ch:state"]);
}
