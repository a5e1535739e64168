//! Promises of `push`.

use super::stage::{Stage, assert_invalid, channel, done, forged, ids, job, push_to};
use crate::job::{JobId, MAX_BODY, MAX_METADATA, NewJob, Token};
use crate::store::{Counts, Pushed};

pub async fn jobs_are_served_first_in_first_out(t: Stage) {
    t.push(&["a", "b"]).await;
    t.push(&["c"]).await;
    t.push(&["d", "e"]).await;
    assert_eq!(t.drain().await, ["a", "b", "c", "d", "e"]);
}

pub async fn ids_count_from_one_within_a_channel(t: Stage) {
    assert_eq!(t.push(&["a", "b"]).await, [JobId(1), JobId(2)]);
    assert_eq!(t.push(&["c"]).await, [JobId(3)]);
    let other = push_to(t.store.as_ref(), &channel("other"), &["d"]).await;
    assert_eq!(other, [JobId(1)]);
    assert_eq!(ids(&t.take(9).await), [JobId(1), JobId(2), JobId(3)]);
}

pub async fn a_pushed_job_arrives_as_it_was_stored(t: Stage) {
    let bytes: Vec<u8> = (0..=255).chain(*b";1;{}").collect();
    let new = NewJob {
        metadata: vec![("of".into(), "ä\n".into()), ("empty".into(), String::new())],
        ..NewJob::new(bytes.clone(), 77)
    };
    t.push_jobs(std::slice::from_ref(&new)).await;
    let taken = t.take_one().await;
    let expected = crate::job::Message::Readable { ttr: 77, body: bytes };
    assert_eq!(taken.message, expected);
    assert_eq!(taken.metadata, new.metadata);
    assert_eq!(taken.lease.channel, t.channel);
}

pub async fn a_batch_with_a_bad_job_stores_nothing(t: Stage) {
    assert_invalid(t.try_push(&[job("a"), NewJob::new("b", 0)]).await);
    assert_eq!(t.counts().await, Counts::default());
    assert_eq!(t.push(&["c"]).await, [JobId(1)]);
}

pub async fn a_body_over_the_limit_is_invalid(t: Stage) {
    assert_invalid(t.try_push(&[NewJob::new(vec![b'x'; MAX_BODY + 1], 1)]).await);
    assert_eq!(t.counts().await, Counts::default());
}

pub async fn a_ttr_of_zero_is_invalid(t: Stage) {
    assert_invalid(t.try_push(&[NewJob::new("a", 0)]).await);
    assert_eq!(t.counts().await, Counts::default());
}

pub async fn metadata_over_the_limit_is_invalid(t: Stage) {
    let with = |bytes: usize| NewJob { metadata: vec![("n".into(), "v".repeat(bytes - 1))], ..job("a") };
    assert_invalid(t.try_push(&[with(MAX_METADATA + 1)]).await);
    assert_eq!(t.push_jobs(&[with(MAX_METADATA)]).await.len(), 1);
}

pub async fn a_push_sent_twice_stores_once(t: Stage) {
    let token = Token::random();
    let jobs = [job("a"), job("b")];
    let first = t.store.push(&t.channel, token.clone(), None, &jobs).await;
    t.push(&["c"]).await;
    let again = t.another().await;
    let second = again.push(&t.channel, token, None, &jobs).await;
    assert_eq!(first.unwrap(), second.unwrap());
    assert_eq!(t.drain().await, ["a", "b", "c"]);
}

pub async fn pushes_of_two_handles_get_different_ids(t: Stage) {
    let other = t.another().await;
    let mut all = t.push(&["a"]).await;
    all.extend(push_to(other.as_ref(), &t.channel, &["b"]).await);
    all.extend(t.push(&["c"]).await);
    assert_eq!(all, [JobId(1), JobId(2), JobId(3)]);
    assert_eq!(t.drain().await, ["a", "b", "c"]);
}

pub async fn channels_do_not_see_each_other(t: Stage) {
    let other = channel("tested:too");
    t.push(&["a"]).await;
    assert_eq!(t.drain_of(&other).await, Vec::<String>::new());
    assert_eq!(t.store.counts(&other).await.unwrap(), Counts::default());
    assert!(t.store.status(&other, JobId(1)).await.unwrap().is_none());
    assert!(!t.store.remove(&other, JobId(1)).await.unwrap());
    assert_eq!(t.store.clear(&other).await.unwrap(), 0);
    assert_eq!(t.drain().await, ["a"]);
}

pub async fn a_fenced_push_is_stored_while_the_lease_holds(t: Stage) {
    let other = channel("other");
    t.push(&["a"]).await;
    let held = t.take_one().await;
    let pushed = t.store.push(&other, Token::random(), Some(&held.lease), &[job("b")]).await;
    assert_eq!(pushed.unwrap(), Pushed::Stored(vec![JobId(1)]));
    let own = t.store.push(&t.channel, Token::random(), Some(&held.lease), &[job("c")]).await;
    assert_eq!(own.unwrap(), Pushed::Stored(vec![JobId(2)]));
    assert_eq!(t.drain_of(&other).await, ["b"]);
    assert_eq!(t.drain().await, ["c"]);
}

pub async fn a_fenced_push_stores_nothing_once_the_lease_is_settled(t: Stage) {
    t.push(&["a"]).await;
    let held = t.take_one().await;
    t.done(&held).await;
    let pushed = t.store.push(&t.channel, Token::random(), Some(&held.lease), &[job("b")]).await;
    assert_eq!(pushed.unwrap(), Pushed::Lost);
    assert_eq!(t.counts().await.waiting, 0);
}

pub async fn a_fenced_push_stores_nothing_for_a_foreign_token(t: Stage) {
    t.push(&["a"]).await;
    let held = t.take_one().await;
    let foreign = forged(&held.lease);
    let pushed = t.store.push(&t.channel, Token::random(), Some(&foreign), &[job("b")]).await;
    assert_eq!(pushed.unwrap(), Pushed::Lost);
    assert_eq!(t.counts().await.waiting, 0);
    assert_eq!(t.settle(&held, done()).await, crate::Settled::Yes(vec![]));
}

pub async fn a_fenced_push_sent_again_after_the_settlement_returns_the_first_answer(t: Stage) {
    t.push(&["a"]).await;
    let held = t.take_one().await;
    let token = Token::random();
    let jobs = [job("b")];
    let fence = Some(&held.lease);
    let send = || t.store.push(&t.channel, token.clone(), fence, &jobs);
    let first = send().await.unwrap();
    t.done(&held).await;
    assert_eq!(send().await.unwrap(), first);
    assert_eq!(t.drain().await, ["b"]);
}
