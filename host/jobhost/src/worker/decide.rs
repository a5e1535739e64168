//! What becomes of a failed attempt: the whole rule, and nothing but the rule.
//! No I/O, no clock, no async; the caller brings the answers and the chance.
//!
//! Later wins: the queue's attempts and backoff, then the plugin's
//! `can-retry`, then each `after-error` hook.

use std::time::Duration;

use jobhost_runtime::types::{FailureCause, JobError, RetryDecision};

use crate::config::Backoff;

/// What a queue allows its jobs.
#[derive(Clone, Debug)]
pub struct RetryPolicy {
    /// Attempts in all, at least 1.
    pub attempts: u32,
    /// The delay before the next one.
    pub backoff: Backoff,
}

/// What is decided so far; never open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Another attempt after this long.
    RetryAfter(Duration),
    /// None, and why.
    GiveUp(String),
}

impl Decision {
    /// As the links of the chain are told it.
    pub fn told(&self) -> RetryDecision {
        match self {
            Self::RetryAfter(delay) => RetryDecision::RetryAfter(millis(*delay)),
            Self::GiveUp(why) => RetryDecision::GiveUp(why.clone()),
        }
    }
}

/// The queue's own decision on the `attempt`th attempt. `chance` is a number
/// from 0 up to, not including, 1.
pub fn by_queue(cause: &FailureCause, attempt: u32, policy: &RetryPolicy, chance: f64) -> Decision {
    if !can_be_retried(cause) {
        return Decision::GiveUp(format!("no attempt can help: {}", kind(cause)));
    }
    if let FailureCause::Returned(JobError::Permanent(_)) = cause {
        return Decision::GiveUp("the handler says that no attempt will succeed".into());
    }
    if attempt >= policy.attempts {
        return Decision::GiveUp(format!("attempt {attempt} of {}", policy.attempts));
    }
    match cause {
        FailureCause::Returned(JobError::RetryAfter(delayed)) => {
            Decision::RetryAfter(Duration::from_millis(delayed.after))
        }
        _ => Decision::RetryAfter(backoff(&policy.backoff, attempt, chance)),
    }
}

/// The decision after one more link of the chain has answered.
pub fn overruled(so_far: Decision, answer: RetryDecision, attempt: u32, backoff_of: &Backoff, chance: f64) -> Decision {
    match (answer, so_far) {
        (RetryDecision::Unchanged, so_far) => so_far,
        // "Retry after the queue's own backoff" changes nothing where a retry is due already.
        (RetryDecision::Retry, Decision::RetryAfter(delay)) => Decision::RetryAfter(delay),
        (RetryDecision::Retry, Decision::GiveUp(_)) => Decision::RetryAfter(backoff(backoff_of, attempt, chance)),
        (RetryDecision::RetryAfter(after), _) => Decision::RetryAfter(Duration::from_millis(after)),
        (RetryDecision::GiveUp(why), _) => Decision::GiveUp(why),
    }
}

/// Whether any later attempt could end differently, so that `can-retry` is asked.
pub fn can_be_retried(cause: &FailureCause) -> bool {
    !matches!(cause, FailureCause::Unhandled | FailureCause::Undecodable(_) | FailureCause::Crashed(_))
}

/// The delay before the attempt after the `attempt`th: exponential with a
/// ceiling, and full jitter, so that jobs which failed together do not come
/// back together.
pub fn backoff(backoff: &Backoff, attempt: u32, chance: f64) -> Duration {
    let exponent = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
    let ceiling = backoff.max.as_secs_f64();
    let grown = (backoff.initial.as_secs_f64() * backoff.factor.powi(exponent)).min(ceiling);
    Duration::try_from_secs_f64(grown * chance.clamp(0.0, 1.0)).unwrap_or(backoff.max)
}

/// The cause's case, as the WIT package names it.
pub fn kind(cause: &FailureCause) -> &'static str {
    match cause {
        FailureCause::Returned(_) => "returned",
        FailureCause::TimedOut(_) => "timed-out",
        FailureCause::OutOfMemory(_) => "out-of-memory",
        FailureCause::OutOfFuel(_) => "out-of-fuel",
        FailureCause::Trapped(_) => "trapped",
        FailureCause::Exited(_) => "exited",
        FailureCause::Crashed(_) => "crashed",
        FailureCause::Limit(_) => "limit",
        FailureCause::Unhandled => "unhandled",
        FailureCause::Undecodable(_) => "undecodable",
        FailureCause::HookFailed(_) => "hook-failed",
        FailureCause::Other(_) => "other",
    }
}

