//! When a trial ends and how, and what is made of a version by the trial that came before it: the whole rule, and
//! nothing but the rule. No I/O, no clock; the store's record has the time.

use jobhost_queue::{Terms, Trial, TrialEnd, Tries};

use crate::canary::Standing;

/// Attempts of the new version without which there is no verdict.
pub(super) const LEAST_ATTEMPTS: u64 = 50;
/// Failures of it without which it is not rolled back.
const LEAST_FAILURES: u64 = 3;
/// How many times as long as planned a trial waits for its attempts before it is said to be held.
const EXTENSION: u64 = 10;

/// What a trial has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// It goes on.
    GoesOn(Standing),
    /// It ends.
    Ends(TrialEnd),
}

/// The rule. A version that fails too often is rolled back as soon as that is so; one that does not is promoted when the
/// time is over.
pub(super) fn judge(trial: &Trial) -> Judgement {
    // Set back, the store's clock makes a trial longer, not shorter.
    let elapsed = trial.now.saturating_sub(trial.began_at);
    let (over, new) = (elapsed >= trial.terms.length, trial.counts.new);
    if new.attempts < LEAST_ATTEMPTS {
        let held = elapsed >= trial.terms.length.saturating_mul(EXTENSION);
        return Judgement::GoesOn(match (over, held) {
            (false, _) => Standing::Running,
            (true, false) => Standing::Extended,
            (true, true) => Standing::Held,
        });
    }
    if new.failures >= LEAST_FAILURES && is_worse(trial.counts.old, new, trial.terms) {
        return Judgement::Ends(TrialEnd::RolledBack);
    }
    if over { Judgement::Ends(TrialEnd::Promoted) } else { Judgement::GoesOn(Standing::Running) }
}

/// Whether the new rate is above factor × (old rate + 1 %), in whole numbers.
fn is_worse(old: Tries, new: Tries, terms: Terms) -> bool {
    // More than anybody counts, and the products fit.
    let number = |count: u64| u128::from(count.min(1 << 48));
    let (old_attempts, old_failures) = (number(old.attempts.max(1)), number(old.failures));
    let (new_attempts, new_failures) = (number(new.attempts), number(new.failures));
    let allowed = u128::from(terms.factor) * new_attempts * (100 * old_failures + old_attempts);
    new_failures * 1000 * 100 * old_attempts > allowed
}

/// What a plugin's latest trial says of a version that a file now has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// Nothing: it goes on trial.
    Begin,
    /// It is on trial already.
    Join,
    /// It was promoted.
    Proven,
    /// It was rolled back.
    RolledBack,
    /// It is the version with which the one in force was compared: to go back needs no trial.
    GoneBack,
}

/// What the latest trial says of version `to`, which would replace `from`.
pub(super) fn opening(latest: Option<&Trial>, from: &str, to: &str) -> Opening {
    let Some(trial) = latest else { return Opening::Begin };
    let end = trial.end.map(|(end, _)| end);
    if trial.to == from && trial.from == to {
        return Opening::GoneBack;
    }
    match end {
        _ if trial.to != to => Opening::Begin,
        None => Opening::Join,
        Some(TrialEnd::Promoted) => Opening::Proven,
        Some(TrialEnd::RolledBack) => Opening::RolledBack,
        Some(TrialEnd::Withdrawn) => Opening::Begin,
    }
}

#[cfg(test)]
mod tests {
    use jobhost_queue::Counted;

    use super::*;

    const MINUTE: u64 = 60_000;

    fn trial(elapsed: u64, old: (u64, u64), new: (u64, u64)) -> Trial {
        let tries = |(attempts, failures)| Tries { attempts, failures };
        Trial {
            number: 1,
            revision: 1,
            from: "a".into(),
            to: "b".into(),
            terms: Terms { share: 50_000, length: 10 * MINUTE, factor: 2_000 },
            began_at: 1_000 * MINUTE,
            now: 1_000 * MINUTE + elapsed,
            counts: Counted { old: tries(old), new: tries(new) },
            end: None,
        }
    }

