//! Promises about leases: who holds a job, and for how long.

use super::stage::{Stage, bodies, channel, done, forged, job, push_to, record, seconds, settlement, take_from};
use crate::job::Token;
use crate::record::Progress;
use crate::store::{Held, JobState, Pushed, Settled};

pub async fn a_lease_that_is_extended_lives_on(t: Stage) {
    t.settle_in().await;
    t.push(&["a"]).await;
    let held = t.take_one().await;
    for _ in 0..20 {
        assert_eq!(t.live(seconds(2)).await, []);
        assert_eq!(t.extend(&held.lease).await, Held::Yes);
    }
    t.done(&held).await;
}

pub async fn a_lease_that_is_not_extended_is_reclaimed_by_a_sweep(t: Stage) {
    t.settle_in().await;
    t.push(&["a"]).await;
    let held = t.take_one().await;
    assert_eq!(t.live(seconds(8)).await, []);
    assert_eq!(t.live(seconds(4)).await, [held.lease.id]);
    assert_eq!(t.state(held.lease.id).await, Some(JobState::Waiting));
    assert_eq!(t.counts().await.reserved, 0);
    assert_eq!(t.drain().await, ["a"]);
}

pub async fn a_lease_that_is_not_extended_is_reclaimed_by_a_reserve(t: Stage) {
    t.settle_in().await;
    t.push(&["a"]).await;
    let held = t.take_one().await;
    assert_eq!(t.live(seconds(8)).await, []);
    assert!(t.take(9).await.is_empty());
    t.clock.advance(seconds(4));
    let reservation = t.reserve(1).await;
    assert_eq!(reservation.reclaimed, [held.lease.id]);
    let again = &reservation.jobs[0];
    assert_eq!(again.lease.id, held.lease.id);
    assert_eq!((again.attempt, again.crashes), (1, 1));
    assert_eq!(t.settle(&held, done()).await, Settled::Lost);
    t.done(again).await;
    assert_eq!(t.reserve(1).await.reclaimed, []);
}

pub async fn a_live_lease_is_not_reclaimed(t: Stage) {
    t.settle_in().await;
    t.push(&["dead", "alive"]).await;
    let held = t.take(2).await;
    assert_eq!(t.live(seconds(6)).await, []);
    assert_eq!(t.extend(&held[1].lease).await, Held::Yes);
    assert_eq!(t.live(seconds(6)).await, [held[0].lease.id]);
    t.done(&held[1]).await;
}

pub async fn a_reclaimed_job_is_served_next(t: Stage) {
    t.settle_in().await;
    t.push(&["a", "b", "c"]).await;
    let held = t.take(1).await;
    t.die(&held).await;
    assert_eq!(t.drain().await, ["a", "b", "c"]);
}

pub async fn a_reclaimed_jobs_attempt_is_not_counted_but_its_crash_is(t: Stage) {
    t.settle_in().await;
    t.push(&["a"]).await;
    let held = t.take(1).await;
    assert_eq!((held[0].attempt, held[0].crashes), (1, 0));
    t.die(&held).await;
    let status = t.status(held[0].lease.id).await.unwrap();
    assert_eq!((status.attempts, status.crashes), (0, 1));
    let again = t.take_one().await;
    assert_eq!((again.attempt, again.crashes), (1, 1));
    assert_eq!(again.key, held[0].key);
}

pub async fn the_death_of_a_stopping_worker_counts_no_crash(t: Stage) {
    t.settle_in().await;
    t.push(&["a"]).await;
    let held = t.take(1).await;
    let extended = t.store.extend(&[held[0].lease.clone()], true).await;
    assert_eq!(extended.unwrap(), [Held::Yes]);
    t.die(&held).await;
    let again = t.take_one().await;
    assert_eq!((again.attempt, again.crashes), (1, 0));
}

pub async fn a_worker_that_said_it_stops_is_believed_whatever_extends_after_it(t: Stage) {
    t.settle_in().await;
    t.push(&["a"]).await;
    let held = t.take(1).await;
    for stopping in [true, false] {
        let extended = t.store.extend(&[held[0].lease.clone()], stopping).await;
        assert_eq!(extended.unwrap(), [Held::Yes]);
    }
    t.die(&held).await;
    assert_eq!(t.take_one().await.crashes, 0);
}

pub async fn a_dead_workers_job_comes_back_though_the_clock_was_set_back(t: Stage) {
    t.settle_in().await;
    let id = t.push(&["a"]).await[0];
    t.take(1).await;
    // An outage, so that its grace ends in what is the future then.
    t.clock.advance(seconds(20));
    t.sweep().await;
    t.clock.set_back(seconds(3600));
    assert_eq!(t.live(seconds(30)).await, [id]);
}