/// Whole milliseconds, as many as fit.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use jobhost_runtime::types::{DelayedFailure, Failure};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn failure() -> Failure {
        Failure { code: "1".into(), message: "planned".into(), details: Vec::new() }
    }

    fn temporary() -> FailureCause {
        FailureCause::Returned(JobError::Temporary(failure()))
    }

    fn permanent() -> FailureCause {
        FailureCause::Returned(JobError::Permanent(failure()))
    }

    fn retry_after(after: u64) -> FailureCause {
        FailureCause::Returned(JobError::RetryAfter(DelayedFailure { failure: failure(), after }))
    }

    fn exponential() -> Backoff {
        Backoff { initial: SECOND, max: Duration::from_mins(10), factor: 2.0 }
    }

    /// `Some(seconds)` = retried after, `None` = given up.
    #[track_caller]
    fn check(cause: &FailureCause, attempt: u32, attempts: u32, answers: &[RetryDecision], expected: Option<f64>) {
        let policy = RetryPolicy { attempts, backoff: exponential() };
        let decided = answers.iter().fold(by_queue(cause, attempt, &policy, 0.5), |so_far, answer| {
            overruled(so_far, answer.clone(), attempt, &policy.backoff, 0.5)
        });
        let delay = match &decided {
            Decision::RetryAfter(delay) => Some(delay.as_secs_f64()),
            Decision::GiveUp(_) => None,
        };
        assert_eq!(delay, expected, "{cause:?}, attempt {attempt} of {attempts}, {answers:?}: {decided:?}");
    }

    #[test]
    fn the_queue_decides_by_attempts_and_the_kind_of_failure() {
        let host_findings = [
            FailureCause::TimedOut(1),
            FailureCause::OutOfMemory(1),
            FailureCause::OutOfFuel(1),
            FailureCause::Trapped("x".into()),
            FailureCause::Exited(1),
            FailureCause::Limit("x".into()),
            FailureCause::HookFailed("x".into()),
            FailureCause::Other("x".into()),
            temporary(),
        ];
        for cause in host_findings {
            check(&cause, 1, 1, &[], None);
            check(&cause, 1, 3, &[], Some(0.5));
            check(&cause, 2, 3, &[], Some(1.0));
            check(&cause, 3, 3, &[], None);
            check(&cause, 4, 3, &[], None);
        }
        check(&permanent(), 1, 3, &[], None);
        check(&retry_after(7_000), 1, 3, &[], Some(7.0));
        check(&retry_after(7_000), 3, 3, &[], None);
        for hopeless in [FailureCause::Unhandled, FailureCause::Undecodable("x".into()), FailureCause::Crashed(3)] {
            check(&hopeless, 1, 100, &[], None);
            assert!(!can_be_retried(&hopeless));
        }
    }

    #[test]
    fn each_later_link_wins_over_the_earlier_ones() {
        use RetryDecision::{GiveUp, Retry, RetryAfter, Unchanged};
        let no = || GiveUp("no".into());
        check(&temporary(), 1, 1, &[Unchanged], None);
        check(&temporary(), 1, 3, &[Unchanged], Some(0.5));
        check(&temporary(), 1, 1, &[Retry], Some(0.5));
        check(&temporary(), 3, 1, &[Retry], Some(2.0));
        check(&permanent(), 1, 1, &[Retry], Some(0.5));
        check(&retry_after(7_000), 1, 3, &[Retry], Some(7.0));
        check(&temporary(), 1, 3, &[RetryAfter(9_000)], Some(9.0));
        check(&temporary(), 1, 3, &[no()], None);
        check(&temporary(), 1, 1, &[Retry, no()], None);
        check(&temporary(), 1, 3, &[no(), Retry], Some(0.5));
        check(&temporary(), 1, 3, &[no(), Unchanged], None);
        check(&temporary(), 1, 1, &[RetryAfter(9_000), Unchanged, Retry], Some(9.0));
        check(&FailureCause::Unhandled, 1, 1, &[RetryAfter(1_000)], Some(1.0));
        check(&FailureCause::Unhandled, 1, 1, &[Retry], Some(0.5));
        check(&FailureCause::HookFailed("x".into()), 1, 1, &[Retry, Unchanged], Some(0.5));
        check(&temporary(), 1, 3, &[no(), no(), RetryAfter(0)], Some(0.0));
        // An answer that no clock reaches is an answer, and overflows nothing.
        let beyond = Some(Duration::from_millis(u64::MAX).as_secs_f64());
        check(&temporary(), 1, 1, &[RetryAfter(u64::MAX)], beyond);
        check(&retry_after(u64::MAX), 1, 2, &[Unchanged, Retry], beyond);
        check(&temporary(), u32::MAX, 1, &[Retry], Some(300.0));
    }

    #[test]
    fn a_later_link_is_told_what_the_earlier_ones_decided() {
        assert_eq!(Decision::GiveUp("no".into()).told(), RetryDecision::GiveUp("no".into()));
        assert_eq!(Decision::RetryAfter(SECOND).told(), RetryDecision::RetryAfter(1_000));
        assert_eq!(Decision::RetryAfter(Duration::MAX).told(), RetryDecision::RetryAfter(u64::MAX));
    }

    #[test]
    fn the_backoff_grows_to_its_ceiling_and_spreads_over_all_of_it() {
        let delay = |attempt, chance| backoff(&exponential(), attempt, chance).as_secs_f64();
        for (attempt, grown) in [(1, 1.0), (2, 2.0), (5, 16.0)] {
            assert!((delay(attempt, 0.5) - grown / 2.0).abs() < 1e-6, "attempt {attempt}");
        }
        assert!((delay(100, 0.5) - 300.0).abs() < 1e-6);
        assert!((delay(u32::MAX, 1.0) - 600.0).abs() < 1e-6);
        assert!(delay(50, 0.0).abs() < f64::EPSILON);
    }
}
