//! Buckets: what is read, listed and changed, and under which lease.

use super::stage::{Stage, done};
use crate::error::StoreError;
use crate::job::{Lease, Token};
use crate::keyvalue::{Bucket, Change, Changed, Entry, KeyValue, Quota};

const AMPLE: Quota = Quota { keys: 1_000_000, bytes: 1 << 40 };

fn bucket() -> Bucket {
    Bucket::new("tested").unwrap()
}

fn set(key: &str, value: impl AsRef<[u8]>) -> Change {
    Change::Set(vec![(key.to_owned(), value.as_ref().to_vec())])
}

fn delete(key: &str) -> Change {
    Change::Delete(vec![key.to_owned()])
}

fn add(key: &str, delta: i64) -> Change {
    Change::Add { key: key.to_owned(), delta }
}

fn swap(key: &str, value: &str, version: u64) -> Change {
    Change::Swap { key: key.to_owned(), value: value.as_bytes().to_vec(), version }
}

/// A lease to write under.
async fn held(t: &Stage) -> Lease {
    t.push(&["a"]).await;
    t.take_one().await.lease
}

async fn change(t: &Stage, lease: &Lease, change: &Change) -> Changed {
    t.store.change(&bucket(), lease, AMPLE, change).await.unwrap()
}

/// The value and version at a key; for an absent one those of the bucket.
async fn look(store: &dyn KeyValue, key: &str) -> (Option<String>, u64) {
    let mut values = store.values(&bucket(), &[key.to_owned()]).await.unwrap();
    assert_eq!(values.entries.len(), 1);
    match values.entries.remove(0) {
        Some(Entry { value, version }) => (Some(String::from_utf8(value).unwrap()), version),
        None => (None, values.version),
    }
}

async fn value(t: &Stage, key: &str) -> Option<String> {
    look(&*t.store, key).await.0
}

async fn keys(t: &Stage, bucket: &Bucket) -> Vec<String> {
    t.store.keys(bucket, None, 1000).await.unwrap()
}

pub async fn what_is_set_is_read_by_every_handle(t: Stage) {
    let lease = held(&t).await;
    assert_eq!(change(&t, &lease, &set("k", "first")).await, Changed::Yes);
    assert_eq!(change(&t, &lease, &set("k", "second")).await, Changed::Yes);
    assert_eq!(value(&t, "k").await.as_deref(), Some("second"));
    let another = t.another().await;
    assert_eq!(look(&*another, "k").await.0.as_deref(), Some("second"));
    let names = ["no".to_owned(), "k".to_owned(), "k".to_owned()];
    let found = another.values(&bucket(), &names).await.unwrap();
    assert_eq!(found.entries.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true, true]);
}

pub async fn an_empty_bucket_has_no_keys_and_version_zero(t: Stage) {
    assert_eq!(look(&*t.store, "k").await, (None, 0));
    assert!(keys(&t, &bucket()).await.is_empty());
    assert_eq!(t.store.values(&bucket(), &[]).await.unwrap().entries, []);
}

pub async fn buckets_do_not_see_each_other_nor_channels(t: Stage) {
    let lease = held(&t).await;
    let other = Bucket::new("tested-2").unwrap();
    let same = Bucket::new(t.channel.as_str()).unwrap();
    for bucket in [&other, &same] {
        assert_eq!(t.store.change(bucket, &lease, AMPLE, &set("k", "v")).await.unwrap(), Changed::Yes);
    }
    assert_eq!(t.store.change(&other, &lease, AMPLE, &set("k", "other")).await.unwrap(), Changed::Yes);
    assert_eq!(value(&t, "k").await.as_deref(), Some("v"));
    assert_eq!(t.counts().await.reserved, 1);
}

pub async fn any_bytes_are_a_value_and_any_text_is_a_key(t: Stage) {
    let lease = held(&t).await;
    let bytes: Vec<u8> = (0..=255).collect();
    for key in [" ", "ä\n\0 7", "*", "(a", "[b", &"x".repeat(512)] {
        for value in [&b""[..], b" ", &bytes] {
            assert_eq!(change(&t, &lease, &set(key, value)).await, Changed::Yes);
            let found = t.store.values(&bucket(), &[key.to_owned()]).await.unwrap();
            assert_eq!(found.entries[0].as_ref().unwrap().value, value, "{key:?}");
        }
    }
    assert_eq!(keys(&t, &bucket()).await.len(), 6);
}

