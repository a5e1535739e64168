//! Several processes on one SQLite file. Each test that needs another process
//! starts its own executable again with itself as the only test; the store's
//! address in the environment tells it that it is the other one.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test panics to fail, and talks to its other process by stdout"
)]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jobhost_queue::{
    AttemptRecord, Channel, JobId, NewJob, OpenOptions, Pushed, ReserveOptions, Retain, Settled, Settlement, Store,
    Token, Verdict, Wake, open,
};

const ADDRESS: &str = "JOBHOST_TEST_ADDRESS";

fn channel() -> Channel {
    Channel::new("tested").unwrap()
}

fn url(folder: &Path) -> String {
    format!("sqlite:{}/jobs.db", folder.display())
}

async fn opened(url: &str) -> Arc<dyn Store> {
    open(url, OpenOptions::default()).await.unwrap()
}

/// The address, if this is the other process.
fn other_process() -> Option<String> {
    std::env::var(ADDRESS).ok()
}

/// Another process that runs this test, with pipes to it.
fn start(test: &str, url: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(ADDRESS, url)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// What the other process says with [`say`], line by line.
fn said(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok)
        // The first line of a test comes behind its name.
        .filter_map(|line| Some(line.split_once("said ")?.1.to_owned()))
}

fn say(what: impl std::fmt::Display) {
    println!("said {what}");
    std::io::stdout().flush().unwrap();
}

fn wait_for_word() {
    let mut word = String::new();
    std::io::stdin().read_line(&mut word).unwrap();
}

async fn push(store: &Arc<dyn Store>, body: &str) -> JobId {
    let jobs = [NewJob::new(body, 60)];
    match store.push(&channel(), Token::random(), None, &jobs).await {
        Ok(Pushed::Stored(ids)) => ids[0],
        other => panic!("a push should have been stored: {other:?}"),
    }
}

/// Takes and settles jobs until there are none; returns their ids.
async fn drain(store: &Arc<dyn Store>, limit: u32) -> Vec<JobId> {
    let mut done = Vec::new();
    let options = ReserveOptions { limit, suspects: true, worker: "here:1".into() };
    loop {
        let reserved = store.reserve(&channel(), Token::random(), &options).await;
        let reserved = reserved.unwrap().jobs;
        if reserved.is_empty() {
            return done;
        }
        let batch: Vec<Settlement> = reserved
            .into_iter()
            .map(|job| Settlement {
                lease: job.lease,
                verdict: Verdict::Done { output: None },
                record: AttemptRecord::default(),
                follow_ups: Vec::new(),
                retain: Retain { done: Duration::ZERO, failed: Duration::ZERO, output: 0 },
            })
            .collect();
        let settled = store.settle(Token::random(), &batch).await.unwrap();
        assert!(settled.iter().all(|one| *one == Settled::Yes(vec![])));
        done.extend(batch.iter().map(|one| one.lease.id));
    }
}

#[tokio::test]
async fn a_push_of_another_process_wakes_a_waiter_within_100_ms() {
    if let Some(url) = other_process() {
        let store = opened(&url).await;
        say("ready");
        wait_for_word();
        push(&store, "a").await;
        say("pushed");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let store = opened(&url(folder.path())).await;
    let mut child = start("a_push_of_another_process_wakes_a_waiter_within_100_ms", &url(folder.path()));
    let mut words = said(&mut child);
    assert_eq!(words.next().as_deref(), Some("ready"));
    let woken = tokio::spawn(async move {
        let woken = store.wait(&channel(), Duration::from_secs(30)).await;
        (woken.unwrap(), Instant::now())
    });
    // It waits, and for so long that the last write is forgotten or not.
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!woken.is_finished());
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"go\n").unwrap();
    // The pipe stays open: the other process has more to say at its end.
    let pushed = tokio::task::spawn_blocking(move || (words.next(), Instant::now(), words));
    let (word, pushed_at, _words) = pushed.await.unwrap();
    assert_eq!(word.as_deref(), Some("pushed"));
    let (wake, woken_at) = woken.await.unwrap();
    assert_eq!(wake, Wake::Ready);
    let late = woken_at.saturating_duration_since(pushed_at);
    println!("woken {late:?} after the push was answered");
    assert!(late < Duration::from_millis(100), "{late:?}");
    assert!(child.wait().unwrap().success());
}

#[tokio::test]
async fn a_killed_process_loses_nothing_that_it_was_promised() {
    if let Some(url) = other_process() {
        let store = opened(&url).await;
        loop {
            say(push(&store, "a").await);
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let mut child = start("a_killed_process_loses_nothing_that_it_was_promised", &url(folder.path()));
    let mut words = said(&mut child);
    let mut promised: Vec<JobId> = words.by_ref().take(200).map(|id| id.parse().unwrap()).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    // What it had said before it died, without what was cut in the middle.
    let mut rest: Vec<String> = words.collect();
    rest.pop();
    promised.extend(rest.iter().map(|id| id.parse::<JobId>().unwrap()));
    assert!(promised.len() >= 200);
    let store = opened(&url(folder.path())).await;
    let there: BTreeSet<JobId> = drain(&store, 1000).await.into_iter().collect();
    for id in promised {
        assert!(there.contains(&id), "job {id} was promised and is gone");
    }
}

#[tokio::test]
async fn two_processes_that_push_and_take_lose_and_double_nothing() {
    const EACH: u64 = 300;
    if let Some(url) = other_process() {
        let store = opened(&url).await;
        for _ in 0..EACH {
            push(&store, "theirs").await;
            for id in drain(&store, 3).await {
                say(id);
            }
        }
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let url = url(folder.path());
    let store = opened(&url).await;
    let mut child = start("two_processes_that_push_and_take_lose_and_double_nothing", &url);
    let words = said(&mut child);
    let theirs = tokio::task::spawn_blocking(move || words.map(|id| id.parse::<JobId>().unwrap()).collect::<Vec<_>>());
    let mut taken = Vec::new();
    for _ in 0..EACH {
        push(&store, "ours").await;
        taken.extend(drain(&store, 3).await);
    }
    let theirs = theirs.await.unwrap();
    assert!(child.wait().unwrap().success());
    taken.extend(theirs);
    taken.extend(drain(&store, 3).await);
    taken.sort_unstable();
    assert_eq!(taken, (1..=2 * EACH).map(JobId).collect::<Vec<_>>());
    let counts = store.counts(&channel()).await.unwrap();
    assert_eq!((counts.done, counts.reserved), (2 * EACH, 0));
}
