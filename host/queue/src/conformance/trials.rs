//! Trials: what is begun, counted and ended, and by whom.

use super::stage::{Stage, assert_invalid, seconds};
use crate::job::Token;
use crate::trials::{Counted, NewTrial, Terms, Trial, TrialEnd, TrialName, Trials, Tries};

fn plugin() -> TrialName {
    TrialName::new("it.x").unwrap()
}

fn new(from: &str, to: &str) -> NewTrial {
    let terms = Terms { share: 50_000, length: 600_000, factor: 2_000 };
    NewTrial { from: from.into(), to: to.into(), terms }
}

fn counts(old: u64, new: u64) -> Counted {
    Counted { old: Tries { attempts: old, failures: 0 }, new: Tries { attempts: new, failures: new } }
}

async fn look(store: &dyn Trials) -> Trial {
    store.trial(&plugin()).await.unwrap().unwrap()
}

async fn begun(t: &Stage) -> Trial {
    assert!(t.store.begin_trial(&plugin(), &new("a", "b"), 0).await.unwrap());
    look(&*t.store).await
}

async fn count(store: &dyn Trials, number: u64, counted: Counted) -> bool {
    store.count_attempts(&plugin(), number, Token::random(), counted).await.unwrap()
}

pub async fn a_trial_is_seen_by_every_handle_as_it_was_begun(t: Stage) {
    assert_eq!(t.store.trial(&plugin()).await.unwrap(), None);
    let trial = begun(&t).await;
    t.clock.advance(seconds(7));
    let seen = look(&*t.another().await).await;
    let NewTrial { from, to, terms } = new("a", "b");
    assert_eq!(seen.now, seen.began_at + 7_000);
    assert_eq!(seen, Trial { now: seen.now, ..trial });
    assert_eq!((seen.from, seen.to, seen.terms, seen.end), (from, to, terms, None));
    assert_eq!(seen.counts, Counted::default());
}

pub async fn of_trials_begun_at_once_one_stands(t: Stage) {
    let another = t.another().await;
    let (plugin, trials) = (plugin(), [new("a", "b"), new("a", "c")]);
    let begun = tokio::join!(t.store.begin_trial(&plugin, &trials[0], 0), another.begin_trial(&plugin, &trials[1], 0));
    assert_ne!(begun.0.unwrap(), begun.1.unwrap());
}

pub async fn a_trial_takes_the_place_of_one_that_has_not_changed_since_the_look(t: Stage) {
    let first = begun(&t).await;
    assert!(count(&*t.store, first.number, counts(1, 1)).await);
    assert!(!t.store.begin_trial(&plugin(), &new("a", "c"), first.revision).await.unwrap());
    let seen = look(&*t.store).await;
    assert!(t.store.begin_trial(&plugin(), &new("a", "c"), seen.revision).await.unwrap());
    let second = look(&*t.store).await;
    assert!(second.number > first.number && second.revision > seen.revision);
    assert_eq!((second.to.as_str(), second.counts), ("c", Counted::default()));
    assert!(!count(&*t.store, first.number, counts(1, 1)).await, "that trial is no more");
    assert_eq!(look(&*t.store).await.counts, Counted::default());
}

pub async fn attempts_of_all_workers_are_added_up_and_each_changes_the_revision(t: Stage) {
    let trial = begun(&t).await;
    let another = t.another().await;
    let mut revision = trial.revision;
    for (store, counted) in [(&t.store, counts(5, 0)), (&another, counts(0, 2)), (&t.store, counts(1, 1))] {
        assert!(count(&**store, trial.number, counted).await);
        let seen = look(&**store).await;
        assert!(seen.revision > revision);
        revision = seen.revision;
    }
    assert_eq!(look(&*another).await.counts, counts(6, 3));
}

pub async fn attempts_sent_twice_count_once(t: Stage) {
    let trial = begun(&t).await;
    let token = Token::random();
    for _ in 0..2 {
        assert!(t.store.count_attempts(&plugin(), trial.number, token.clone(), counts(1, 2)).await.unwrap());
    }
    assert_eq!(look(&*t.store).await.counts, counts(1, 2));
    assert!(t.store.end_trial(&plugin(), trial.number, None, TrialEnd::Promoted).await.unwrap());
    assert!(t.store.count_attempts(&plugin(), trial.number, token, counts(1, 2)).await.unwrap(), "as it was answered");
}

pub async fn a_trial_ends_on_what_was_seen_and_once(t: Stage) {
    let trial = begun(&t).await;
    let end = |revision, end| {
        let store = &t.store;
        async move { store.end_trial(&plugin(), trial.number, revision, end).await.unwrap() }
    };
    assert!(count(&*t.store, trial.number, counts(0, 1)).await);
    assert!(!end(Some(trial.revision), TrialEnd::Promoted).await, "an attempt was counted since");
    t.clock.advance(seconds(3));
    let seen = look(&*t.store).await;
    assert!(end(Some(seen.revision), TrialEnd::RolledBack).await);
    assert!(!end(Some(seen.revision), TrialEnd::Promoted).await);
    assert!(!count(&*t.store, trial.number, counts(0, 1)).await);
    let over = look(&*t.another().await).await;
    assert_eq!(over.end, Some((TrialEnd::RolledBack, over.now)));
    assert_eq!(over.counts, counts(0, 1));
}

pub async fn a_trial_is_withdrawn_whatever_became_of_it_and_no_other_is(t: Stage) {
    let trial = begun(&t).await;
    let withdraw = |number| {
        let store = &t.store;
        async move { store.end_trial(&plugin(), number, None, TrialEnd::Withdrawn).await.unwrap() }
    };
    assert!(t.store.end_trial(&plugin(), trial.number, Some(trial.revision), TrialEnd::RolledBack).await.unwrap());
    assert!(withdraw(trial.number).await);
    let seen = look(&*t.store).await;
    assert_eq!(seen.end.unwrap().0, TrialEnd::Withdrawn);
    assert!(t.store.begin_trial(&plugin(), &new("a", "b"), seen.revision).await.unwrap());
    assert!(!withdraw(trial.number).await);
    assert_eq!(look(&*t.store).await.end, None);
}

pub async fn trials_of_other_plugins_and_queues_are_others(t: Stage) {
    begun(&t).await;
    for name in ["it", "it-x", "x", "it.x.y"] {
        assert_eq!(t.store.trial(&TrialName::new(name).unwrap()).await.unwrap(), None, "{name}");
    }
    t.push(&["a"]).await;
    assert_eq!(t.store.clear(&t.channel).await.unwrap(), 1);
    assert_eq!(look(&*t.store).await.end, None);
}

pub async fn names_and_versions_that_cannot_be_are_invalid(t: Stage) {
    for name in ["", "a b", "a:b", &"a".repeat(101)] {
        assert_invalid(TrialName::new(name));
    }
    let none = NewTrial { terms: Terms { share: 0, length: 1, factor: 1 }, ..new("a", "b") };
    for wrong in [new("", "b"), new("a", "b c"), new("a", &"b".repeat(201)), none] {
        assert_invalid(t.store.begin_trial(&plugin(), &wrong, 0).await);
    }
    assert_eq!(t.store.trial(&plugin()).await.unwrap(), None);
}
