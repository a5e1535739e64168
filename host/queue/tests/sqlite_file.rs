//! Opening a SQLite store: what is created, and what is refused untouched.

#![expect(clippy::unwrap_used, reason = "a test panics to fail")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use jobhost_queue::{
    Bucket, Channel, Counts, JobId, NewJob, OpenOptions, Pushed, Store, StoreError, Token, TrialName, open,
};

const LOOK: OpenOptions = OpenOptions { only_look: true, clock: jobhost_queue::Clock::Store };

fn url(folder: &Path) -> String {
    format!("sqlite:{}/jobs.db", folder.display())
}

fn channel() -> Channel {
    Channel::new("tested").unwrap()
}

async fn push(store: &Arc<dyn Store>, body: &str) -> Pushed {
    store.push(&channel(), Token::random(), None, &[NewJob::new(body, 60)]).await.unwrap()
}

/// What is in a folder, byte for byte.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read(path).unwrap())
        })
        .collect()
}

/// Opens the store of a folder in both ways; nothing there may change.
async fn assert_refused_untouched(folder: &Path, says: &str) {
    let before = contents(folder);
    for options in [OpenOptions::default(), LOOK] {
        let error = open(&url(folder), options).await.err().unwrap();
        assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
        assert!(error.to_string().contains(says), "{error}");
        assert!(error.to_string().contains("jobs.db"), "{error}");
        assert!(contents(folder) == before, "the folder was changed");
    }
}

#[tokio::test]
async fn a_store_is_created_where_there_is_none_and_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&url(folder.path()), OpenOptions::default()).await.unwrap();
    assert_eq!(push(&store, "a").await, Pushed::Stored(vec![JobId(1)]));
    drop(store);
    let left: Vec<String> = contents(folder.path()).into_keys().collect();
    assert_eq!(left, ["jobs.db"], "closing it leaves one file");
    let again = open(&url(folder.path()), LOOK).await.unwrap();
    assert_eq!(again.counts(&channel()).await.unwrap().waiting, 1);
    assert_eq!(again.address(), url(folder.path()));
}

#[tokio::test]
async fn many_handles_may_create_one_file_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let opened: Vec<_> = (0..8)
        .map(|n| {
            let url = url(folder.path());
            tokio::spawn(async move {
                let store = open(&url, OpenOptions::default()).await.unwrap();
                push(&store, &n.to_string()).await
            })
        })
        .collect();
    for push in opened {
        push.await.unwrap();
    }
    let store = open(&url(folder.path()), LOOK).await.unwrap();
    assert_eq!(store.counts(&channel()).await.unwrap().waiting, 8);
}

#[tokio::test]
async fn an_address_may_say_how_commits_wait_for_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("{}?synchronous=normal", url(folder.path()));
    let store = open(&url, OpenOptions::default()).await.unwrap();
    push(&store, "a").await;
    assert!(folder.path().join("jobs.db").exists());
    let warnings = store.warnings().await.unwrap();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("leave `?synchronous=normal` out"));
    let error = open("sqlite:a.db?cache=9", LOOK).await.err().unwrap();
    assert!(matches!(error, StoreError::Invalid(_)), "{error:?}");
    assert!(error.to_string().contains("only `synchronous`"), "{error}");
}

#[tokio::test]
async fn an_absent_file_is_not_created_by_looking() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..2 {
        if round == 1 {
            // An empty file holds nothing either.
            std::fs::write(folder.path().join("jobs.db"), "").unwrap();
        }
        let before = contents(folder.path());
        let error = open(&url(folder.path()), LOOK).await.err().unwrap();
        assert!(matches!(error, StoreError::Absent(_)), "{error:?}");
        assert!(error.to_string().contains("jobs.db"), "{error}");
        assert_eq!(contents(folder.path()), before);
    }
    let store = open(&url(folder.path()), OpenOptions::default()).await.unwrap();
    assert_eq!(store.counts(&channel()).await.unwrap(), Counts::default(), "an empty file becomes a store");
    assert_eq!(store.warnings().await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn an_absent_folder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let absent = folder.path().join("absent");
    let error = open(&url(&absent), OpenOptions::default()).await.err().unwrap();
    assert!(matches!(error, StoreError::Invalid(_)), "{error:?}");
    let says = format!("the folder {} of store", absent.display());
    assert!(error.to_string().contains(&says), "{error}");
    assert!(!absent.exists());
    let error = open(&url(&absent), LOOK).await.err().unwrap();
    assert!(matches!(error, StoreError::Absent(_)), "{error:?}");
}

