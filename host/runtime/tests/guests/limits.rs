//! Handlers that use too much of something.

use jobhost_runtime::types::FailureCause;
use jobhost_runtime::{Limits, Plugin, PluginSettings};

use crate::harness::{call, engine, execute, faulted, handwritten, job, limit, plugin, plugin_with, returned};

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

    #[tokio::test]
    async fn no_more_lines_are_kept_than_may_be_logged() {
        let plugin = plugin_with("flood-stdout", |settings| settings.limits.log_lines = 3);
        let finished = plugin.execute(job(r#"{"to":"stderr"}"#), call().0).await;
        assert_eq!(finished.usage.stderr, "stderr 19998\nstderr 19999\n[31mstderr is short\n");
        assert!(finished.usage.stdio_cut);
        assert_eq!(returned(finished), Ok("\"still here\"".to_owned()));
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
        assert_eq!(limit(&finished), "output of 1001 bytes, at most 1000 are allowed by `output`");
    }

    #[tokio::test]
    async fn an_output_beyond_the_border_is_not_even_copied() {
        let plugin = plugin_with("huge-output", |settings| {
            settings.limits.host_call_bytes = 1 << 20;
        });
        let finished = plugin.execute(job(r#"{"bytes":2000000}"#), call().0).await;
        assert_eq!(
            limit(&finished),
            "more than 1048576 bytes in one exchange with the host, which is the limit `host-call-bytes`"
        );
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
        assert_eq!(
            limit(&finished),
            "more than 1048576 bytes in one exchange with the host, which is the limit `host-call-bytes`"
        );
    }

    #[tokio::test]
    async fn a_message_beyond_the_limit_of_logs_is_dropped_with_a_word() {
        let (call, host) = call();
        let finished = plugin("large-log").execute(job(r#"{"bytes":100000}"#), call).await;
        assert_eq!(returned(finished), Ok(String::new()));
        let logged = host.logged.lock().unwrap();
        assert_eq!(logged.len(), 1);
        assert!(logged[0].1.contains("the rest of this call's log is dropped"), "{logged:?}");
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
        assert_eq!(limit(&finished), "more than 50 handles at once, which is the limit `handles`");
    }

    #[tokio::test]
    async fn what_keeps_a_file_or_a_list_of_files_in_the_host_is_limited() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), "{}").unwrap();
        let plugin = plugin_with("hold-files", |settings| {
            settings.limits.open_files = 50;
            settings.grants.fs =
                vec![FsGrant { host: folder.path().to_owned(), guest: "/in".to_owned(), mode: FsMode::ReadOnly }];
        });
        for payload in
            [r#"{"path":"/in/file"}"#, r#"{"how":"stream","path":"file"}"#, r#"{"how":"list","path":"file"}"#]
        {
            let finished = plugin.execute(job(payload), call().0).await;
            assert_eq!(
                limit(&finished),
                "more than 50 files open at once, which is the limit `open-files`",
                "{payload}"
            );
        }
    }
}

mod get_over_refusal {
    use super::*;

    async fn end(payload: &str) -> FailureCause {
        faulted(&execute("get-over-refusal", payload).await).cause.clone()
    }

    #[tokio::test]
    async fn a_guest_that_dies_of_something_else_is_told_so_and_that_it_was_refused_memory() {
        for payload in [r#"{"end":"panic"}"#, r#"{"end":"abort","log":"yes"}"#] {
            let FailureCause::Trapped(text) = end(payload).await else { panic!("{payload}") };
            let (trap, note) = text.split_once("; ").unwrap();
            assert!(trap.contains("unreachable"), "{text}");
            assert!(note.starts_with("it had been refused more memory before, when it held "), "{text}");
        }
        assert_eq!(end(r#"{"end":"exit","log":"yes"}"#).await, FailureCause::Exited(1));
    }

    #[tokio::test]
    async fn a_guest_that_aborts_without_a_word_after_a_refusal_is_out_of_memory() {
        for payload in [r#"{"end":"abort"}"#, r#"{"end":"exit"}"#] {
            assert!(matches!(end(payload).await, FailureCause::OutOfMemory(_)), "{payload}");
        }
    }

    #[tokio::test]
    async fn a_guest_that_makes_do_without_is_done() {
        assert_eq!(returned(execute("get-over-refusal", "").await), Ok("true".to_owned()));
    }
}

mod stack_overflow {
    use super::*;

    #[tokio::test]
    async fn a_larger_stack_lets_it_go_deeper() {
        // What it costs to go deep is the memory of the stack, so that the limit shows in where it ends.
        let depth = async |stack: u64| {
            let settings =
                PluginSettings { limits: Limits { stack, ..Limits::default() }, ..PluginSettings::default() };
            let recurses = "(global $deep (mut i32) (i32.const 0)) \
                (func $recurse (global.set $deep (i32.add (global.get $deep) (i32.const 1))) \
                (if (i32.lt_u (global.get $deep) (i32.const 30000)) (then (call $recurse))) \
                (global.set $deep (i32.sub (global.get $deep) (i32.const 1))))";
            let (_folder, path) = handwritten(recurses, "(block (call $recurse)) i32.const 1024)");
            let plugin = Plugin::load(engine(), "deep", &path, settings).unwrap();
            plugin.execute(job(""), call().0).await
        };
        let shallow = depth(64 << 10).await;
        let FailureCause::Trapped(text) = &faulted(&shallow).cause else { panic!("{shallow:?}") };
        assert!(text.contains("stack"), "{text}");
        assert_eq!(returned(depth(4 << 20).await), Ok(String::new()));
    }
}

#[tokio::test]
async fn tables_that_grow_end_with_the_limit_that_stopped_them() {
    let grows = "(table $t 1 funcref) (func $grow (loop $on \
        (if (i32.eq (table.grow $t (ref.null func) (i32.const 100)) (i32.const -1)) (then unreachable)) (br $on)))";
    let (_folder, path) = handwritten(grows, "(block (call $grow)) i32.const 1024)");
    let settings =
        PluginSettings { limits: Limits { table_elements: 1_000, ..Limits::default() }, ..PluginSettings::default() };
    let plugin = Plugin::load(engine(), "tables", &path, settings).unwrap();
    let finished = plugin.execute(job(""), call().0).await;
    assert_eq!(limit(&finished), "tables of 1001 elements together, at most 1000 are allowed by `table-elements`");
}

#[tokio::test]
async fn tables_that_grow_in_turn_are_counted_together() {
    let grows = "(table $t 1 funcref) (table $u 1 funcref) (func $grow (loop $on \
        (if (i32.eq (table.grow $t (ref.null func) (i32.const 100)) (i32.const -1)) (then unreachable)) \
        (if (i32.eq (table.grow $u (ref.null func) (i32.const 100)) (i32.const -1)) (then unreachable)) (br $on)))";
    let (_folder, path) = handwritten(grows, "(block (call $grow)) i32.const 1024)");
    let settings =
        PluginSettings { limits: Limits { table_elements: 1_000, ..Limits::default() }, ..PluginSettings::default() };
    let plugin = Plugin::load(engine(), "tables", &path, settings).unwrap();
    let finished = plugin.execute(job(""), call().0).await;
    assert_eq!(limit(&finished), "tables of 1002 elements together, at most 1000 are allowed by `table-elements`");
}

#[tokio::test]
async fn a_memory_that_meets_its_own_maximum_is_not_told_as_one_that_meets_the_limit() {
    let grows = "(memory $second 1 2) (func $grow \
        (if (i32.eq (memory.grow $second (i32.const 2)) (i32.const -1)) (then unreachable)))";
    let (_folder, path) = handwritten(grows, "(block (call $grow)) i32.const 1024)");
    let plugin = Plugin::load(engine(), "maximum", &path, PluginSettings::default()).unwrap();
    let finished = plugin.execute(job(""), call().0).await;
    let FailureCause::Trapped(text) = &faulted(&finished).cause else { panic!("{finished:?}") };
    assert!(text.ends_with("it had been refused more memory before: its own maximum is 131072 bytes"), "{text}");
}

#[tokio::test]
async fn memories_that_grow_in_turn_are_counted_together() {
    let grows = "(memory $second 1) (memory $third 1) (func $grow (loop $on \
        (if (i32.eq (memory.grow $second (i32.const 1)) (i32.const -1)) (then unreachable)) \
        (if (i32.eq (memory.grow $third (i32.const 1)) (i32.const -1)) (then unreachable)) (br $on)))";
    let (_folder, path) = handwritten(grows, "(block (call $grow)) i32.const 1024)");
    let settings =
        PluginSettings { limits: Limits { memory: 1 << 20, ..Limits::default() }, ..PluginSettings::default() };
    let plugin = Plugin::load(engine(), "memories", &path, settings).unwrap();
    let finished = plugin.execute(job(""), call().0).await;
    assert_eq!(faulted(&finished).cause, FailureCause::OutOfMemory(1 << 20));
    assert_eq!(finished.usage.peak_memory, 1 << 20);
}