pub async fn keys_are_dropped_and_one_that_is_not_there_is_no_error(t: Stage) {
    let lease = held(&t).await;
    change(&t, &lease, &set("a", "1")).await;
    change(&t, &lease, &set("b", "2")).await;
    let both = Change::Delete(vec!["a".to_owned(), "no".to_owned(), "a".to_owned()]);
    assert_eq!(change(&t, &lease, &both).await, Changed::Yes);
    assert_eq!(value(&t, "a").await, None);
    assert_eq!(keys(&t, &bucket()).await, ["b"]);
    assert_eq!(change(&t, &lease, &delete("a")).await, Changed::Yes);
}

pub async fn several_values_are_set_or_none(t: Stage) {
    let lease = held(&t).await;
    let pair = |key: &str, value: &str| (key.to_owned(), value.as_bytes().to_vec());
    let three = Change::Set(vec![pair("a", "1"), pair("b", "2"), pair("a", "3")]);
    let small = Quota { keys: 1, ..AMPLE };
    assert_eq!(t.store.change(&bucket(), &lease, small, &three).await.unwrap(), Changed::TooManyKeys);
    assert!(keys(&t, &bucket()).await.is_empty());
    assert_eq!(change(&t, &lease, &three).await, Changed::Yes);
    assert_eq!(value(&t, "a").await.as_deref(), Some("3"));
    assert_eq!(value(&t, "b").await.as_deref(), Some("2"));
}

pub async fn keys_are_listed_in_order_page_by_page(t: Stage) {
    let lease = held(&t).await;
    let mut names: Vec<String> = (0..25).map(|n| format!("{n}")).collect();
    names.extend(["ä", "Z", "a b", "a"].map(str::to_owned));
    let entries = names.iter().map(|name| (name.clone(), Vec::new())).collect();
    assert_eq!(change(&t, &lease, &Change::Set(entries)).await, Changed::Yes);
    let mut listed: Vec<String> = Vec::new();
    loop {
        let page = t.store.keys(&bucket(), listed.last().map(String::as_str), 7).await.unwrap();
        assert!(page.len() <= 7);
        if page.is_empty() {
            break;
        }
        listed.extend(page);
        // What comes and goes meanwhile does not move the rest.
        change(&t, &lease, &delete(&listed[0].clone())).await;
    }
    names.sort();
    assert_eq!(listed, names);
}

pub async fn a_number_is_added_to_by_many_without_a_loss(t: Stage) {
    t.push(&["a", "b"]).await;
    let leases: Vec<Lease> = t.take(2).await.into_iter().map(|job| job.lease).collect();
    let another = t.another().await;
    let mut adding = tokio::task::JoinSet::new();
    for round in 0..20 {
        for (store, lease) in [(&t.store, &leases[0]), (&another, &leases[1])] {
            let (store, lease) = (std::sync::Arc::clone(store), lease.clone());
            adding.spawn(async move { store.change(&bucket(), &lease, AMPLE, &add("n", round)).await.unwrap() });
        }
    }
    let mut sums = adding.join_all().await;
    assert_eq!(sums.len(), 40);
    sums.retain(|sum| *sum == Changed::Sum(380));
    assert!(!sums.is_empty());
    assert_eq!(value(&t, "n").await.as_deref(), Some("380"));
}

pub async fn numbers_are_exact_to_64_bits(t: Stage) {
    let lease = held(&t).await;
    assert_eq!(change(&t, &lease, &add("n", i64::MAX - 1)).await, Changed::Sum(i64::MAX - 1));
    assert_eq!(change(&t, &lease, &add("n", 1)).await, Changed::Sum(i64::MAX));
    assert_eq!(change(&t, &lease, &add("n", 1)).await, Changed::NotANumber);
    assert_eq!(value(&t, "n").await, Some(i64::MAX.to_string()));
    assert_eq!(change(&t, &lease, &add("m", i64::MIN)).await, Changed::Sum(i64::MIN));
    assert_eq!(change(&t, &lease, &add("m", -1)).await, Changed::NotANumber);
    assert_eq!(change(&t, &lease, &set("s", "-7")).await, Changed::Yes);
    assert_eq!(change(&t, &lease, &add("s", 8)).await, Changed::Sum(1));
}