#[tokio::test]
async fn a_folder_is_not_a_file() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("jobs.db")).unwrap();
    let error = open(&url(folder.path()), OpenOptions::default()).await.err().unwrap();
    assert!(error.to_string().contains("is a folder"), "{error}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_untouched() {
    let folder = tempfile::tempdir().unwrap();
    let text = "to be, or not to be\n".repeat(1000);
    std::fs::write(folder.path().join("jobs.db"), text).unwrap();
    assert_refused_untouched(folder.path(), "not a SQLite database").await;
}

#[tokio::test]
async fn another_programs_database_is_refused_untouched() {
    let folder = tempfile::tempdir().unwrap();
    let other = rusqlite::Connection::open(folder.path().join("jobs.db")).unwrap();
    other.execute_batch("CREATE TABLE t (a); INSERT INTO t VALUES (1)").unwrap();
    drop(other);
    assert_refused_untouched(folder.path(), "another program's").await;
}

#[tokio::test]
async fn another_programs_database_with_a_log_beside_it_is_refused_untouched() {
    let elsewhere = tempfile::tempdir().unwrap();
    let file = elsewhere.path().join("jobs.db");
    let other = rusqlite::Connection::open(&file).unwrap();
    other.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (a); INSERT INTO t VALUES (1)").unwrap();
    // As a killed program leaves it.
    let folder = tempfile::tempdir().unwrap();
    for name in ["jobs.db", "jobs.db-wal"] {
        std::fs::copy(elsewhere.path().join(name), folder.path().join(name)).unwrap();
    }
    assert_refused_untouched(folder.path(), "another program's").await;
}

#[tokio::test]
async fn an_older_file_gets_the_tables_that_it_lacks_and_keeps_its_jobs() {
    let without_trials = "DROP TABLE trials; PRAGMA user_version = 3;";
    let without_workers = format!("{without_trials} DROP TABLE workers; PRAGMA user_version = 2;");
    let without_buckets =
        format!("{without_workers} DROP TABLE buckets; DROP TABLE bucket_values; PRAGMA user_version = 1");
    for older in [without_trials, &without_workers, &without_buckets] {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&url(folder.path()), OpenOptions::default()).await.unwrap();
        push(&store, "a").await;
        drop(store);
        let file = rusqlite::Connection::open(folder.path().join("jobs.db")).unwrap();
        file.execute_batch(older).unwrap();
        drop(file);
        for _ in 0..2 {
            let store = open(&url(folder.path()), OpenOptions::default()).await.unwrap();
            assert!(store.keys(&Bucket::new("b").unwrap(), None, 1).await.unwrap().is_empty());
            assert!(store.workers().await.unwrap().workers.is_empty());
            assert_eq!(store.trial(&TrialName::new("p").unwrap()).await.unwrap(), None);
            assert_eq!(store.counts(&channel()).await.unwrap().waiting, 1);
        }
    }
}

#[tokio::test]
async fn a_newer_jobhosts_file_is_refused_untouched() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&url(folder.path()), OpenOptions::default()).await.unwrap();
    push(&store, "a").await;
    drop(store);
    let newer = rusqlite::Connection::open(folder.path().join("jobs.db")).unwrap();
    newer.pragma_update(None, "user_version", 99).unwrap();
    drop(newer);
    assert_refused_untouched(folder.path(), "newer jobhost (schema 99").await;
}
