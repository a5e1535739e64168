//! Instances that serve more than one call.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jobhost_runtime::types::{FailureCause, JobDraft, Level, PushError};
use jobhost_runtime::{
    BucketGrant, Call, CallHost, Engine, EngineSettings, FsGrant, FsMode, Instances, Interrupt, Limits, Outcome,
    Plugin, PluginSettings, Random, Reuse,
};
use serde_json::Value;
use tokio::sync::Barrier;

use crate::harness::{AMPLE, call, call_within, draft, guest, job, returned};

fn engine() -> Engine {
    Engine::new(&EngineSettings { calls: 2, hook_calls: 1, ..EngineSettings::default() }).unwrap()
}

fn for_long() -> Reuse {
    Reuse { max_jobs: 100, max_memory: 64 << 20, max_age: AMPLE * 60, max_idle: AMPLE * 60 }
}

/// A warm guest with what `remember` asks for.
fn load(engine: &Engine, name: &str, change: impl FnOnce(&mut PluginSettings)) -> Plugin {
    let mut settings = PluginSettings { instances: Instances::Warm(for_long()), ..PluginSettings::default() };
    change(&mut settings);
    Plugin::load(engine, name, &guest(name), settings).unwrap()
}

mod remember {
    use super::*;

    fn remember(engine: &Engine, change: impl FnOnce(&mut PluginSettings)) -> Plugin {
        load(engine, "remember", |settings| {
            let bucket = "mine".to_owned();
            settings.grants.keyvalue =
                vec![BucketGrant { guest: bucket.clone(), bucket, write: true, keys: 10, bytes: 1_000 }];
            settings.grants.queues = vec!["up".to_owned()];
            change(settings);
        })
    }

    async fn answer(plugin: &Plugin, payload: &str) -> Value {
        serde_json::from_str(&returned(plugin.execute(job(payload), call().0).await).unwrap()).unwrap()
    }

    /// The number of the instance's call that this was.
    async fn number(plugin: &Plugin, payload: &str) -> u64 {
        answer(plugin, payload).await["call"].as_u64().unwrap()
    }

    #[tokio::test]
    async fn an_instance_serves_later_calls_until_it_has_served_as_many_as_it_may() {
        let engine = engine();
        let plugin = remember(&engine, |settings| {
            settings.instances = Instances::Warm(Reuse { max_jobs: 3, ..for_long() });
        });
        let mut seen = Vec::new();
        for _ in 0..7 {
            let answer = answer(&plugin, "{}").await;
            assert_eq!(answer["goes-on"], true, "its clock went back");
            seen.push(answer["call"].as_u64().unwrap());
        }
        assert_eq!(seen, [1, 2, 3, 1, 2, 3, 1]);
        assert_eq!(engine.idle(), 1);
    }

    #[tokio::test]
    async fn all_functions_of_a_plugin_have_the_same_instances() {
        let plugin = remember(&engine(), |_| ());
        assert_eq!(number(&plugin, "{}").await, 1);
        assert_eq!(returned(plugin.get_ttr(draft("{}"), call().0).await), Some(200));
        returned(plugin.can_retry(job("{}"), FailureCause::TimedOut(1), call().0).await);
        assert_eq!(number(&plugin, "{}").await, 4);
    }

