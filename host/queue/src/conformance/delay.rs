//! Promises about delays. Delays of a second or two are left out: on Redis a
//! job that is due so soon is put among the waiting ones at once.

use super::stage::{Stage, seconds};
use std::time::Duration;

pub async fn a_delayed_job_is_served_when_it_is_due(t: Stage) {
    t.push_delayed("a", seconds(10)).await;
    assert_eq!(t.counts().await.delayed, 1);
    t.clock.advance(seconds(9));
    assert!(t.drain().await.is_empty());
    t.clock.advance(seconds(1));
    assert_eq!(t.drain().await, ["a"]);
}

pub async fn delayed_jobs_are_served_in_the_order_they_are_due(t: Stage) {
    t.push_delayed("third", seconds(30)).await;
    t.push_delayed("first", seconds(10)).await;
    t.push_delayed("second", seconds(20)).await;
    t.clock.advance(seconds(60));
    assert_eq!(t.drain().await, ["first", "second", "third"]);
}

pub async fn a_due_job_waits_behind_those_that_waited_before_it(t: Stage) {
    t.push_delayed("delayed", seconds(10)).await;
    t.push(&["a", "b", "c"]).await;
    t.clock.advance(seconds(10));
    assert_eq!(t.drain().await, ["a", "b", "c", "delayed"]);
}

pub async fn a_delay_is_kept_in_whole_seconds_rounded_up(t: Stage) {
    t.push_delayed("a", Duration::from_millis(5_001)).await;
    t.clock.advance(Duration::from_millis(5_999));
    assert!(t.drain().await.is_empty());
    t.clock.advance(Duration::from_millis(1));
    assert_eq!(t.drain().await, ["a"]);
}

pub async fn next_due_is_the_time_until_the_earliest_delayed_job(t: Stage) {
    t.push_delayed("later", seconds(60)).await;
    t.push_delayed("sooner", seconds(20)).await;
    assert_eq!(t.reserve(9).await.next_due, Some(seconds(20)));
    t.clock.advance(seconds(5));
    assert_eq!(t.reserve(9).await.next_due, Some(seconds(15)));
    t.clock.advance(seconds(15));
    let reservation = t.reserve(9).await;
    assert_eq!(reservation.jobs.len(), 1);
    assert_eq!(reservation.next_due, Some(seconds(40)));
}

pub async fn next_due_is_none_without_delayed_jobs(t: Stage) {
    t.push(&["a"]).await;
    assert_eq!(t.reserve(9).await.next_due, None);
    assert_eq!(t.reserve(9).await.next_due, None);
}