pub async fn what_is_not_a_number_is_left_alone(t: Stage) {
    let lease = held(&t).await;
    for odd in ["", "x", "1.5", " 1", "1 ", "+1", "007", "-0", "9223372036854775808", "\u{0}"] {
        change(&t, &lease, &set("k", odd)).await;
        let before = look(&*t.store, "k").await;
        assert_eq!(change(&t, &lease, &add("k", 1)).await, Changed::NotANumber, "{odd:?}");
        assert_eq!(look(&*t.store, "k").await, before, "{odd:?}");
    }
}

pub async fn every_write_gives_a_version_that_was_never_there(t: Stage) {
    let lease = held(&t).await;
    let mut seen = vec![look(&*t.store, "k").await.1];
    let version = look(&*t.store, "k").await.1;
    for write in [swap("k", "1", version), set("k", "1"), add("k", 0), delete("k"), set("other", ""), set("k", "1")] {
        assert_ne!(change(&t, &lease, &write).await, Changed::Stale);
        seen.push(look(&*t.store, "k").await.1);
    }
    assert!(seen.is_sorted_by(|one, next| one < next), "{seen:?}");
}

pub async fn a_swap_of_what_was_seen_is_made(t: Stage) {
    let lease = held(&t).await;
    let (_, absent) = look(&*t.store, "k").await;
    change(&t, &lease, &set("other", "x")).await;
    assert_eq!(change(&t, &lease, &swap("k", "1", absent)).await, Changed::Yes);
    let (_, version) = look(&*t.store, "k").await;
    change(&t, &lease, &delete("other")).await;
    assert_eq!(change(&t, &lease, &swap("k", "2", version)).await, Changed::Yes);
    assert_eq!(value(&t, "k").await.as_deref(), Some("2"));
}

pub async fn a_swap_of_what_somebody_wrote_since_is_stale(t: Stage) {
    let lease = held(&t).await;
    change(&t, &lease, &set("k", "5")).await;
    for write in [set("k", "5"), add("k", 0), delete("k")] {
        change(&t, &lease, &set("k", "5")).await;
        let (_, version) = look(&*t.store, "k").await;
        change(&t, &lease, &write).await;
        let before = look(&*t.store, "k").await;
        assert_eq!(change(&t, &lease, &swap("k", "mine", version)).await, Changed::Stale, "{write:?}");
        assert_eq!(look(&*t.store, "k").await, before, "{write:?}");
    }
}

pub async fn a_swap_of_an_absent_key_is_stale_once_it_was_there_in_between(t: Stage) {
    let lease = held(&t).await;
    let (_, absent) = look(&*t.store, "k").await;
    change(&t, &lease, &set("k", "1")).await;
    assert_eq!(change(&t, &lease, &swap("k", "mine", absent)).await, Changed::Stale);
    change(&t, &lease, &delete("k")).await;
    assert_eq!(change(&t, &lease, &swap("k", "mine", absent)).await, Changed::Stale);
    let (_, absent) = look(&*t.store, "k").await;
    assert_eq!(change(&t, &lease, &swap("k", "mine", absent)).await, Changed::Yes);
}

pub async fn of_many_swaps_of_one_look_one_is_made(t: Stage) {
    let lease = held(&t).await;
    change(&t, &lease, &set("k", "0")).await;
    let (_, version) = look(&*t.store, "k").await;
    let another = t.another().await;
    let mut swapping = tokio::task::JoinSet::new();
    for (round, store) in (0..20).flat_map(|round| [(round, &t.store), (round + 20, &another)]) {
        let (store, lease) = (std::sync::Arc::clone(store), lease.clone());
        let swap = swap("k", &round.to_string(), version);
        swapping.spawn(async move { store.change(&bucket(), &lease, AMPLE, &swap).await.unwrap() });
    }
    let answers = swapping.join_all().await;
    assert_eq!(answers.iter().filter(|answer| **answer == Changed::Yes).count(), 1, "{answers:?}");
    assert_eq!(answers.iter().filter(|answer| **answer == Changed::Stale).count(), 39);
}