    #[test]
    fn a_trial_ends_by_its_rule_and_not_before() {
        use Judgement::{Ends, GoesOn};
        use Standing::{Extended, Held, Running};
        use TrialEnd::{Promoted, RolledBack};
        for (minutes, old, new, expected) in [
            // No verdict before 50 attempts, whatever they came to.
            (0, (0, 0), (0, 0), GoesOn(Running)),
            (9, (900, 0), (49, 49), GoesOn(Running)),
            (10, (900, 0), (49, 49), GoesOn(Extended)),
            (99, (900, 0), (0, 0), GoesOn(Extended)),
            (100, (900, 0), (49, 0), GoesOn(Held)),
            (100_000, (900, 0), (49, 49), GoesOn(Held)),
            // Once there are, be it late.
            (100_000, (900, 0), (50, 0), Ends(Promoted)),
            (50, (900, 0), (50, 3), Ends(RolledBack)),
            // Promoted when the time is over.
            (9, (900, 0), (50, 0), GoesOn(Running)),
            (10, (900, 0), (50, 0), Ends(Promoted)),
            (10, (0, 0), (5_000, 0), Ends(Promoted)),
            // Rolled back at once, from three failures on.
            (0, (900, 0), (50, 2), GoesOn(Running)),
            (10, (900, 0), (50, 2), Ends(Promoted)),
            (0, (900, 0), (50, 3), Ends(RolledBack)),
            // Above 2 × (0 % + 1 %), not at it.
            (0, (900, 0), (150, 3), GoesOn(Running)),
            (0, (900, 0), (149, 3), Ends(RolledBack)),
            (0, (0, 0), (150, 3), GoesOn(Running)),
            (0, (0, 0), (149, 3), Ends(RolledBack)),
            // Above 2 × (10 % + 1 %).
            (0, (1_000, 100), (100, 22), GoesOn(Running)),
            (0, (1_000, 100), (100, 23), Ends(RolledBack)),
            (10, (1_000, 100), (100, 22), Ends(Promoted)),
            // An old version that always fails excuses every new one.
            (10, (1_000, 1_000), (100, 100), Ends(Promoted)),
            // No number is too large.
            (0, (u64::MAX, 0), (u64::MAX, u64::MAX), Ends(RolledBack)),
        ] {
            assert_eq!(judge(&trial(minutes * MINUTE, old, new)), expected, "{minutes} min, {old:?}, {new:?}");
        }
    }

    #[test]
    fn the_factor_is_that_of_the_trials_terms() {
        let mut worse = trial(0, (900, 0), (100, 5));
        for (factor, expected) in [(1_000, true), (4_999, true), (5_000, false), (1_000_000, false)] {
            worse.terms.factor = factor;
            assert_eq!(judge(&worse) == Judgement::Ends(TrialEnd::RolledBack), expected, "{factor}");
        }
    }

    #[test]
    fn a_clock_that_was_set_back_ends_nothing() {
        let mut before = trial(0, (0, 0), (100, 0));
        before.now = before.began_at - 1;
        assert_eq!(judge(&before), Judgement::GoesOn(Standing::Running));
    }

    #[test]
    fn what_is_made_of_a_version_follows_from_the_trial_before() {
        use Opening::{Begin, GoneBack, Join, Proven, RolledBack};
        let latest = |end: Option<TrialEnd>| Trial { end: end.map(|end| (end, 0)), ..trial(0, (0, 0), (0, 0)) };
        let ends = [None, Some(TrialEnd::Promoted), Some(TrialEnd::RolledBack), Some(TrialEnd::Withdrawn)];
        for (from, to, expected) in [
            ("a", "b", [Join, Proven, RolledBack, Begin]),
            // A worker that had another version in force goes by the same verdict.
            ("z", "b", [Join, Proven, RolledBack, Begin]),
            ("a", "c", [Begin; 4]),
            ("b", "c", [Begin; 4]),
            ("b", "a", [GoneBack; 4]),
            ("c", "a", [Begin; 4]),
        ] {
            assert_eq!(ends.map(|end| opening(Some(&latest(end)), from, to)), expected, "{from} to {to}");
        }
        assert_eq!(opening(None, "a", "b"), Begin);
    }
}
