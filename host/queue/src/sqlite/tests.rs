//! What only SQLite promises, seen from inside: commits, locks, full disks,
//! and counters that agree with the rows.

use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use proptest::prelude::*;
use rusqlite::{Connection, OpenFlags};

use super::SqliteStore;
use super::file::Place;
use super::line;
use super::look;
use super::writer::Verb;
use crate::clock::{Clock, ManualClock};
use crate::error::StoreError;
use crate::job::{Channel, JobId, NewJob, Reserved, Token};
use crate::record::AttemptRecord;
use crate::store::{Counts, Pushed, ReserveOptions, Retain, Settlement, Store, Verdict};

fn channel() -> Channel {
    Channel::new("tested").unwrap()
}

fn place(folder: &tempfile::TempDir) -> Place {
    let url = format!("sqlite:{}/jobs.db", folder.path().display());
    Place::new(&url, Clock::Store).unwrap()
}

async fn opened(place: &Place) -> SqliteStore {
    SqliteStore::open_at(place.clone(), false).await.unwrap()
}

async fn push(store: &SqliteStore, body: &str) -> Result<Pushed, StoreError> {
    store
        .push(&channel(), Token::random(), None, &[NewJob::new(body, 60)])
        .await
}

/// Holds the writer until the sender is dropped.
async fn hold(store: &Arc<SqliteStore>) -> mpsc::Sender<()> {
    let (release, held) = mpsc::channel::<()>();
    let (start, started) = tokio::sync::oneshot::channel();
    let store = Arc::clone(store);
    tokio::spawn(async move {
        let held = move |_: &mut Verb<'_>| {
            let _ = start.send(());
            let _ = held.recv();
            Ok(())
        };
        store.writer.run(held).await
    });
    started.await.unwrap();
    release
}

async fn until_queued(store: &SqliteStore, commands: usize) {
    while store.writer.queued() < commands {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn callers_that_push_at_once_share_commits() {
    const CALLERS: usize = 200;
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(opened(&place(&folder)).await);
    let release = hold(&store).await;
    let pushes: Vec<_> = (0..CALLERS)
        .map(|n| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { push(&store, &n.to_string()).await.unwrap() })
        })
        .collect();
    until_queued(&store, CALLERS).await;
    let before = store.bell.commits.load(Ordering::SeqCst);
    drop(release);
    for push in pushes {
        push.await.unwrap();
    }
    let commits = store.bell.commits.load(Ordering::SeqCst) - before;
    assert!(commits < CALLERS as u64 / 4, "{commits} commits");
    assert_eq!(store.counts(&channel()).await.unwrap().waiting, 200);
}

#[tokio::test]
async fn a_command_that_fails_leaves_the_others_of_its_transaction() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(opened(&place(&folder)).await);
    let release = hold(&store).await;
    let calls: Vec<_> = (0..3)
        .map(|n| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let work = move |verb: &mut Verb<'_>| {
                    verb.sql
                        .execute("INSERT INTO channels (name) VALUES (?1)", [n])?;
                    if n == 1 {
                        return Err(StoreError::invalid("not this one").into());
                    }
                    Ok(())
                };
                store.writer.run(work).await
            })
        })
        .collect();
    until_queued(&store, 3).await;
    drop(release);
    for (n, call) in calls.into_iter().enumerate() {
        assert_eq!(call.await.unwrap().is_err(), n == 1);
    }
    let names = store.readers.read(|sql| {
        let mut names = sql.prepare("SELECT name FROM channels ORDER BY name")?;
        let names = names.query_map([], |row| row.get(0))?;
        Ok(names.collect::<rusqlite::Result<Vec<String>>>()?)
    });
    assert_eq!(names.await.unwrap(), ["0", "2"]);
}

#[tokio::test]
async fn a_full_disk_fails_every_command_of_the_transaction_and_is_survived() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(opened(&place(&folder)).await);
    push(&store, "before").await.unwrap();
    let limit_pages = |pages: u32| {
        store.writer.run(move |verb| {
            verb.sql
                .pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
            Ok(())
        })
    };
    limit_pages(1).await.unwrap();
    let release = hold(&store).await;
    let large = tokio::spawn({
        let store = Arc::clone(&store);
        async move { push(&store, &"x".repeat(100_000)).await }
    });
    until_queued(&store, 1).await;
    let small = tokio::spawn({
        let store = Arc::clone(&store);
        async move { push(&store, "small").await }
    });
    until_queued(&store, 2).await;
    drop(release);
    for pushed in [large, small] {
        let error = pushed.await.unwrap().unwrap_err();
        assert!(error.is_transient(), "{error:?}");
        assert!(error.to_string().contains("no space is left"), "{error}");
    }
    assert_eq!(store.counts(&channel()).await.unwrap().waiting, 1);
    limit_pages(1 << 20).await.unwrap();
    let pushed = push(&store, &"x".repeat(100_000)).await.unwrap();
    assert_eq!(pushed, Pushed::Stored(vec![JobId(2)]));
}

