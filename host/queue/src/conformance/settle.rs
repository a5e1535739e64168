//! Promises of `settle`, follow-ups included.

use super::stage::{
    Stage, assert_invalid, bodies, channel, done, follow_up, forged, ids, job, push_to, record, seconds, settlement,
    take_from,
};
use crate::job::{JobId, MAX_BODY, MAX_METADATA, NewJob, Token};
use crate::store::{Counts, FollowUp, JobState, Settled, Settlement, Verdict};

const YES: Settled = Settled::Yes(Vec::new());

pub async fn a_done_job_is_gone_from_the_queue(t: Stage) {
    t.push(&["a"]).await;
    let taken = t.take_one().await;
    assert_eq!(t.settle(&taken, done()).await, YES);
    assert!(t.take(9).await.is_empty());
    let expected = Counts { done: 1, ..Counts::default() };
    assert_eq!(t.counts().await, expected);
}

pub async fn a_retry_is_served_after_its_delay_with_the_next_attempt(t: Stage) {
    t.push(&["a"]).await;
    let first = t.take_one().await;
    let delay = seconds(30);
    assert_eq!(t.settle(&first, Verdict::Retry { delay }).await, YES);
    assert_eq!(t.counts().await.delayed, 1);
    t.clock.advance(seconds(29));
    assert!(t.take(9).await.is_empty());
    t.clock.advance(seconds(1));
    let second = t.take_one().await;
    assert_eq!((second.attempt, second.lease.id), (2, first.lease.id));
    assert_ne!(second.lease, first.lease);
}

pub async fn a_retry_without_delay_goes_to_the_end_of_the_queue(t: Stage) {
    t.push(&["a", "b", "c"]).await;
    let first = t.take_one().await;
    let delay = seconds(0);
    assert_eq!(t.settle(&first, Verdict::Retry { delay }).await, YES);
    let taken = t.take(9).await;
    assert_eq!(bodies(&taken), ["b", "c", "a"]);
    assert_eq!(taken[2].attempt, 2);
}

pub async fn a_failed_job_is_in_the_failed_set_and_not_served(t: Stage) {
    let id = t.fail("a").await;
    assert!(t.take(9).await.is_empty());
    assert_eq!(t.failed_ids(0, 9).await, [id]);
    assert_eq!(t.counts().await.failed, 1);
    assert_eq!(t.counts().await.done, 0);
}

pub async fn a_postponed_job_comes_back_with_its_attempt_uncounted(t: Stage) {
    t.push(&["a"]).await;
    let first = t.take_one().await;
    let delay = seconds(30);
    assert_eq!(t.settle(&first, Verdict::Postponed { delay }).await, YES);
    assert_eq!(t.status(first.lease.id).await.unwrap().attempts, 0);
    t.clock.advance(seconds(29));
    assert!(t.take(9).await.is_empty());
    t.clock.advance(seconds(1));
    assert_eq!(t.take_one().await.attempt, 1);
}

pub async fn a_job_handed_back_is_served_next_with_its_attempt_uncounted(t: Stage) {
    t.push(&["a", "b", "c"]).await;
    let first = t.take_one().await;
    assert_eq!(t.settle(&first, Verdict::HandedBack).await, YES);
    assert_eq!(t.status(first.lease.id).await.unwrap().attempts, 0);
    let taken = t.take(9).await;
    assert_eq!(bodies(&taken), ["a", "b", "c"]);
    assert_eq!((taken[0].attempt, taken[0].crashes), (1, 0));
}

pub async fn several_jobs_handed_back_are_served_before_the_others(t: Stage) {
    t.push(&["a", "b", "c", "d"]).await;
    let taken = t.take(2).await;
    let batch: Vec<Settlement> = taken.iter().map(|job| settlement(job, Verdict::HandedBack)).collect();
    assert_eq!(t.settle_all(&batch).await, [YES, YES]);
    let mut next = bodies(&t.take(2).await);
    next.sort();
    assert_eq!(next, ["a", "b"]);
    assert_eq!(t.drain().await, ["c", "d"]);
}

pub async fn settling_twice_with_one_token_is_settling_once(t: Stage) {
    t.push(&["a", "b"]).await;
    let taken = t.take(2).await;
    let token = Token::random();
    let batch = [
        Settlement { follow_ups: vec![follow_up(&t.channel, "next")], ..settlement(&taken[0], done()) },
        settlement(&taken[1], Verdict::Failed),
    ];
    let first = t.store.settle(token.clone(), &batch).await.unwrap();
    assert_eq!(first, [Settled::Yes(vec![JobId(3)]), YES]);
    let again = t.another().await;
    assert_eq!(again.settle(token, &batch).await.unwrap(), first);
    let expected = Counts { waiting: 1, done: 1, failed: 1, ..Counts::default() };
    assert_eq!(t.counts().await, expected);
}