pub async fn a_reclaimed_jobs_old_lease_settles_nothing(t: Stage) {
    t.settle_in().await;
    t.push(&["a"]).await;
    let old = t.take(1).await;
    t.die(&old).await;
    // While it waits, and when somebody else holds it.
    for round in 0..2 {
        if round == 1 {
            t.take_one().await;
        }
        let before = t.counts().await;
        assert_eq!(t.settle(&old[0], done()).await, Settled::Lost);
        assert_eq!(t.extend(&old[0].lease).await, Held::Lost);
        let said = t.store.progress(&old[0].lease, &Progress::default()).await;
        assert_eq!(said.unwrap(), Held::Lost);
        let fenced = t.store.push(&t.channel, Token::random(), Some(&old[0].lease), &[job("b")]).await;
        assert_eq!(fenced.unwrap(), Pushed::Lost);
        assert_eq!(t.counts().await, before);
    }
    assert_eq!(t.status(old[0].lease.id).await.unwrap().progress, None);
}

pub async fn extend_tells_which_leases_hold_in_their_order(t: Stage) {
    t.push(&["a", "b", "c"]).await;
    let held = t.take(3).await;
    t.done(&held[1]).await;
    let leases = [held[0].lease.clone(), held[1].lease.clone(), forged(&held[2].lease), held[2].lease.clone()];
    let extended = t.store.extend(&leases, false).await.unwrap();
    assert_eq!(extended, [Held::Yes, Held::Lost, Held::Lost, Held::Yes]);
    assert_eq!(t.store.extend(&[], false).await.unwrap(), []);
}

pub async fn after_an_outage_nothing_is_reclaimed_for_a_while(t: Stage) {
    t.settle_in().await;
    t.push(&["a"]).await;
    let held = t.take_one().await;
    t.clock.advance(seconds(60));
    assert!(t.take(9).await.is_empty(), "a reserve must not reclaim");
    assert_eq!(t.sweep().await.reclaimed, []);
    assert!(t.take(9).await.is_empty(), "a reserve must not reclaim");
    assert_eq!(t.live(seconds(10)).await, []);
    assert!(t.take(9).await.is_empty(), "a reserve must not reclaim");
    t.done(&held).await;
}

pub async fn a_lease_extended_within_the_grace_survives_the_outage(t: Stage) {
    t.settle_in().await;
    t.push(&["a"]).await;
    let held = t.take_one().await;
    t.clock.advance(seconds(60));
    t.sweep().await;
    assert_eq!(t.live(seconds(10)).await, []);
    assert_eq!(t.extend(&held.lease).await, Held::Yes);
    assert_eq!(t.live(seconds(8)).await, []);
    t.done(&held).await;
}

pub async fn a_lease_that_nobody_extends_is_reclaimed_after_the_grace(t: Stage) {
    t.settle_in().await;
    t.push(&["a", "b"]).await;
    let held = t.take(1).await;
    t.clock.advance(seconds(60));
    t.sweep().await;
    t.die(&held).await;
    assert_eq!(t.drain().await, ["a", "b"]);
}

pub async fn sweeps_of_one_channel_leave_another_alone(t: Stage) {
    let other = channel("other");
    t.settle_in().await;
    push_to(t.store.as_ref(), &other, &["b"]).await;
    let there = take_from(t.store.as_ref(), &other, 9).await;
    assert_eq!(bodies(&there), ["b"]);
    t.push(&["a"]).await;
    let here = t.take(1).await;
    t.die(&here).await;
    let status = t.store.status(&other, there[0].lease.id).await.unwrap();
    assert_eq!(status.unwrap().state, JobState::Reserved);
    let settled = t.settle_all(&[settlement(&there[0], done())]).await;
    assert_eq!(settled, [Settled::Yes(vec![])]);
    let status = t.store.status(&other, there[0].lease.id).await.unwrap();
    assert_eq!(status.unwrap().record, Some(record(&there[0])));
}

pub async fn leases_that_live_in_any_number_do_not_hide_a_dead_one(t: Stage) {
    t.settle_in().await;
    t.push_jobs(&vec![job("a"); 1_200]).await;
    let mut held = t.take(1_000).await;
    held.extend(t.take(1_000).await);
    let dead = held.pop().unwrap();
    let alive: Vec<_> = held.iter().map(|job| job.lease.clone()).collect();
    for _ in 0..6 {
        t.clock.advance(seconds(2));
        for some in alive.chunks(500) {
            t.store.extend(some, false).await.unwrap();
        }
        t.sweep_all().await;
    }
    let state = t.state(dead.lease.id).await;
    assert_eq!((state, t.counts().await.reserved), (Some(JobState::Waiting), 1_199));
}