#[tokio::test]
async fn a_commit_that_fails_fails_every_command_of_the_transaction() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = opened(&place(&folder)).await;
    // A deferred constraint is the one thing that a COMMIT itself looks at.
    let sql = place(&folder).connect(OpenFlags::empty()).unwrap();
    sql.pragma_update(None, "foreign_keys", true).unwrap();
    sql.execute_batch(
        "CREATE TABLE owed (channel REFERENCES channels DEFERRABLE INITIALLY DEFERRED)",
    )
    .unwrap();
    let (place, bell) = (Arc::clone(&store.place), Arc::clone(&store.bell));
    store.writer = super::Writer::start(sql, place, bell).unwrap();
    let store = Arc::new(store);
    let release = hold(&store).await;
    let bad = tokio::spawn({
        let store = Arc::clone(&store);
        let owe = |verb: &mut Verb<'_>| {
            verb.sql.execute("INSERT INTO owed VALUES (77)", [])?;
            Ok(())
        };
        async move { store.writer.run(owe).await }
    });
    until_queued(&store, 1).await;
    let good = tokio::spawn({
        let store = Arc::clone(&store);
        async move { push(&store, "a").await.map(drop) }
    });
    until_queued(&store, 2).await;
    drop(release);
    for call in [good, bad] {
        let error = call.await.unwrap().unwrap_err();
        assert!(error.to_string().contains("FOREIGN KEY"), "{error}");
    }
    assert_eq!(store.counts(&channel()).await.unwrap(), Counts::default());
    push(&store, "a").await.unwrap();
}

#[tokio::test]
async fn a_locked_file_is_unavailable_and_usable_again_once_it_is_free() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place {
        patience: Duration::from_millis(50),
        ..place(&folder)
    };
    let store = opened(&place).await;
    push(&store, "a").await.unwrap();
    let locker = Connection::open(&place.path).unwrap();
    locker.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = push(&store, "b").await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    let holder = format!("is locked by process {}", std::process::id());
    assert!(error.to_string().contains(&holder), "{error}");
    assert_eq!(store.counts(&channel()).await.unwrap().waiting, 1);
    locker.execute_batch("ROLLBACK").unwrap();
    push(&store, "b").await.unwrap();
    assert_eq!(store.counts(&channel()).await.unwrap().waiting, 2);
}

#[tokio::test]
async fn who_looks_does_not_wait_for_who_writes() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(opened(&place(&folder)).await);
    push(&store, "a").await.unwrap();
    let release = hold(&store).await;
    assert_eq!(store.counts(&channel()).await.unwrap().waiting, 1);
    let status = store.status(&channel(), JobId(1)).await.unwrap();
    assert!(status.is_some());
    drop(release);
}

#[tokio::test]
async fn a_copy_of_the_file_and_its_log_opens_with_all_that_was_committed() {
    let folder = tempfile::tempdir().unwrap();
    let original = place(&folder);
    let store = opened(&original).await;
    for n in 0..50 {
        push(&store, &n.to_string()).await.unwrap();
    }
    let elsewhere = tempfile::tempdir().unwrap();
    let copied = place(&elsewhere);
    // The log before the file would be torn apart by a checkpoint; there is none.
    for suffix in ["", "-wal"] {
        std::fs::copy(original.beside(suffix), copied.beside(suffix)).unwrap();
    }
    let copy = opened(&copied).await;
    assert_eq!(copy.counts(&channel()).await.unwrap().waiting, 50);
    let checked = copy.readers.read(|sql| {
        Ok(sql.pragma_query_value(None, "integrity_check", |row| row.get::<_, String>(0))?)
    });
    assert_eq!(checked.await.unwrap(), "ok");
}

#[tokio::test]
async fn a_finished_job_without_retention_leaves_no_row() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(&place(&folder)).await;
    push(&store, "a").await.unwrap();
    let taken = take(&store, 1).await.remove(0);
    store
        .settle(Token::random(), &[settlement(&taken, Act::Done)])
        .await
        .unwrap();
    let rows = store.readers.read(|sql| {
        let count = "SELECT (SELECT count(*) FROM jobs) + (SELECT count(*) FROM bodies)";
        Ok(sql.query_one(count, [], |row| row.get::<_, i64>(0))?)
    });
    assert_eq!(rows.await.unwrap(), 0);
}

async fn take(store: &SqliteStore, limit: u32) -> Vec<Reserved> {
    let options = ReserveOptions {
        limit,
        suspects: true,
        worker: "here:1".into(),
    };
    let reserved = store.reserve(&channel(), Token::random(), &options).await;
    reserved.unwrap().jobs
}