pub async fn settling_again_with_another_token_is_lost(t: Stage) {
    t.push(&["a"]).await;
    let taken = t.take_one().await;
    t.done(&taken).await;
    let before = t.counts().await;
    assert_eq!(t.settle(&taken, Verdict::Failed).await, Settled::Lost);
    assert_eq!(t.counts().await, before);
    assert!(t.failed_ids(0, 9).await.is_empty());
}

pub async fn settling_with_a_foreign_lease_is_lost_and_changes_nothing(t: Stage) {
    t.push(&["a"]).await;
    let taken = t.take_one().await;
    for verdict in [
        done(),
        Verdict::Failed,
        Verdict::HandedBack,
        Verdict::Retry { delay: seconds(0) },
        Verdict::Postponed { delay: seconds(9) },
    ] {
        let foreign = Settlement { lease: forged(&taken.lease), ..settlement(&taken, verdict) };
        assert_eq!(t.settle_all(&[foreign]).await, [Settled::Lost]);
    }
    assert_eq!(t.state(taken.lease.id).await, Some(JobState::Reserved));
    assert_eq!(t.counts().await.reserved, 1);
    t.done(&taken).await;
}

pub async fn settling_an_earlier_attempts_lease_is_lost(t: Stage) {
    t.push(&["a"]).await;
    let first = t.take_one().await;
    t.settle(&first, Verdict::Retry { delay: seconds(0) }).await;
    assert_eq!(t.settle(&first, done()).await, Settled::Lost);
    let second = t.take_one().await;
    assert_eq!(t.settle(&first, done()).await, Settled::Lost);
    t.done(&second).await;
}

pub async fn a_batch_is_answered_in_its_order_and_a_lost_one_harms_no_other(t: Stage) {
    t.push(&["a", "b", "c"]).await;
    let taken = t.take(3).await;
    t.done(&taken[1]).await;
    let batch: Vec<Settlement> = taken.iter().map(|job| settlement(job, done())).collect();
    assert_eq!(t.settle_all(&batch).await, [YES, Settled::Lost, YES]);
    assert_eq!(t.counts().await.done, 3);
}

pub async fn a_batch_of_two_channels_is_invalid_and_changes_nothing(t: Stage) {
    let other = channel("other");
    t.push(&["a"]).await;
    push_to(t.store.as_ref(), &other, &["b"]).await;
    let here = t.take_one().await;
    let there = take_from(t.store.as_ref(), &other, 1).await.remove(0);
    let batch = [settlement(&here, done()), settlement(&there, done())];
    assert_invalid(t.store.settle(Token::random(), &batch).await);
    assert_eq!(t.counts().await.reserved, 1);
    t.done(&here).await;
    t.done(&there).await;
}

pub async fn the_record_is_kept_whatever_the_verdict(t: Stage) {
    t.push(&["a", "b", "c", "d", "e"]).await;
    let taken = t.take(5).await;
    let verdicts = [
        done(),
        Verdict::Failed,
        Verdict::HandedBack,
        Verdict::Retry { delay: seconds(0) },
        Verdict::Postponed { delay: seconds(9) },
    ];
    for (job, verdict) in taken.iter().zip(verdicts) {
        let shown = format!("{verdict:?}");
        assert_eq!(t.settle(job, verdict).await, YES);
        let status = t.status(job.lease.id).await.unwrap();
        assert_eq!(status.record, Some(record(job)), "{shown}");
    }
}

pub async fn follow_ups_appear_with_the_settlement(t: Stage) {
    t.push(&["a"]).await;
    let taken = t.take_one().await;
    let batch = [Settlement {
        follow_ups: vec![follow_up(&t.channel, "b"), follow_up(&t.channel, "c")],
        ..settlement(&taken, done())
    }];
    assert!(t.take(9).await.is_empty());
    let settled = t.settle_all(&batch).await;
    assert_eq!(settled, [Settled::Yes(vec![JobId(2), JobId(3)])]);
    let follow_ups = t.take(9).await;
    assert_eq!(ids(&follow_ups), [JobId(2), JobId(3)]);
    assert_eq!(bodies(&follow_ups), ["b", "c"]);
}