    #[tokio::test]
    async fn what_a_call_prints_logs_and_pushes_is_its_own() {
        let plugin = remember(&engine(), |settings| {
            settings.limits = Limits { pushes: 1, log_lines: 2, ..Limits::default() };
        });
        for n in 1..=4 {
            let (call, host) = call();
            let finished = plugin.execute(job(r#"{"do":"push"}"#), call).await;
            assert_eq!(finished.usage.stdout, format!("call {n}\n"));
            returned(finished).unwrap();
            assert_eq!(*host.logged.lock().unwrap(), [(Level::Info, format!("call {n}"))]);
            assert_eq!(host.pushed_now.lock().unwrap().len(), 1);
        }
    }

    #[tokio::test]
    async fn each_call_has_its_own_fuel_and_time() {
        let plugin = remember(&engine(), |settings| settings.limits.fuel = 10_000_000);
        let mut fuel = Vec::new();
        for n in 1..=3 {
            let finished = plugin.execute(job("{}"), call_within(AMPLE).0).await;
            fuel.push(finished.usage.fuel.unwrap());
            assert!(returned(finished).unwrap().contains(&format!("\"call\":{n},")));
        }
        assert!(fuel[2] < fuel[0] * 2, "it burnt {fuel:?}: what a call burns is not added to the next one's");
        let spinning = plugin.execute(job(r#"{"do":"spin"}"#), call_within(AMPLE).0).await;
        assert!(
            matches!(spinning.outcome, Outcome::Faulted(fault) if fault.cause == FailureCause::OutOfFuel(10_000_000))
        );

        let plugin = remember(&engine(), |_| ());
        assert_eq!(number(&plugin, "{}").await, 1);
        let late = plugin.execute(job(r#"{"do":"spin"}"#), call_within(Duration::from_millis(300)).0).await;
        assert!(matches!(late.outcome, Outcome::Faulted(fault) if fault.cause == FailureCause::TimedOut(300)));
    }

    #[tokio::test]
    async fn a_failure_is_an_answer_and_every_other_end_is_the_instances_too() {
        let engine = engine();
        let plugin = remember(&engine, |settings| settings.limits.output_bytes = 200);
        for (what, next) in [("fail", 3), ("trap", 1), ("exit", 1), ("refused", 1), ("spin", 1)] {
            let finished = plugin.execute(job("{}"), call().0).await;
            assert!(returned(finished).unwrap().starts_with(r#"{"call":1,"#), "{what}");
            let budget = if what == "spin" { Duration::from_millis(200) } else { AMPLE };
            let ended = plugin.execute(job(&format!(r#"{{"do":"{what}"}}"#)), call_within(budget).0).await;
            assert_eq!(matches!(ended.outcome, Outcome::Returned(_)), what == "fail", "{what}: {ended:?}");
            assert_eq!(engine.idle(), usize::from(what == "fail"), "{what}");
            assert_eq!(number(&plugin, "{}").await, next, "{what}");
            let _ = plugin.execute(job(r#"{"do":"trap"}"#), call().0).await;
        }
    }

    #[tokio::test]
    async fn a_call_that_is_cancelled_or_abandoned_takes_its_instance_along() {
        let engine = engine();
        let plugin = remember(&engine, |_| ());
        assert_eq!(number(&plugin, "{}").await, 1);
        let (spinning, host) = call();
        let interrupt = spinning.interrupt.clone();
        let running = tokio::spawn({
            let plugin = plugin.clone();
            async move { plugin.execute(job(r#"{"do":"spin"}"#), spinning).await }
        });
        host.heard.notified().await;
        interrupt.cancel();
        assert_eq!(running.await.unwrap().outcome, Outcome::Cancelled);
        assert_eq!(number(&plugin, "{}").await, 1);
        let (spinning, host) = call();
        tokio::select! {
            ended = plugin.execute(job(r#"{"do":"spin"}"#), spinning) => panic!("{ended:?}"),
            () = host.heard.notified() => {}
        }
        assert_eq!(number(&plugin, "{}").await, 1);
    }

    #[tokio::test]
    async fn no_later_call_has_what_a_guest_still_holds_of_an_earlier_one() {
        let engine = engine();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), "open").unwrap();
        let plugin = remember(&engine, |settings| {
            let host = folder.path().to_owned();
            settings.grants.fs = vec![FsGrant { host, guest: "/in".to_owned(), mode: FsMode::ReadOnly }];
        });
        for what in ["keep-file", "keep-bucket"] {
            let first = answer(&plugin, r#"{"do":"read","path":"/in/file"}"#).await;
            assert_eq!((&first["call"], &first["read"]), (&1.into(), &"open".into()));
            // What it was given for as long as it lives is no obstacle: it prints, and has its folders open.
            let keeping = format!(r#"{{"do":"{what}","path":"/in/file","bucket":"mine"}}"#);
            assert_eq!(number(&plugin, &keeping).await, 2);
            assert_eq!(engine.idle(), 0, "{what}");
        }
        let after = answer(&plugin, "{}").await;
        assert_eq!((&after["call"], &after["kept"]), (&1.into(), &"nothing".into()));
    }

    #[tokio::test]
    async fn a_folder_that_took_anothers_place_is_seen_by_a_new_instance() {
        let root = tempfile::tempdir().unwrap();
        let (inside, away) = (root.path().join("inside"), root.path().join("away"));
        let fill = |content: &str| {
            std::fs::create_dir(&inside).unwrap();
            std::fs::write(inside.join("file"), content).unwrap();
        };
        fill("before");
        let plugin = remember(&engine(), |settings| {
            settings.grants.fs =
                vec![FsGrant { host: inside.clone(), guest: "/in".to_owned(), mode: FsMode::ReadOnly }];
        });
        let read = async || {
            let answer = answer(&plugin, r#"{"do":"read","path":"/in/file"}"#).await;
            (answer["call"].as_u64().unwrap(), answer["read"].as_str().unwrap().to_owned())
        };
        assert_eq!([read().await, read().await], [(1, "before".to_owned()), (2, "before".to_owned())]);
        std::fs::rename(&inside, &away).unwrap();
        fill("after");
        assert_eq!([read().await, read().await], [(1, "after".to_owned()), (2, "after".to_owned())]);
        std::fs::rename(&inside, root.path().join("gone")).unwrap();
        let gone = plugin.execute(job("{}"), call().0).await;
        assert!(matches!(gone.outcome, Outcome::Unavailable(_)), "{gone:?}");
    }

    #[tokio::test]
    async fn a_call_costs_the_memory_that_its_instance_has_and_too_much_of_it_is_not_kept() {
        let engine = engine();
        let plugin = remember(&engine, |_| ());
        let plain = plugin.execute(job("{}"), call().0).await.usage.peak_memory;
        let grown = plugin.execute(job(r#"{"do":"keep-memory"}"#), call().0).await.usage.peak_memory;
        let after = plugin.execute(job("{}"), call().0).await.usage.peak_memory;
        assert!(plain < 4 << 20 && grown > 4 << 20 && after == grown, "{plain}, {grown}, {after}");

        let plugin = remember(&engine, |settings| {
            settings.instances = Instances::Warm(Reuse { max_memory: 4 << 20, ..for_long() });
        });
        let mut seen = Vec::new();
        for what in ["", "keep-memory", "", ""] {
            seen.push(number(&plugin, &format!(r#"{{"do":"{what}"}}"#)).await);
        }
        assert_eq!(seen, [1, 2, 1, 2]);
    }

    #[tokio::test]
    async fn two_calls_at_once_have_two_instances() {
        /// Lets a push come to its end only when two are under way.
        struct Meets(Barrier);

        #[async_trait]
        impl CallHost for Meets {
            async fn push(&self, _drafts: Vec<JobDraft>) -> Result<(), PushError> {
                Ok(())
            }

            async fn push_now(&self, _draft: JobDraft) -> Result<String, PushError> {
                self.0.wait().await;
                Ok(String::new())
            }

            fn progress(&self, _done: u32, _total: Option<u32>, _note: &str) {}

            fn log(&self, _level: Level, _message: &str) {}
        }

        let engine = engine();
        let plugin = remember(&engine, |_| ());
        for n in 1..=3 {
            let host: Arc<dyn CallHost> = Arc::new(Meets(Barrier::new(2)));
            let push = || {
                let call = Call { budget: AMPLE, host: Arc::clone(&host), interrupt: Interrupt::default() };
                plugin.execute(job(r#"{"do":"push"}"#), call)
            };
            let (one, other) = tokio::join!(push(), push());
            for finished in [one, other] {
                assert!(returned(finished).unwrap().starts_with(&format!("{{\"call\":{n},")));
            }
            assert_eq!(engine.idle(), 2);
        }
    }

    #[tokio::test]
    async fn idle_instances_make_room_for_others_those_that_waited_longest_first() {
        for pooling in [true, false] {
            // With the trial's there are four places.
            let engine =
                Engine::new(&EngineSettings { calls: 1, hook_calls: 1, pooling, ..EngineSettings::default() }).unwrap();
            let plugins: Vec<_> = (0..6).map(|_| remember(&engine, |_| ())).collect();
            for plugin in &plugins {
                assert_eq!(number(plugin, "{}").await, 1);
                assert!(engine.idle() <= 4);
            }
            assert_eq!(number(&plugins[5], "{}").await, 2);
            assert_eq!(number(&plugins[0], "{}").await, 1, "it had to go");
            let echo = Plugin::load(&engine, "echo", &guest("echo"), PluginSettings::default()).unwrap();
            assert_eq!(returned(echo.execute(job("1"), call().0).await), Ok("1".to_owned()));
            assert_eq!(engine.idle(), 3);
        }
    }

    #[tokio::test]
    async fn idle_instances_go_with_their_plugin_and_serve_no_other_settings() {
        let engine = engine();
        let plugin = remember(&engine, |_| ());
        let other = remember(&engine, |_| ());
        assert_eq!((number(&plugin, "{}").await, number(&other, "{}").await), (1, 1));
        let mut settings = PluginSettings { instances: Instances::Warm(for_long()), ..PluginSettings::default() };
        settings.grants.clone_from(plugin.grants());
        let now = {
            let plugin = plugin.clone();
            tokio::task::spawn_blocking(move || plugin.with_settings(settings)).await.unwrap().unwrap()
        };
        assert_eq!(number(&now, "{}").await, 1);
        assert_eq!(number(&plugin, "{}").await, 2);
        assert_eq!(engine.idle(), 3);
        drop(plugin);
        assert_eq!(engine.idle(), 2);
        drop((now, other));
        assert_eq!(engine.idle(), 0);
    }

    #[tokio::test]
    async fn an_instance_that_nobody_calls_is_gone_after_a_while() {
        let engine = engine();
        for reuse in [
            Reuse { max_idle: Duration::from_millis(50), ..for_long() },
            Reuse { max_age: Duration::from_millis(50), ..for_long() },
        ] {
            let plugin = remember(&engine, |settings| settings.instances = Instances::Warm(reuse));
            assert_eq!(number(&plugin, "{}").await, 1);
            let gone = async {
                while engine.idle() > 0 {
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(AMPLE, gone).await.expect("it is gone");
            assert_eq!(number(&plugin, "{}").await, 1);
        }
    }
}

#[tokio::test]
async fn seeded_random_numbers_begin_anew_in_each_call() {
    let plugin = load(&engine(), "draw-random", |settings| settings.grants.random = Random::Seeded(7));
    let draw = async || returned(plugin.execute(job("{}"), call().0).await).unwrap();
    assert_eq!(draw().await, draw().await);
}
