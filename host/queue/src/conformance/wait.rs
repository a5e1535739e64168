//! Promises of `wait`. Its timeouts are of real time: nothing here is slower
//! than the store.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::stage::{Stage, channel, done, follow_up, push_to, seconds, settlement};
use crate::error::StoreError;
use crate::job::Channel;
use crate::store::{Settlement, Store, Verdict, Wake};

/// Long enough for a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(20);
/// Long enough for a wait to have begun.
const MOMENT: Duration = Duration::from_millis(60);

type Waiting = JoinHandle<Result<Wake, StoreError>>;

/// Starts to wait, and sees that it does wait.
async fn waiting(store: &Arc<dyn Store>, channel: &Channel) -> Waiting {
    let (store, channel) = (Arc::clone(store), channel.clone());
    let mut waiting = tokio::spawn(async move { store.wait(&channel, 2 * PATIENCE).await });
    let early = timeout(MOMENT, &mut waiting).await;
    assert!(early.is_err(), "nothing waits yet: {early:?}");
    waiting
}

async fn assert_woken(waiting: Waiting) {
    let woken = timeout(PATIENCE, waiting).await;
    let woken = woken.unwrap_or_else(|_| panic!("a wait should have been woken"));
    assert_eq!(woken.unwrap().unwrap(), Wake::Ready);
}

pub async fn wait_returns_at_once_where_a_job_waits(t: Stage) {
    t.push(&["a"]).await;
    assert_woken(tokio::spawn({
        let (store, channel) = (t.store.clone(), t.channel.clone());
        async move { store.wait(&channel, 2 * PATIENCE).await }
    }))
    .await;
    assert_eq!(t.drain().await, ["a"]);
}

pub async fn wait_is_woken_by_a_push_of_the_same_handle(t: Stage) {
    let waiting = waiting(&t.store, &t.channel).await;
    t.push(&["a"]).await;
    assert_woken(waiting).await;
    assert_eq!(t.drain().await, ["a"]);
}

pub async fn wait_is_woken_by_a_push_of_another_handle(t: Stage) {
    let other = t.another().await;
    let waiting = waiting(&other, &t.channel).await;
    t.push(&["a"]).await;
    assert_woken(waiting).await;
    assert_eq!(t.drain().await, ["a"]);
}

pub async fn wait_is_woken_by_a_job_handed_back_elsewhere(t: Stage) {
    t.push(&["a"]).await;
    let taken = t.take_one().await;
    let other = t.another().await;
    let waiting = waiting(&other, &t.channel).await;
    t.settle(&taken, Verdict::HandedBack).await;
    assert_woken(waiting).await;
}

pub async fn wait_is_woken_by_a_follow_up(t: Stage) {
    let target = channel("target");
    t.push(&["a"]).await;
    let taken = t.take_one().await;
    let waiting = waiting(&t.store, &target).await;
    let batch = [Settlement { follow_ups: vec![follow_up(&target, "b")], ..settlement(&taken, done()) }];
    t.settle_all(&batch).await;
    assert_woken(waiting).await;
    assert_eq!(t.drain_of(&target).await, ["b"]);
}

pub async fn wait_times_out_where_nothing_comes(t: Stage) {
    t.push_delayed("delayed", seconds(60)).await;
    t.push(&["held"]).await;
    t.take_one().await;
    let waited = t.store.wait(&t.channel, MOMENT);
    let waited = timeout(PATIENCE, waited).await.unwrap();
    assert_eq!(waited.unwrap(), Wake::TimedOut);
}

pub async fn wait_ignores_other_channels(t: Stage) {
    let waiting = waiting(&t.store, &channel("other")).await;
    t.push(&["a"]).await;
    let mut waiting = waiting;
    assert!(timeout(MOMENT, &mut waiting).await.is_err());
    push_to(t.store.as_ref(), &channel("other"), &["b"]).await;
    assert_woken(waiting).await;
}

pub async fn a_dropped_wait_takes_nothing_along(t: Stage) {
    let dropped = waiting(&t.store, &t.channel).await;
    dropped.abort();
    assert!(dropped.await.unwrap_err().is_cancelled());
    t.push(&["a", "b"]).await;
    let waited = t.store.wait(&t.channel, PATIENCE).await;
    assert_eq!(waited.unwrap(), Wake::Ready);
    assert_eq!(t.drain().await, ["a", "b"]);
    let again = waiting(&t.store, &t.channel).await;
    t.push(&["c"]).await;
    assert_woken(again).await;
}

pub async fn several_waiters_are_all_woken(t: Stage) {
    let other = t.another().await;
    let waiters =
        [waiting(&t.store, &t.channel).await, waiting(&t.store, &t.channel).await, waiting(&other, &t.channel).await];
    t.push(&["a", "b", "c"]).await;
    for waiter in waiters {
        assert_woken(waiter).await;
    }
}
