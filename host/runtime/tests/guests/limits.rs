//! Handlers that use too much of something.

use jobhost_runtime::types::FailureCause;

use crate::harness::{call, execute, faulted, job, limit, plugin, plugin_with, returned};

mod eat_memory {
    use super::*;

    #[tokio::test]
    async fn out_of_memory_tells_what_it_held() {
        let limit = 32 << 20;
        let plugin = plugin_with("eat-memory", |settings| settings.limits.memory = limit);
        let finished = plugin.execute(job(""), call().0).await;
        let FailureCause::OutOfMemory(held) = faulted(&finished).cause else { panic!("{finished:?}") };
        assert!(held > limit - (4 << 20) && held <= limit, "{held}");
        assert_eq!(finished.usage.peak_memory, held);
    }

    #[tokio::test]
    async fn memory_that_is_only_asked_for_counts_as_much() {
        let finished = plugin_with("eat-memory", |settings| settings.limits.memory = 32 << 20)
            .execute(job(r#"{"touch":"no"}"#), call().0)
            .await;
        assert!(matches!(faulted(&finished).cause, FailureCause::OutOfMemory(28_000_000..)), "{finished:?}");
    }

    #[tokio::test]
    async fn what_is_within_the_limit_is_granted_and_counted() {
        let finished = execute("eat-memory", r#"{"bytes":20971520}"#).await;
        assert!(finished.usage.peak_memory >= 20 << 20, "{}", finished.usage.peak_memory);
        assert_eq!(returned(finished), Ok("20".to_owned()));
    }
}

mod grow_slowly {
    use std::time::Duration;

    use super::*;
    use crate::harness::call_within;

    #[tokio::test]
    async fn its_memory_ends_it_however_long_it_takes_to_fill_it() {
        let limit = 4 << 20;
        let plugin = plugin_with("grow-slowly", |settings| settings.limits.memory = limit);
        let finished = plugin.execute(job(r#"{"ms":1}"#), call().0).await;
        let FailureCause::OutOfMemory(held) = faulted(&finished).cause else { panic!("{finished:?}") };
        assert!(held > limit / 2 && held <= limit, "{held}");
        assert!(finished.usage.duration > Duration::from_millis(100), "{:?}", finished.usage.duration);
    }

    #[tokio::test]
    async fn what_it_held_when_its_time_was_over_is_told() {
        let finished =
            plugin("grow-slowly").execute(job(r#"{"ms":20}"#), call_within(Duration::from_millis(600)).0).await;
        assert_eq!(faulted(&finished).cause, FailureCause::TimedOut(600));
        assert!((1 << 16..4 << 20).contains(&finished.usage.peak_memory), "{}", finished.usage.peak_memory);
    }
}

mod flood_stdout {
    use super::*;

    #[tokio::test]
    async fn output_is_cut_at_its_beginning_and_harms_nobody() {
        let finished = plugin_with("flood-stdout", |settings| {
            settings.limits.stdio_bytes = 1_000;
        })
        .execute(job(""), call().0)
        .await;
        let usage = finished.usage.clone();
        assert_eq!(returned(finished), Ok("\"still here\"".to_owned()));
        assert_eq!(usage.stdout.len(), 1_000);
        assert!(usage.stdout.ends_with("stdout 19999\n"));
        assert!(usage.stdio_cut);
        assert_eq!(usage.stderr, "[31mstderr is short\n");
    }
}

mod huge_output {
    use super::*;

    #[tokio::test]
    async fn an_output_may_be_as_large_as_its_limit_and_not_a_byte_more() {
        let plugin = plugin_with("huge-output", |settings| {
            settings.limits.output_bytes = 1_000;
        });
        let finished = plugin.execute(job(r#"{"bytes":998}"#), call().0).await;
        assert_eq!(returned(finished).unwrap().len(), 1_000);
        let finished = plugin.execute(job(r#"{"bytes":999}"#), call().0).await;
        assert_eq!(limit(&finished), "output of 1001 bytes, at most 1000 are allowed");
    }

    #[tokio::test]
    async fn an_output_beyond_the_border_is_not_even_copied() {
        let plugin = plugin_with("huge-output", |settings| {
            settings.limits.host_call_bytes = 1 << 20;
        });
        let finished = plugin.execute(job(r#"{"bytes":2000000}"#), call().0).await;
        assert_eq!(limit(&finished), "more than 1048576 bytes in one exchange with the host");
    }
}

mod large_log {
    use super::*;

    #[tokio::test]
    async fn a_message_beyond_the_border_ends_the_call() {
        let plugin = plugin_with("large-log", |settings| {
            settings.limits.host_call_bytes = 1 << 20;
        });
        let finished = plugin.execute(job(r#"{"bytes":2000000}"#), call().0).await;
        assert_eq!(limit(&finished), "more than 1048576 bytes in one exchange with the host");
    }

    #[tokio::test]
    async fn a_message_beyond_the_limit_of_logs_is_dropped_with_a_word() {
        let (call, host) = call();
        let finished = plugin("large-log").execute(job(r#"{"bytes":100000}"#), call).await;
        assert_eq!(returned(finished), Ok(String::new()));
        let logged = host.logged.lock().unwrap();
        assert_eq!(logged.len(), 1);
        assert!(logged[0].1.contains("the rest is dropped"), "{logged:?}");
    }
}

mod hold_files {
    use jobhost_runtime::{FsGrant, FsMode};

    use super::*;

    #[tokio::test]
    async fn handles_are_limited() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), "{}").unwrap();
        let plugin = plugin_with("hold-files", |settings| {
            settings.limits.handles = 50;
            settings.grants.fs =
                vec![FsGrant { host: folder.path().to_owned(), guest: "/in".to_owned(), mode: FsMode::ReadOnly }];
        });
        let finished = plugin.execute(job(r#"{"path":"/in/file"}"#), call().0).await;
        assert_eq!(limit(&finished), "more than 50 handles at once");
    }
}
