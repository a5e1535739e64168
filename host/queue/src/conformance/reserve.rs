//! Promises of `reserve`.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::stage::{Stage, assert_invalid, bodies, channel, done, ids, job, options, push_to, seconds, take_from};
use crate::job::{JobId, Token};
use crate::store::{Store, Verdict};

pub async fn reserve_takes_at_most_its_limit(t: Stage) {
    t.push(&["a", "b", "c"]).await;
    assert_eq!(bodies(&t.take(2).await), ["a", "b"]);
    assert_eq!(bodies(&t.take(2).await), ["c"]);
}

pub async fn a_reserve_takes_no_more_than_4_mib_of_bodies_and_one_more_job(t: Stage) {
    let large = "x".repeat(9 << 18);
    for _ in 0..3 {
        t.push(&[&large]).await;
    }
    let first = t.reserve(3).await;
    assert_eq!((first.jobs.len(), first.waiting), (2, true));
    assert_eq!(t.take(3).await.len(), 1);
}

pub async fn reserve_says_whether_jobs_are_left(t: Stage) {
    t.push(&["a", "b", "c"]).await;
    assert!(t.reserve(2).await.waiting);
    assert!(!t.reserve(1).await.waiting);
}

pub async fn reserve_of_an_empty_queue_is_empty(t: Stage) {
    let reservation = t.reserve(10).await;
    assert!(reservation.jobs.is_empty());
    assert!(!reservation.waiting);
    assert_eq!(reservation.next_due, None);
}

pub async fn reserve_counts_the_attempt(t: Stage) {
    t.push(&["a"]).await;
    for attempt in 1..=3 {
        let taken = t.take_one().await;
        assert_eq!(taken.attempt, attempt);
        assert_eq!(taken.crashes, 0);
        t.settle(&taken, Verdict::Retry { delay: seconds(0) }).await;
    }
}

pub async fn a_reserve_sent_twice_takes_the_same_jobs_once(t: Stage) {
    t.push(&["a", "b", "c"]).await;
    let token = Token::random();
    let two = options(2);
    let first = t.store.reserve(&t.channel, token.clone(), &two).await;
    let first = first.unwrap();
    let again = t.another().await;
    let second = again.reserve(&t.channel, token, &two).await.unwrap();
    assert_eq!(bodies(&first.jobs), ["a", "b"]);
    assert_eq!(bodies(&second.jobs), ["a", "b"]);
    let both = first.jobs.iter().zip(&second.jobs);
    for (one, two) in both {
        assert_eq!((&one.lease, &one.key), (&two.lease, &two.key));
        assert_eq!((one.attempt, two.attempt), (1, 1));
        assert_eq!(one.reserved_at, two.reserved_at);
    }
    assert_eq!(t.counts().await.reserved, 2);
    for taken in &second.jobs {
        t.done(taken).await;
    }
}

pub async fn a_reserve_sent_twice_when_empty_takes_nothing_new(t: Stage) {
    let token = Token::random();
    for _ in 0..2 {
        let options = options(2);
        let taken = t.store.reserve(&t.channel, token.clone(), &options);
        assert!(taken.await.unwrap().jobs.is_empty());
    }
}

pub async fn reserve_limits_outside_1_to_1000_are_invalid(t: Stage) {
    t.push(&["a"]).await;
    assert_invalid(t.try_reserve(&options(0)).await);
    assert_invalid(t.try_reserve(&options(1001)).await);
    assert_eq!(t.counts().await.waiting, 1);
    assert_eq!(t.take(1000).await.len(), 1);
}

pub async fn a_reserved_job_is_not_served_again(t: Stage) {
    t.push(&["a"]).await;
    t.take_one().await;
    assert!(t.take(9).await.is_empty());
    let other = t.another().await;
    assert!(take_from(other.as_ref(), &t.channel, 9).await.is_empty());
}