/// Something that may happen to a queue.
#[derive(Clone, Copy, Debug)]
enum Act {
    Push,
    PushDelayed,
    Take(u32),
    Done,
    DoneKept,
    Retry,
    RetryLater,
    Postpone,
    HandBack,
    Fail,
    FailUnkept,
    Remove(u64),
    RemoveFailed(u64),
    RetryFailed(u64),
    Prune,
    Clear,
    Sweep,
    Advance(u64),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        6 => Just(Act::Push),
        2 => Just(Act::PushDelayed),
        6 => (1..4_u32).prop_map(Act::Take),
        2 => Just(Act::Done),
        2 => Just(Act::DoneKept),
        1 => Just(Act::Retry),
        1 => Just(Act::RetryLater),
        1 => Just(Act::Postpone),
        1 => Just(Act::HandBack),
        3 => Just(Act::Fail),
        1 => Just(Act::FailUnkept),
        2 => (1..20_u64).prop_map(Act::Remove),
        2 => (1..20_u64).prop_map(Act::RemoveFailed),
        2 => (1..20_u64).prop_map(Act::RetryFailed),
        1 => Just(Act::Prune),
        1 => Just(Act::Clear),
        6 => Just(Act::Sweep),
        6 => (1..5_u64).prop_map(Act::Advance),
    ];
    prop::collection::vec(act, 1..60)
}

fn settlement(job: &Reserved, act: Act) -> Settlement {
    let later = Duration::from_secs(5);
    let verdict = match act {
        Act::Retry => Verdict::Retry {
            delay: Duration::ZERO,
        },
        Act::RetryLater => Verdict::Retry { delay: later },
        Act::Postpone => Verdict::Postponed { delay: later },
        Act::HandBack => Verdict::HandedBack,
        Act::Fail | Act::FailUnkept => Verdict::Failed,
        _ => Verdict::Done { output: None },
    };
    let kept = matches!(act, Act::DoneKept | Act::Fail);
    let retain = if kept { 2 * later } else { Duration::ZERO };
    Settlement {
        lease: job.lease.clone(),
        verdict,
        record: AttemptRecord::default(),
        follow_ups: Vec::new(),
        retain: Retain {
            done: retain,
            failed: retain,
            output: 0,
        },
    }
}

async fn perform(store: &SqliteStore, clock: &ManualClock, held: &mut Vec<Reserved>, act: Act) {
    let channel = channel();
    let later = [NewJob {
        delay: Duration::from_secs(5),
        ..NewJob::new("later", 60)
    }];
    let ids = |id| [JobId(id)];
    match act {
        Act::Push => drop(push(store, "a").await.unwrap()),
        Act::PushDelayed => {
            let pushed = store.push(&channel, Token::random(), None, &later).await;
            pushed.unwrap();
        }
        Act::Take(limit) => held.extend(take(store, limit).await),
        Act::Remove(id) => drop(store.remove(&channel, JobId(id)).await.unwrap()),
        Act::RemoveFailed(id) => {
            store.remove_failed(&channel, &ids(id)).await.unwrap();
        }
        Act::RetryFailed(id) => {
            let retried = store
                .retry_failed(&channel, Token::random(), &ids(id))
                .await;
            retried.unwrap();
        }
        Act::Prune => {
            let older = Duration::from_secs(6);
            store.prune_failed(&channel, older).await.unwrap();
        }
        Act::Clear => drop(store.clear(&channel).await.unwrap()),
        Act::Sweep => drop(store.sweep(&channel).await.unwrap()),
        Act::Advance(seconds) => clock.advance(Duration::from_secs(seconds)),
        settled => {
            if let Some(job) = held.pop() {
                let batch = [settlement(&job, settled)];
                store.settle(Token::random(), &batch).await.unwrap();
            }
        }
    }
}

/// The counters of the queue's row, and what they should be by its jobs.
fn counted(sql: &Connection) -> super::failure::Done<(Counts, Counts, i64)> {
    let line = line::load(sql, &channel())?.unwrap_or_default();
    let of = |state: i64| {
        sql.query_one(
            "SELECT count(*) FROM jobs WHERE state = ?1",
            [state],
            |row| row.get::<_, i64>(0),
        )
        .map(i64::unsigned_abs)
    };
    let kept = line.counts(0);
    let rows = Counts {
        waiting: of(line::state::WAITING)?,
        delayed: of(line::state::DELAYED)?,
        reserved: of(line::state::RESERVED)?,
        done: kept.done,
        failed: of(line::state::FAILED)?,
    };
    let lost_bodies = sql.query_one(
        "SELECT (SELECT count(*) FROM bodies WHERE row NOT IN (SELECT row FROM jobs))
         + (SELECT count(*) FROM jobs WHERE state != 3 AND row NOT IN (SELECT row FROM bodies))",
        [],
        |row| row.get(0),
    )?;
    look::counts(sql, &channel(), 0)?;
    Ok((kept, rows, lost_bodies))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn the_counters_agree_with_the_rows_whatever_happens(acts in acts()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let clock = ManualClock::at(1_800_000_000_000);
            let place = Place { clock: Clock::Manual(clock.clone()), ..place(&folder) };
            let store = opened(&place).await;
            let mut held = Vec::new();
            for act in acts {
                perform(&store, &clock, &mut held, act).await;
                let (kept, rows, lost_bodies) = store.readers.read(counted).await.unwrap();
                prop_assert_eq!(kept, rows, "after {:?}", act);
                prop_assert_eq!(lost_bodies, 0, "after {:?}", act);
            }
            Ok(())
        })?;
    }
}