pub async fn follow_ups_go_to_other_channels_in_order(t: Stage) {
    let (one, two) = (channel("one"), channel("two"));
    t.push(&["a"]).await;
    let taken = t.take_one().await;
    let batch = [Settlement {
        follow_ups: vec![follow_up(&one, "b"), follow_up(&two, "c"), follow_up(&one, "d")],
        ..settlement(&taken, done())
    }];
    let settled = t.settle_all(&batch).await;
    let expected = vec![JobId(1), JobId(1), JobId(2)];
    assert_eq!(settled, [Settled::Yes(expected)]);
    assert_eq!(t.drain_of(&one).await, ["b", "d"]);
    assert_eq!(t.drain_of(&two).await, ["c"]);
    assert!(t.drain().await.is_empty());
}

pub async fn a_delayed_follow_up_waits(t: Stage) {
    let other = channel("other");
    t.push(&["a"]).await;
    let taken = t.take_one().await;
    let later = FollowUp { channel: other.clone(), job: NewJob { delay: seconds(10), ..job("b") } };
    let batch = [Settlement { follow_ups: vec![later], ..settlement(&taken, done()) }];
    assert_eq!(t.settle_all(&batch).await, [Settled::Yes(vec![JobId(1)])]);
    assert!(t.drain_of(&other).await.is_empty());
    t.clock.advance(seconds(10));
    assert_eq!(t.drain_of(&other).await, ["b"]);
}

pub async fn follow_ups_of_a_lost_settlement_do_not_appear(t: Stage) {
    let other = channel("other");
    t.push(&["a"]).await;
    let taken = t.take_one().await;
    let batch = [Settlement {
        lease: forged(&taken.lease),
        follow_ups: vec![follow_up(&t.channel, "b"), follow_up(&other, "c")],
        ..settlement(&taken, done())
    }];
    assert_eq!(t.settle_all(&batch).await, [Settled::Lost]);
    assert_eq!(t.counts().await.waiting, 0);
    assert_eq!(t.store.counts(&other).await.unwrap(), Counts::default());
}

pub async fn a_bad_follow_up_is_refused_and_leaves_the_lease(t: Stage) {
    let other = channel("other");
    let bad = [
        NewJob::new(vec![b'x'; MAX_BODY + 1], 1),
        NewJob::new("b", 0),
        NewJob { metadata: vec![("n".into(), "v".repeat(MAX_METADATA))], ..job("b") },
    ];
    t.push(&["a"]).await;
    let taken = t.take_one().await;
    for job in bad {
        let channel = other.clone();
        let batch = [Settlement {
            follow_ups: vec![follow_up(&other, "good"), FollowUp { channel, job }],
            ..settlement(&taken, done())
        }];
        let settled = t.settle_all(&batch).await;
        assert!(matches!(&settled[..], [Settled::Refused(why)] if !why.is_empty()), "{settled:?}");
    }
    assert_eq!(t.store.counts(&other).await.unwrap(), Counts::default());
    assert_eq!(t.counts().await.reserved, 1);
    assert_eq!(t.settle(&taken, Verdict::Failed).await, YES);
}

pub async fn a_refused_settlement_leaves_the_rest_of_the_batch(t: Stage) {
    t.push(&["a", "b", "c"]).await;
    let taken = t.take(3).await;
    let mut batch: Vec<Settlement> = taken.iter().map(|job| settlement(job, done())).collect();
    batch[0].follow_ups = vec![follow_up(&t.channel, "d")];
    batch[1].follow_ups = vec![FollowUp { channel: t.channel.clone(), job: NewJob::new("bad", 0) }];
    let settled = t.settle_all(&batch).await;
    assert_eq!(settled[0], Settled::Yes(vec![JobId(4)]));
    assert!(matches!(settled[1], Settled::Refused(_)));
    assert_eq!(settled[2], YES);
    t.done(&taken[1]).await;
    assert_eq!(t.drain().await, ["d"]);
}

pub async fn follow_ups_come_with_a_retry_and_a_failure_too(t: Stage) {
    let other = channel("other");
    t.push(&["a", "b"]).await;
    let taken = t.take(2).await;
    let with = |n: usize, verdict, body| Settlement {
        follow_ups: vec![follow_up(&other, body)],
        ..settlement(&taken[n], verdict)
    };
    let batch = [with(0, Verdict::Retry { delay: seconds(9) }, "of a retry"), with(1, Verdict::Failed, "of a failure")];
    t.settle_all(&batch).await;
    let follow_ups = t.drain_of(&other).await;
    assert_eq!(follow_ups, ["of a retry", "of a failure"]);
}
