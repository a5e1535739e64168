//! The registry of workers: who is in it, for how long, and what it keeps of each.

use std::time::Duration;

use super::stage::{Stage, assert_invalid, seconds};
use crate::store::Store;
use crate::workers::{
    MAX_RECORD, MAX_WORKERS, Measure, PluginRecord, RefusedFile, Roster, SILENT_AFTER, SILENT_KEPT, SeenWorker,
    VersionRecord, VersionState, WorkerRecord,
};

fn worker(id: &str) -> WorkerRecord {
    WorkerRecord { id: id.to_owned(), host: "here".into(), pid: 1, slots: 4, ..WorkerRecord::default() }
}

async fn announce(store: &dyn Store, worker: &WorkerRecord) {
    store.announce(worker).await.unwrap();
}

async fn roster(t: &Stage) -> Roster {
    t.store.workers().await.unwrap()
}

async fn ids(t: &Stage) -> Vec<String> {
    roster(t).await.workers.into_iter().map(|seen| seen.record.id).collect()
}

pub async fn a_worker_is_known_whole_to_every_handle_once_it_is_announced(t: Stage) {
    assert_eq!(roster(&t).await, Roster::default());
    let mut duration_us = Measure::default();
    duration_us.add(u64::MAX);
    let version = VersionRecord {
        digest: "sha256:1".into(),
        state: VersionState::Draining,
        age_ms: 7,
        running: 1,
        executions: u64::MAX,
        failures: 2,
        duration_us,
        ..VersionRecord::default()
    };
    let refused = Some(RefusedFile { reason: "it is\n\"not\" a component: é\u{0}".into(), age_ms: 9 });
    let told = WorkerRecord {
        busy: 3,
        stopping: true,
        age_ms: 5,
        queues: vec!["a b".into()],
        more_queues: 2,
        plugins: vec![PluginRecord { name: "p".into(), versions: vec![version], refused }],
        ..worker("a1")
    };
    announce(&*t.store, &told).await;
    let another = t.another().await;
    let seen = another.workers().await.unwrap();
    assert!(!seen.more);
    assert_eq!(seen.workers.len(), 1);
    assert_eq!(seen.workers[0].record, told);
    assert_eq!((seen.workers[0].seen_at, seen.workers[0].age), (t.clock.now(), Duration::ZERO));
    assert_eq!(seen.workers[0].at(5), t.clock.now() - 5);
}

pub async fn what_a_worker_says_takes_the_place_of_what_it_said_before(t: Stage) {
    announce(&*t.store, &worker("a")).await;
    t.clock.advance(seconds(3));
    announce(&*t.store, &WorkerRecord { busy: 2, ..worker("a") }).await;
    t.clock.advance(seconds(1));
    let seen = roster(&t).await.workers;
    assert_eq!(seen.len(), 1);
    assert_eq!((seen[0].record.busy, seen[0].age), (2, seconds(1)));
}

pub async fn workers_are_listed_by_when_they_were_last_heard_of(t: Stage) {
    for id in ["b", "a", "c", "b"] {
        t.clock.advance(seconds(1));
        announce(&*t.store, &worker(id)).await;
    }
    assert_eq!(ids(&t).await, ["b", "c", "a"]);
}

pub async fn a_worker_that_withdraws_is_gone_at_once(t: Stage) {
    announce(&*t.store, &worker("a")).await;
    announce(&*t.store, &worker("b")).await;
    for _ in 0..2 {
        t.store.withdraw("a").await.unwrap();
        assert_eq!(ids(&t).await, ["b"]);
    }
}

pub async fn a_worker_that_is_not_heard_of_is_silent_and_later_gone(t: Stage) {
    announce(&*t.store, &worker("dead")).await;
    t.clock.advance(SILENT_AFTER);
    announce(&*t.store, &worker("alive")).await;
    assert!(roster(&t).await.workers.iter().all(|seen| !seen.is_silent()));
    t.clock.advance(Duration::from_millis(1));
    let silent: Vec<_> = roster(&t).await.workers.iter().map(SeenWorker::is_silent).collect();
    assert_eq!(silent, [false, true]);
    t.clock.advance(SILENT_KEPT.saturating_sub(SILENT_AFTER));
    // Nobody announced itself, so nothing was dropped; and yet it is not shown any more.
    assert_eq!(ids(&t).await, ["alive"]);
    announce(&*t.store, &worker("alive")).await;
    // It would be back if it had only been hidden.
    t.clock.set_back(SILENT_KEPT);
    assert_eq!(ids(&t).await, ["alive"]);
}

pub async fn a_dead_worker_grows_silent_though_the_clock_was_set_back(t: Stage) {
    announce(&*t.store, &worker("dead")).await;
    t.clock.set_back(Duration::from_hours(5));
    announce(&*t.store, &worker("alive")).await;
    t.clock.advance(SILENT_AFTER + seconds(1));
    announce(&*t.store, &worker("alive")).await;
    let seen = roster(&t).await.workers;
    let silent: Vec<_> = seen.iter().map(|seen| (seen.record.id.as_str(), seen.is_silent())).collect();
    assert_eq!(silent, [("alive", false), ("dead", true)]);
}

pub async fn where_there_are_too_many_workers_silent_ones_are_not_kept(t: Stage) {
    for n in 0..=MAX_WORKERS {
        announce(&*t.store, &worker(&format!("w{n}"))).await;
    }
    let full = roster(&t).await;
    assert_eq!((full.workers.len(), full.more), (MAX_WORKERS, true));
    t.clock.advance(SILENT_AFTER + seconds(1));
    announce(&*t.store, &worker("new")).await;
    let left = roster(&t).await;
    assert!(!left.more && left.workers.len() < MAX_WORKERS, "{}", left.workers.len());
    assert_eq!(left.workers[0].record.id, "new");
    // What is left is no longer too many.
    announce(&*t.store, &worker("new")).await;
    assert_eq!(roster(&t).await.workers.len(), left.workers.len());
}

pub async fn workers_are_no_jobs_and_survive_a_clear(t: Stage) {
    t.push(&["a"]).await;
    let counts = t.counts().await;
    announce(&*t.store, &worker("a")).await;
    assert_eq!(t.counts().await, counts);
    assert_eq!(t.store.clear(&t.channel).await.unwrap(), 1);
    assert_eq!(ids(&t).await, ["a"]);
}

pub async fn a_record_without_a_right_id_or_of_any_size_is_invalid(t: Stage) {
    for id in ["", "a b", "a:b", "é", &"a".repeat(65)] {
        assert_invalid(t.store.announce(&worker(id)).await);
        assert_invalid(t.store.withdraw(id).await);
    }
    assert_invalid(t.store.announce(&WorkerRecord { host: "x".repeat(MAX_RECORD), ..worker("a") }).await);
    assert!(ids(&t).await.is_empty());
}
