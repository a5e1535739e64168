//! Hooks, get-ttr and can-retry.

use std::time::Duration;

use jobhost_runtime::types::{ExecDecision, FailureCause, Level, PushDecision, RetryDecision};

use crate::harness::{call, call_within, draft, faulted, job, plugin, plugin_with, report, returned};

mod policy {
    use super::*;

    #[tokio::test]
    async fn get_ttr_answers_seconds_or_nothing() {
        let plugin = plugin("policy");
        assert!(plugin.exports().handler && plugin.exports().time_to_run && plugin.exports().retry_policy);
        assert_eq!(returned(plugin.get_ttr(draft(r#"{"ttr":90}"#), call().0).await), Some(90));
        assert_eq!(returned(plugin.get_ttr(draft(""), call().0).await), None);
    }

    #[tokio::test]
    async fn get_ttr_that_never_ends_is_ended() {
        let short = call_within(Duration::from_millis(50)).0;
        let finished = plugin("policy").get_ttr(draft(r#"{"ttr":"loop"}"#), short).await;
        assert_eq!(faulted(&finished).cause, FailureCause::TimedOut(50));
    }

    #[tokio::test]
    async fn can_retry_that_never_ends_is_ended() {
        let short = call_within(Duration::from_millis(50)).0;
        let finished = plugin("policy").can_retry(job(r#"{"retry":"loop"}"#), FailureCause::Unhandled, short).await;
        assert_eq!(faulted(&finished).cause, FailureCause::TimedOut(50));
    }

    #[tokio::test]
    async fn can_retry_hears_the_cause_and_decides() {
        let plugin = plugin("policy");
        let ask = async |payload: &str, cause| returned(plugin.can_retry(job(payload), cause, call().0).await);
        assert_eq!(ask(r#"{"retry":"retry"}"#, FailureCause::Unhandled).await, RetryDecision::Retry);
        assert_eq!(ask(r#"{"retry":"500"}"#, FailureCause::Unhandled).await, RetryDecision::RetryAfter(500));
        assert_eq!(ask(r#"{"retry":"?"}"#, FailureCause::Unhandled).await, RetryDecision::Unchanged);
        let RetryDecision::GiveUp(reason) = ask("", FailureCause::TimedOut(1_000)).await else {
            panic!("not given up");
        };
        assert!(reason.contains("TimedOut(1000)"), "{reason}");
    }

    #[tokio::test]
    async fn neither_may_push_even_with_a_grant() {
        let plugin = plugin_with("policy", |settings| {
            settings.grants.queues = vec!["any".to_owned()];
        });
        let (first, host) = call();
        assert_eq!(returned(plugin.get_ttr(draft(r#"{"ttr":"push"}"#), first.clone()).await), Some(403));
        let decision = plugin.can_retry(job(r#"{"retry":"push"}"#), FailureCause::Unhandled, first).await;
        assert_eq!(returned(decision), RetryDecision::RetryAfter(403));
        assert!(host.pushed.lock().unwrap().is_empty() && host.pushed_now.lock().unwrap().is_empty());
    }
}

mod every_hook {
    use super::*;

    #[tokio::test]
    async fn before_push_accepts_replaces_and_rejects() {
        let plugin = plugin("every-hook");
        assert!(plugin.exports().hook() && !plugin.exports().handler);
        let ask = async |payload: &str| returned(plugin.before_push(draft(payload), call().0).await);
        assert_eq!(ask("").await, Ok(PushDecision::Accept));
        let Ok(PushDecision::Replace(replacement)) = ask(r#"{"answer":"replace"}"#).await else {
            panic!("not replaced");
        };
        assert_eq!((replacement.payload.as_str(), replacement.ttr), (r#"{"replaced":true}"#, Some(7)));
        let rejected = Ok(PushDecision::Reject("no CopyAssetJob today".to_owned()));
        assert_eq!(ask(r#"{"answer":"reject"}"#).await, rejected);
        assert_eq!(ask(r#"{"answer":"fail"}"#).await, Err("the hook is broken".to_owned()));
    }

    #[tokio::test]
    async fn a_hook_that_never_ends_is_ended() {
        let plugin = plugin("every-hook");
        let short = || call_within(Duration::from_millis(50)).0;
        let payload = |hook: &str| format!(r#"{{"loop":"{hook}"}}"#);
        let timed_out = FailureCause::TimedOut(50);
        let finished = plugin.before_push(draft(&payload("before-push")), short()).await;
        assert_eq!(faulted(&finished).cause, timed_out);
        let finished = plugin.before_exec(job(&payload("before-exec")), short()).await;
        assert_eq!(faulted(&finished).cause, timed_out);
        let finished = plugin.after_exec(job(&payload("after-exec")), String::new(), report(), short()).await;
        assert_eq!(faulted(&finished).cause, timed_out);
        let (job, cause) = (job(&payload("after-error")), FailureCause::Unhandled);
        let finished = plugin.after_error(job, cause, RetryDecision::Retry, report(), short()).await;
        assert_eq!(faulted(&finished).cause, timed_out);
    }

    #[tokio::test]
    async fn a_replacement_that_cannot_be_stored_is_the_hooks_error() {
        let plugin = plugin("every-hook");
        let ask = async |payload: &str| returned(plugin.before_push(draft(payload), call().0).await);
        let elsewhere = "replacement: its queue is `elsewhere`, it must stay `copy-asset`";
        assert_eq!(ask(r#"{"answer":"elsewhere"}"#).await, Err(elsewhere.to_owned()));
        let garbage = ask(r#"{"answer":"garbage"}"#).await.unwrap_err();
        assert!(garbage.starts_with("replacement: payload is not JSON: "), "{garbage}");
    }

    #[tokio::test]
    async fn before_push_itself_cannot_push() {
        let plugin = plugin_with("every-hook", |settings| {
            settings.grants.queues = vec!["any".to_owned()];
        });
        let (call, host) = call();
        let answer = returned(plugin.before_push(draft(r#"{"answer":"push"}"#), call).await).unwrap_err();
        assert!(answer.contains("Denied") && answer.contains("from within before-push"), "{answer}");
        assert!(host.pushed.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn before_exec_knows_every_decision() {
        let plugin = plugin("every-hook");
        let ask = async |payload: &str| returned(plugin.before_exec(job(payload), call().0).await);
        assert_eq!(ask("").await, Ok(ExecDecision::Proceed));
        assert_eq!(ask(r#"{"answer":"skip"}"#).await, Ok(ExecDecision::Skip("seen before".to_owned())));
        assert_eq!(ask(r#"{"answer":"postpone"}"#).await, Ok(ExecDecision::Postpone(2_000)));
        let Ok(ExecDecision::Fail(failure)) = ask(r#"{"answer":"fail"}"#).await else { panic!("not failed") };
        assert_eq!(failure.code, "35020");
        assert_eq!(ask(r#"{"answer":"broken"}"#).await, Err("the hook is broken".to_owned()));
        let short = call_within(Duration::from_millis(50)).0;
        let finished = plugin.before_exec(job(r#"{"loop":"before-exec"}"#), short).await;
        assert_eq!(faulted(&finished).cause, FailureCause::TimedOut(50));
    }

    #[tokio::test]
    async fn after_exec_hears_output_and_report_and_may_push() {
        let plugin = plugin_with("every-hook", |settings| {
            settings.grants.queues = vec!["up".to_owned()];
        });
        let (call, host) = call();
        let finished = plugin.after_exec(job(r#"{"queue":"up"}"#), r#"{"size":3}"#.to_owned(), report(), call).await;
        assert_eq!(returned(finished), Ok(()));
        let told = (Level::Info, r#"{"size":3} 1048576 sha256:ab"#.to_owned());
        assert_eq!(host.logged.lock().unwrap()[..], [told]);
        assert_eq!(host.pushed.lock().unwrap()[0].payload, r#"{"size":3}"#);
    }

    #[tokio::test]
    async fn after_error_has_the_last_word() {
        let plugin = plugin("every-hook");
        let ask = async |payload: &str, decision| {
            plugin.after_error(job(payload), FailureCause::Exited(3), decision, report(), call().0).await
        };
        let give_up = || RetryDecision::GiveUp("attempts".to_owned());
        assert_eq!(returned(ask("", give_up()).await), Ok(RetryDecision::Unchanged));
        assert_eq!(returned(ask(r#"{"answer":"retry"}"#, give_up()).await), Ok(RetryDecision::RetryAfter(250)));
        let Ok(RetryDecision::GiveUp(why)) =
            returned(ask(r#"{"answer":"give-up"}"#, RetryDecision::RetryAfter(1)).await)
        else {
            panic!("not given up");
        };
        assert!(why.contains("Exited(3)"), "{why}");
        let finished = ask(r#"{"answer":"trap"}"#, give_up()).await;
        assert!(matches!(faulted(&finished).cause, FailureCause::Trapped(_)));
    }
}

mod remaining {
    use super::*;

    #[tokio::test]
    async fn it_is_what_is_left_of_the_budget_or_of_the_grace_period() {
        let plugin = plugin("remaining");
        let (long, _) = call_within(Duration::from_secs(50));
        let left: u64 = returned(plugin.execute(job(""), long.clone()).await).unwrap().parse().unwrap();
        assert!(left > 30_000 && left <= 50_000, "{left}");
        long.interrupt.grace_ends_in(Duration::from_secs(5));
        let left: u64 = returned(plugin.execute(job(""), long).await).unwrap().parse().unwrap();
        assert!(left <= 5_000, "{left}");
        let (short, _) = call_within(Duration::from_secs(2));
        short.interrupt.grace_ends_in(Duration::from_secs(100));
        let left: u64 = returned(plugin.execute(job(""), short).await).unwrap().parse().unwrap();
        assert!(left <= 2_000, "{left}");
    }
}
