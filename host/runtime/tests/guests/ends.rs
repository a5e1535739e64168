//! Handlers that are ended, by themselves, by the engine or by the clock.

use std::time::{Duration, Instant};

use jobhost_runtime::types::FailureCause;
use jobhost_runtime::{Plugin, PluginSettings};

use crate::harness::{call, call_within, engine, execute, faulted, job, plugin, plugin_with, returned};

mod trap {
    use super::*;

    #[tokio::test]
    async fn the_panic_is_on_stderr_and_the_stack_in_the_backtrace() {
        let finished = execute("trap", "7").await;
        let fault = faulted(&finished);
        let FailureCause::Trapped(text) = &fault.cause else { panic!("{fault:?}") };
        assert!(text.contains("unreachable"), "{text}");
        assert!(finished.usage.stderr.contains("no handler for 7"), "{}", finished.usage.stderr);
        let backtrace = fault.backtrace.as_deref().unwrap();
        assert!(backtrace.lines().next().unwrap().trim_start().starts_with("0: "), "{backtrace}");
        assert!(backtrace.contains("execute"), "{backtrace}");
    }
}

#[tokio::test]
async fn the_names_in_a_backtrace_are_short_and_printable() {
    let name = format!("evil\\1b[2J\\0a  0: {}", "x".repeat(5_000));
    let text = include_str!("handler.wat")
        .replace(r#"(func (export "execute")"#, &format!(r#"(func $"{name}" (export "execute")"#))
        .replace("i32.const 1024)", "unreachable)");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), wat::parse_str(text).unwrap()).unwrap();
    let plugin = Plugin::load(engine(), "evil", file.path(), PluginSettings::default()).unwrap();
    let finished = plugin.execute(job(""), call().0).await;
    let backtrace = faulted(&finished).backtrace.as_deref().unwrap();
    assert!(backtrace.contains("evil[2J   0: xxx"), "{backtrace}");
    assert!(backtrace.len() < 2_000 && backtrace.lines().count() == 1, "{backtrace}");
}

mod abort {
    use super::*;

    #[tokio::test]
    async fn it_is_a_trap_without_a_word() {
        let finished = execute("abort", "").await;
        let FailureCause::Trapped(text) = &faulted(&finished).cause else { panic!("{finished:?}") };
        assert!(text.contains("unreachable"), "{text}");
        assert!(faulted(&finished).backtrace.as_deref().unwrap().contains("abort"), "{finished:?}");
        assert_eq!(finished.usage.stderr, "");
    }
}

mod divide_by_zero {
    use super::*;

    #[tokio::test]
    async fn it_is_a_trap_with_rusts_own_words() {
        let finished = execute("divide-by-zero", "x").await;
        assert!(matches!(faulted(&finished).cause, FailureCause::Trapped(_)));
        assert!(finished.usage.stderr.contains("attempt to divide by zero"), "{}", finished.usage.stderr);
    }
}

mod stack_overflow {
    use super::*;

    #[tokio::test]
    async fn it_ends_the_guest_and_not_the_host() {
        let finished = execute("stack-overflow", "").await;
        let FailureCause::Trapped(text) = &faulted(&finished).cause else { panic!("{finished:?}") };
        assert!(text.contains("stack"), "{text}");
        assert!(faulted(&finished).backtrace.is_some());
    }
}

mod exit {
    use super::*;

    #[tokio::test]
    async fn its_status_is_the_cause() {
        // WASI 0.2 knows success and failure alone; what remains of 3 is 1.
        assert_eq!(faulted(&execute("exit", "").await).cause, FailureCause::Exited(1));
    }

    #[tokio::test]
    async fn a_guest_that_exits_with_success_has_not_answered() {
        let finished = execute("exit", r#"{"status":0}"#).await;
        assert_eq!(faulted(&finished).cause, FailureCause::Exited(0));
    }
}

mod odd_output {
    use super::*;

