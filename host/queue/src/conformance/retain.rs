//! Promises about what stays of a job after its end.

use super::stage::{RETAIN, Stage, done, record, seconds, settlement};
use crate::store::{JobState, Retain, Settlement, Verdict};

/// Pushes a job and settles it with this retention.
async fn end(t: &Stage, verdict: Verdict, retain: Retain) -> crate::Reserved {
    t.push(&["a"]).await;
    let taken = t.take_one().await;
    let ended = Settlement { retain, ..settlement(&taken, verdict) };
    t.settle_all(&[ended]).await;
    taken
}

pub async fn a_done_record_stays_as_long_as_it_is_retained(t: Stage) {
    let retain = Retain { done: seconds(60), ..RETAIN };
    let id = end(&t, done(), retain).await.lease.id;
    t.clock.advance(seconds(59));
    t.sweep_all().await;
    assert_eq!(t.state(id).await, Some(JobState::Done));
    t.clock.advance(seconds(2));
    assert_eq!(t.sweep_all().await.pruned, 1);
    assert_eq!(t.state(id).await, None);
    assert_eq!(t.counts().await.done, 1);
}

pub async fn a_done_record_without_retention_is_not_kept(t: Stage) {
    let retain = Retain { done: seconds(0), ..RETAIN };
    let id = end(&t, done(), retain).await.lease.id;
    assert!(t.status(id).await.is_none());
    assert_eq!(t.counts().await.done, 1);
}

pub async fn an_output_over_the_limit_is_dropped_and_its_record_kept(t: Stage) {
    let retain = Retain { output: 10, ..RETAIN };
    for (output, kept) in [("1234567890", true), ("12345678901", false)] {
        let verdict = Verdict::Done { output: Some(output.into()) };
        let taken = end(&t, verdict, retain).await;
        let status = t.status(taken.lease.id).await.unwrap();
        assert_eq!(status.output.as_deref(), kept.then_some(output));
        assert_eq!(status.record, Some(record(&taken)));
    }
}

pub async fn a_failed_job_stays_as_long_as_it_is_retained(t: Stage) {
    let retain = Retain { failed: seconds(60), ..RETAIN };
    let id = end(&t, Verdict::Failed, retain).await.lease.id;
    t.clock.advance(seconds(59));
    t.sweep_all().await;
    assert_eq!(t.failed_ids(0, 9).await, [id]);
    t.clock.advance(seconds(2));
    assert_eq!(t.sweep_all().await.pruned, 1);
    assert!(t.failed_ids(0, 9).await.is_empty());
    assert!(t.status(id).await.is_none());
    assert_eq!((t.counts().await.failed, t.counts().await.done), (0, 0));
}

pub async fn a_failed_job_without_retention_is_not_kept(t: Stage) {
    let retain = Retain { failed: seconds(0), ..RETAIN };
    let id = end(&t, Verdict::Failed, retain).await.lease.id;
    assert!(t.failed_ids(0, 9).await.is_empty());
    assert!(t.status(id).await.is_none());
    assert_eq!((t.counts().await.failed, t.counts().await.done), (0, 0));
}