pub async fn a_change_under_a_lost_lease_changes_nothing(t: Stage) {
    t.push(&["a"]).await;
    let job = t.take_one().await;
    change(&t, &job.lease, &set("k", "mine")).await;
    assert_eq!(t.settle(&job, done()).await, crate::store::Settled::Yes(vec![]));
    for late in [set("k", "late"), delete("k"), add("n", 1), swap("m", "late", 99)] {
        assert_eq!(change(&t, &job.lease, &late).await, Changed::Lost);
    }
    assert_eq!(value(&t, "k").await.as_deref(), Some("mine"));
    assert_eq!(keys(&t, &bucket()).await, ["k"]);
}

pub async fn a_change_under_a_foreign_token_changes_nothing(t: Stage) {
    let lease = held(&t).await;
    let forged = Lease { token: Token::random(), ..lease };
    assert_eq!(change(&t, &forged, &set("k", "forged")).await, Changed::Lost);
    assert_eq!(value(&t, "k").await, None);
}

pub async fn a_full_bucket_takes_no_more_keys_and_no_more_bytes(t: Stage) {
    let lease = held(&t).await;
    let quota = Quota { keys: 2, bytes: 10 };
    let change = async |change: Change| t.store.change(&bucket(), &lease, quota, &change).await.unwrap();
    assert_eq!(change(set("a", "1234")).await, Changed::Yes);
    assert_eq!(change(set("b", "12345")).await, Changed::TooManyBytes);
    assert_eq!(change(set("b", "1234")).await, Changed::Yes);
    assert_eq!(change(set("c", "")).await, Changed::TooManyKeys);
    assert_eq!(change(add("c", 1)).await, Changed::TooManyKeys);
    assert_eq!(change(swap("c", "", 99)).await, Changed::TooManyKeys);
    assert_eq!(change(set("a", "12345")).await, Changed::TooManyBytes);
    assert_eq!(change(set("a", "9")).await, Changed::Yes);
    assert_eq!(change(add("a", 90)).await, Changed::Sum(99));
    assert_eq!(change(delete("b")).await, Changed::Yes);
    assert_eq!(change(set("c", "12")).await, Changed::Yes);
    assert_eq!(keys(&t, &bucket()).await, ["a", "c"]);
    // Under a quota that was lowered what is there can be made smaller.
    let lowered = Quota { keys: 1, bytes: 1 };
    let smaller = t.store.change(&bucket(), &lease, lowered, &set("a", "1")).await;
    assert_eq!(smaller.unwrap(), Changed::Yes);
}

pub async fn a_bucket_is_what_it_was_after_a_clear(t: Stage) {
    let lease = held(&t).await;
    change(&t, &lease, &set("k", "v")).await;
    assert_eq!(t.store.clear(&t.channel).await.unwrap(), 1);
    assert_eq!(value(&t, "k").await.as_deref(), Some("v"));
    assert_eq!(change(&t, &lease, &set("k", "late")).await, Changed::Lost);
}

pub async fn what_is_too_long_or_too_much_is_invalid(t: Stage) {
    let lease = held(&t).await;
    let long = "x".repeat(513);
    let many: Vec<String> = (0..1_001).map(|n| n.to_string()).collect();
    let large = vec![0; 9 << 20];
    for wrong in [
        set("", "v"),
        set(&long, "v"),
        set("k", vec![0; (16 << 20) + 1]),
        add(&long, 1),
        swap("", "v", 0),
        Change::Delete(many.clone()),
        Change::Set(vec![("a".to_owned(), large.clone()), ("b".to_owned(), large)]),
    ] {
        let refused = t.store.change(&bucket(), &lease, AMPLE, &wrong).await;
        assert!(matches!(refused, Err(StoreError::Invalid(_))), "{refused:?}");
    }
    for keys in [&many[..], &[long], &[String::new()]] {
        assert!(matches!(t.store.values(&bucket(), keys).await, Err(StoreError::Invalid(_))));
    }
    for limit in [0, 1_001] {
        assert!(matches!(t.store.keys(&bucket(), None, limit).await, Err(StoreError::Invalid(_))));
    }
}
