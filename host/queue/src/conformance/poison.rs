//! Promises about jobs whose workers died.

use super::stage::{Stage, bodies, seconds};
use crate::job::Reserved;
use crate::store::Verdict;

/// Pushes jobs and has a worker die with all of them.
async fn suspects(t: &Stage, bodies: &[&str]) -> Vec<Reserved> {
    t.settle_in().await;
    t.push(bodies).await;
    let held = t.take(1000).await;
    assert_eq!(held.len(), bodies.len());
    t.die(&held).await;
    held
}

pub async fn suspects_are_not_taken_unless_asked_for(t: Stage) {
    suspects(&t, &["suspect"]).await;
    let reservation = t.reserve_without_suspects(9).await;
    assert!(reservation.jobs.is_empty());
    assert!(reservation.waiting, "the suspect still waits");
    assert_eq!(t.drain().await, ["suspect"]);
}

pub async fn at_most_one_suspect_is_taken_at_a_time(t: Stage) {
    suspects(&t, &["s1", "s2", "s3"]).await;
    t.push(&["a", "b"]).await;
    let mut seen = Vec::new();
    let first = t.reserve(9).await;
    assert_eq!(first.jobs.len(), 3, "one suspect and the others");
    assert!(first.waiting);
    seen.extend(bodies(&first.jobs));
    for left in [true, false] {
        let next = t.reserve(9).await;
        assert_eq!(next.jobs.len(), 1);
        assert_eq!(next.jobs[0].crashes, 1);
        assert_eq!(next.waiting, left);
        seen.extend(bodies(&next.jobs));
    }
    seen.sort();
    assert_eq!(seen, ["a", "b", "s1", "s2", "s3"]);
}

pub async fn suspects_left_out_keep_their_place_and_others_pass(t: Stage) {
    suspects(&t, &["suspect"]).await;
    t.push(&["a", "b", "c"]).await;
    let passing = t.reserve_without_suspects(2).await;
    assert_eq!(bodies(&passing.jobs), ["a", "b"]);
    assert!(passing.waiting);
    assert_eq!(t.drain().await, ["suspect", "c"]);
}

pub async fn crashes_add_up(t: Stage) {
    suspects(&t, &["a"]).await;
    for crashes in 1..=3 {
        let held = t.take(9).await;
        assert_eq!((held[0].attempt, held[0].crashes), (1, crashes));
        t.die(&held).await;
    }
    let held = t.take_one().await;
    assert_eq!(held.crashes, 4);
    t.settle(&held, Verdict::Failed).await;
    assert_eq!(t.counts().await.failed, 1);
}

pub async fn a_retry_keeps_the_crashes(t: Stage) {
    suspects(&t, &["a"]).await;
    let held = t.take_one().await;
    t.settle(&held, Verdict::Retry { delay: seconds(0) }).await;
    assert!(t.reserve_without_suspects(9).await.jobs.is_empty());
    let again = t.take_one().await;
    assert_eq!((again.attempt, again.crashes), (2, 1));
}
