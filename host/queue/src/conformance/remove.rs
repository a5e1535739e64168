//! Promises of `remove`, `clear` and `erase`.

use super::stage::{Stage, channel, done, ids, push_to, seconds};
use crate::job::JobId;
use crate::store::{Counts, Held, Settled, Verdict};

pub async fn a_waiting_job_can_be_removed(t: Stage) {
    let ids = t.push(&["a", "b", "c"]).await;
    assert!(t.store.remove(&t.channel, ids[1]).await.unwrap());
    assert!(!t.store.remove(&t.channel, ids[1]).await.unwrap());
    assert!(t.status(ids[1]).await.is_none());
    assert_eq!(t.drain().await, ["a", "c"]);
}

pub async fn a_delayed_job_can_be_removed(t: Stage) {
    let id = t.push_delayed("a", seconds(10)).await;
    assert!(t.store.remove(&t.channel, id).await.unwrap());
    assert_eq!(t.counts().await, Counts::default());
    t.clock.advance(seconds(10));
    assert!(t.drain().await.is_empty());
}

pub async fn a_removed_reserved_job_settles_nothing(t: Stage) {
    t.push(&["a"]).await;
    let taken = t.take_one().await;
    assert!(t.store.remove(&t.channel, taken.lease.id).await.unwrap());
    assert_eq!(t.extend(&taken.lease).await, Held::Lost);
    let retry = Verdict::Retry { delay: seconds(0) };
    assert_eq!(t.settle(&taken, retry).await, Settled::Lost);
    assert_eq!(t.settle(&taken, done()).await, Settled::Lost);
    assert_eq!(t.counts().await, Counts::default());
    assert!(t.status(taken.lease.id).await.is_none());
}

pub async fn only_live_jobs_can_be_removed(t: Stage) {
    let failed = t.fail("a").await;
    t.push(&["b"]).await;
    let taken = t.take_one().await;
    t.done(&taken).await;
    for id in [failed, taken.lease.id, JobId(99), JobId(u64::MAX)] {
        assert!(!t.store.remove(&t.channel, id).await.unwrap());
    }
    assert_eq!(t.failed_ids(0, 9).await, [failed]);
    assert_eq!((t.counts().await.done, t.counts().await.failed), (1, 1));
}

pub async fn clear_removes_live_jobs_and_keeps_failures_and_ids(t: Stage) {
    let failed = t.fail("f").await;
    let ids = t.push(&["a", "b", "c"]).await;
    t.take_one().await;
    t.push_delayed("d", seconds(10)).await;
    assert_eq!(t.store.clear(&t.channel).await.unwrap(), 4);
    let expected = Counts { failed: 1, ..Counts::default() };
    assert_eq!(t.counts().await, expected);
    assert!(t.status(ids[0]).await.is_none());
    assert_eq!(t.failed_ids(0, 9).await, [failed]);
    t.clock.advance(seconds(10));
    assert!(t.drain().await.is_empty());
    assert_eq!(t.push(&["e"]).await, [JobId(6)]);
    assert_eq!(t.store.clear(&t.channel).await.unwrap(), 1);
    assert_eq!(t.store.clear(&t.channel).await.unwrap(), 0);
}

pub async fn a_job_pushed_during_a_clear_stays(t: Stage) {
    let other = t.another().await;
    let mut pushed = t.push(&vec!["old"; 5000]).await;
    let (store, channel) = (t.store.clone(), t.channel.clone());
    let clearing = tokio::spawn(async move { store.clear(&channel).await });
    let mut must_stay = Vec::new();
    while must_stay.is_empty() || !clearing.is_finished() {
        let begun = t.counts().await.waiting < pushed.len() as u64;
        let ids = push_to(other.as_ref(), &t.channel, &["new"]).await;
        must_stay.extend(ids.iter().filter(|_| begun));
        pushed.extend(ids);
    }
    let removed = usize::try_from(clearing.await.unwrap().unwrap()).unwrap();
    let left = ids(&t.take(1000).await);
    assert!(removed >= 5000);
    assert_eq!(left, pushed[removed..], "the last of those pushed");
    assert!(left.ends_with(&must_stay), "{must_stay:?} of {left:?}");
}

pub async fn a_lease_of_a_cleared_job_is_lost(t: Stage) {
    t.push(&["a"]).await;
    let taken = t.take_one().await;
    t.store.clear(&t.channel).await.unwrap();
    assert_eq!(t.extend(&taken.lease).await, Held::Lost);
    assert_eq!(t.settle(&taken, done()).await, Settled::Lost);
    assert_eq!(t.counts().await, Counts::default());
}

pub async fn clear_leaves_channels_whose_names_begin_alike(t: Stage) {
    let name = t.channel.as_str();
    let others = ["b", "waiting", "messages"].map(|end| channel(&format!("{name}.{end}")));
    for other in &others {
        push_to(t.store.as_ref(), other, &["theirs"]).await;
    }
    t.push(&["ours"]).await;
    assert_eq!(t.store.clear(&t.channel).await.unwrap(), 1);
    for other in &others {
        assert_eq!(t.drain_of(other).await, ["theirs"], "{other}");
    }
}

pub async fn an_erased_channel_is_as_if_it_had_never_been_used(t: Stage) {
    assert!(!t.store.is_used(&t.channel).await.unwrap());
    let failed = t.fail("f").await;
    t.push(&["done"]).await;
    let taken = t.take_one().await;
    t.done(&taken).await;
    t.push(&["held"]).await;
    let held = t.take_one().await;
    t.push(&vec!["waiting"; 1200]).await;
    t.push_delayed("delayed", seconds(10)).await;
    assert!(t.store.is_used(&t.channel).await.unwrap());
    t.store.erase(&t.channel).await.unwrap();
    assert!(!t.store.is_used(&t.channel).await.unwrap());
    assert_eq!(t.counts().await, Counts::default());
    assert_eq!(t.extend(&held.lease).await, Held::Lost);
    for id in [failed, taken.lease.id, held.lease.id] {
        assert!(t.status(id).await.is_none(), "{id}");
    }
    assert!(t.failed_ids(0, 9).await.is_empty());
    t.clock.advance(seconds(10));
    assert!(t.drain().await.is_empty());
    assert_eq!(t.push(&["anew"]).await, [JobId(1)]);
    assert_eq!(t.drain().await, ["anew"]);
}

pub async fn a_channel_of_which_only_ids_are_left_is_used_until_it_is_erased(t: Stage) {
    t.push(&["a"]).await;
    t.store.clear(&t.channel).await.unwrap();
    assert!(t.store.is_used(&t.channel).await.unwrap());
    t.store.erase(&t.channel).await.unwrap();
    assert!(!t.store.is_used(&t.channel).await.unwrap());
    t.store.erase(&t.channel).await.unwrap();
}

pub async fn erase_leaves_channels_whose_names_begin_alike(t: Stage) {
    let name = t.channel.as_str();
    let others = ["b", "waiting", "messages"].map(|end| channel(&format!("{name}.{end}")));
    for other in &others {
        push_to(t.store.as_ref(), other, &["theirs"]).await;
    }
    t.push(&["ours"]).await;
    t.store.erase(&t.channel).await.unwrap();
    for other in &others {
        assert_eq!(t.drain_of(other).await, ["theirs"], "{other}");
    }
}
