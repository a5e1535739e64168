//! What only SQLite promises, seen from inside: commits, locks, full disks.

mod counters;
mod long;
mod plans;

use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::SqliteStore;
use super::failure::Done;
use super::file::Place;
use super::receipt;
use super::writer::Verb;
use crate::clock::Clock;
use crate::error::StoreError;
use crate::job::{Channel, JobId, NewJob, Reserved, Token};
use crate::record::AttemptRecord;
use crate::store::{Counts, Pushed, ReserveOptions, Retain, Settlement, Store, Verdict, Wake};

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
    store.push(&channel(), Token::random(), None, &[NewJob::new(body, 60)]).await
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
                    verb.sql.execute("INSERT INTO channels (name) VALUES (?1)", [n])?;
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
            verb.sql.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
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
    sql.execute_batch("CREATE TABLE owed (channel REFERENCES channels DEFERRABLE INITIALLY DEFERRED)").unwrap();
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
    let place = Place { patience: Duration::from_millis(50), ..place(&folder) };
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
async fn pushes_of_this_process_wake_without_the_file_being_watched() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(opened(&place(&folder)).await);
    assert!(store.watcher.set(super::Watcher::blind()).is_ok());
    let mut waiting = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.wait(&channel(), Duration::from_mins(1)).await }
    });
    let early = tokio::time::timeout(Duration::from_millis(50), &mut waiting).await;
    assert!(early.is_err());
    push(&store, "a").await.unwrap();
    let woken = tokio::time::timeout(Duration::from_secs(20), waiting).await;
    assert_eq!(woken.unwrap().unwrap().unwrap(), Wake::Ready);
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
    let checked =
        copy.readers.read(|sql| Ok(sql.pragma_query_value(None, "integrity_check", |row| row.get::<_, String>(0))?));
    assert_eq!(checked.await.unwrap(), "ok");
}

#[tokio::test]
async fn a_file_that_was_deleted_or_replaced_is_not_written_to_unseen() {
    let folder = tempfile::tempdir().unwrap();
    let place = place(&folder);
    let store = opened(&place).await;
    push(&store, "a").await.unwrap();
    std::fs::rename(folder.path().join("jobs.db"), folder.path().join("moved.db")).unwrap();
    for replaced in [false, true] {
        if replaced {
            push(&opened(&place).await, "b").await.unwrap();
        }
        let written = push(&store, "c").await.unwrap_err();
        let seen = store.counts(&channel()).await.unwrap_err();
        for error in [written, seen] {
            assert!(error.is_transient(), "{error}");
            assert!(error.to_string().contains("put it back"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_command_that_panics_does_not_stop_the_writer() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(&place(&folder)).await;
    let broken = store.writer.run(|verb: &mut Verb<'_>| -> Done<()> {
        verb.sql.execute("DELETE FROM channels", [])?;
        panic!("this panic is wanted")
    });
    let error = broken.await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
    push(&store, "a").await.unwrap();
    assert_eq!(store.counts(&channel()).await.unwrap().waiting, 1);
}

#[tokio::test]
async fn receipts_of_a_clock_that_was_wrong_keep_no_others_from_being_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(&place(&folder)).await;
    let wrong = |verb: &mut Verb<'_>| {
        let future = verb.now + 1_000_000_000;
        Ok(verb.sql.execute(
            "INSERT INTO receipts (token, at, answer)
             WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 3000)
             SELECT 'token ' || n, iif(n < 1500, ?1, 0), '' FROM n",
            [receipt::millis(future)],
        )?)
    };
    store.writer.run(wrong).await.unwrap();
    while store.sweep(&channel()).await.unwrap().more {}
    let left =
        store.readers.read(|sql| Ok(sql.query_one("SELECT count(*) FROM receipts", [], |row| row.get::<_, i64>(0))?));
    assert_eq!(left.await.unwrap(), 0);
}

#[tokio::test]
async fn a_finished_job_without_retention_leaves_no_row() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(&place(&folder)).await;
    push(&store, "a").await.unwrap();
    let taken = take(&store, 1).await.remove(0);
    let done = Verdict::Done { output: None };
    let batch = [settlement(&taken, done, Duration::ZERO)];
    store.settle(Token::random(), &batch).await.unwrap();
    let rows = store.readers.read(|sql| {
        let count = "SELECT (SELECT count(*) FROM jobs) + (SELECT count(*) FROM bodies)";
        Ok(sql.query_one(count, [], |row| row.get::<_, i64>(0))?)
    });
    assert_eq!(rows.await.unwrap(), 0);
}

async fn take(store: &SqliteStore, limit: u32) -> Vec<Reserved> {
    let options = ReserveOptions { limit, suspects: true, worker: "here:1".into() };
    let reserved = store.reserve(&channel(), Token::random(), &options).await;
    reserved.unwrap().jobs
}

fn settlement(job: &Reserved, verdict: Verdict, retain: Duration) -> Settlement {
    Settlement {
        lease: job.lease.clone(),
        verdict,
        record: AttemptRecord::default(),
        follow_ups: Vec::new(),
        retain: Retain { done: retain, failed: retain, output: 0 },
    }
}