pub async fn concurrent_reserves_take_each_job_once(t: Stage) {
    const JOBS: u64 = 300;
    let jobs: Vec<_> = (0..JOBS).map(|n| job(&n.to_string())).collect();
    t.push_jobs(&jobs).await;
    let handles = [t.store.clone(), t.another().await];
    let workers: Vec<_> = (0..8)
        .map(|n| {
            let (store, channel) = (Arc::clone(&handles[n % 2]), t.channel.clone());
            tokio::spawn(async move { take_all(store.as_ref(), &channel).await })
        })
        .collect();
    let mut taken = Vec::new();
    for worker in workers {
        taken.extend(worker.await.unwrap());
    }
    assert_eq!(taken.len(), usize::try_from(JOBS).unwrap());
    assert_eq!(taken.into_iter().collect::<BTreeSet<_>>(), (1..=JOBS).map(JobId).collect());
}

async fn take_all(store: &dyn Store, channel: &crate::Channel) -> Vec<JobId> {
    let mut taken = Vec::new();
    loop {
        let some = take_from(store, channel, 7).await;
        if some.is_empty() {
            return taken;
        }
        taken.extend(ids(&some));
    }
}

pub async fn a_job_is_stamped_with_the_times_of_push_and_reserve(t: Stage) {
    let pushed_at = t.clock.now();
    t.push(&["a"]).await;
    t.clock.advance(seconds(5));
    let taken = t.take_one().await;
    assert_eq!(taken.pushed_at, Some(pushed_at));
    assert_eq!(taken.reserved_at, pushed_at + 5_000);
}

pub async fn a_job_says_since_when_it_could_be_taken(t: Stage) {
    let start = t.clock.now();
    t.push(&["a"]).await;
    t.clock.advance(seconds(5));
    let first = t.take_one().await;
    assert_eq!(first.ready_at, Some(start));
    t.settle(&first, Verdict::HandedBack).await;
    let again = t.take_one().await;
    assert_eq!(again.ready_at, Some(start), "it is the same attempt");
    let delay = seconds(30);
    t.settle(&again, Verdict::Retry { delay }).await;
    t.clock.advance(seconds(60));
    let second = t.take_one().await;
    assert_eq!(second.ready_at, Some(start + 35_000));
    let delay = seconds(0);
    t.settle(&second, Verdict::Retry { delay }).await;
    t.clock.advance(seconds(5));
    assert_eq!(t.take_one().await.ready_at, Some(start + 65_000));
    t.push_delayed("b", seconds(10)).await;
    t.clock.advance(seconds(20));
    assert_eq!(t.take_one().await.ready_at, Some(start + 80_000));
}

pub async fn a_job_says_when_it_was_first_taken(t: Stage) {
    t.push(&["a"]).await;
    t.clock.advance(seconds(5));
    let first_reserved_at = t.clock.now();
    for verdict in [
        Verdict::Retry { delay: seconds(0) },
        Verdict::HandedBack,
        Verdict::Postponed { delay: seconds(5) },
        Verdict::Retry { delay: seconds(5) },
        done(),
    ] {
        let taken = t.take_one().await;
        assert_eq!(taken.first_reserved_at, first_reserved_at);
        t.settle(&taken, verdict).await;
        t.clock.advance(seconds(10));
    }
}

pub async fn key_metadata_and_push_time_are_the_same_for_every_attempt(t: Stage) {
    let new = crate::NewJob { metadata: vec![("who".into(), "me".into())], ..job("a") };
    t.push_jobs(&[new]).await;
    let first = t.take_one().await;
    assert!(!first.key.is_empty());
    t.clock.advance(seconds(3));
    t.settle(&first, Verdict::Retry { delay: seconds(0) }).await;
    let second = t.take_one().await;
    assert_eq!(second.attempt, 2);
    assert_eq!(second.key, first.key);
    assert_eq!(second.metadata, first.metadata);
    assert_eq!(second.pushed_at, first.pushed_at);
}

pub async fn keys_are_unique_across_channels(t: Stage) {
    let other = channel("other");
    t.push(&["a", "b"]).await;
    push_to(t.store.as_ref(), &other, &["c"]).await;
    let mut taken = t.take(2).await;
    taken.extend(take_from(t.store.as_ref(), &other, 2).await);
    let keys: BTreeSet<_> = taken.iter().map(|job| &job.key).collect();
    assert_eq!(keys.len(), 3);
}