    #[tokio::test]
    async fn output_that_is_not_json_names_the_place() {
        let finished = execute("odd-output", "").await;
        let FailureCause::Other(text) = &faulted(&finished).cause else { panic!("{finished:?}") };
        assert!(text.starts_with("output: not JSON: ") && text.contains("line 2"), "{text}");
    }
}

#[tokio::test]
async fn text_that_is_not_utf_8_is_the_guests_fault_and_harms_nobody() {
    // `ok`, and a string of two bytes that begin no character.
    let text = include_str!("handler.wat")
        .replace(";; extra", r#"(data (i32.const 1032) "\00\0c\00\00\02\00\00\00") (data (i32.const 3072) "\ff\fe")"#);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), wat::parse_str(text).unwrap()).unwrap();
    let plugin = Plugin::load(engine(), "garbled", file.path(), PluginSettings::default()).unwrap();
    let finished = plugin.execute(job(""), call().0).await;
    let FailureCause::Other(text) = &faulted(&finished).cause else { panic!("{finished:?}") };
    assert!(text.starts_with("guest: invalid utf-8"), "{text}");
    assert!(matches!(execute("echo", "1").await.outcome, jobhost_runtime::Outcome::Returned(Ok(_))));
}

mod loop_forever {
    use super::*;

    #[tokio::test]
    async fn it_is_ended_soon_after_its_time() {
        let budget = Duration::from_millis(200);
        let plugin = plugin("loop-forever");
        let began = Instant::now();
        let finished = plugin.execute(job(""), call_within(budget).0).await;
        assert_eq!(faulted(&finished).cause, FailureCause::TimedOut(200));
        assert!(finished.usage.duration >= budget);
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    }

    #[tokio::test]
    async fn its_fuel_ends_it_before_its_time() {
        let plugin = plugin_with("loop-forever", |settings| settings.limits.fuel = 1_000_000);
        let finished = plugin.execute(job(""), call().0).await;
        assert_eq!(faulted(&finished).cause, FailureCause::OutOfFuel(1_000_000));
        assert_eq!(finished.usage.fuel, Some(1_000_000));
    }

    #[tokio::test]
    async fn busy_guests_on_every_thread_leave_the_callers_thread_alone() {
        let plugin = plugin("loop-forever");
        let calls: Vec<_> = (0..8)
            .map(|_| {
                let plugin = plugin.clone();
                tokio::spawn(async move { plugin.execute(job(""), call_within(Duration::from_millis(500)).0).await })
            })
            .collect();
        // This runs on the one thread of the test's own runtime.
        let mut beats = 0;
        while !calls.iter().all(tokio::task::JoinHandle::is_finished) {
            tokio::time::sleep(Duration::from_millis(5)).await;
            beats += 1;
        }
        assert!(beats >= 10, "{beats}");
        for call in calls {
            assert_eq!(faulted(&call.await.unwrap()).cause, FailureCause::TimedOut(500));
        }
    }
}

mod slow_start {
    use super::*;

    #[tokio::test]
    async fn static_constructors_run_on_the_calls_time() {
        let plugin = plugin("slow-start");
        let finished = plugin.execute(job(""), call_within(Duration::from_millis(10)).0).await;
        assert_eq!(faulted(&finished).cause, FailureCause::TimedOut(10));
        let finished = plugin.execute(job(""), call().0).await;
        assert_eq!(returned(finished), Ok("\"started\"".to_owned()));
    }
}

mod sleep_forever {
    use super::*;

    #[tokio::test]
    async fn waiting_in_a_host_call_does_not_outlive_its_time() {
        let budget = Duration::from_millis(200);
        let plugin = plugin("sleep-forever");
        let began = Instant::now();
        let finished = plugin.execute(job(""), call_within(budget).0).await;
        assert_eq!(faulted(&finished).cause, FailureCause::TimedOut(200));
        assert!(finished.usage.duration >= budget);
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    }
}

mod hold_back {
    use super::*;

    #[tokio::test]
    async fn a_result_that_comes_too_late_is_none() {
        let plugin = plugin_with("hold-back", |settings| settings.grants.queues = vec!["next".to_owned()]);
        let finished = plugin.execute(job(r#"{"queue":"next"}"#), call_within(Duration::from_millis(500)).0).await;
        assert_eq!(faulted(&finished).cause, FailureCause::TimedOut(500));
        assert_eq!(finished.usage.stdout, "the result is there\n", "it had done its work");
    }
}
