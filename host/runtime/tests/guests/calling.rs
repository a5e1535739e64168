//! Slots, interrupts and engines: how calls get along with each other.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use jobhost_runtime::types::{FailureCause, JobDraft, Level, PushDecision, PushError};
use jobhost_runtime::{Allocation, Call, CallHost, Engine, EngineSettings, Interrupt, Outcome, Plugin, PluginSettings};

use crate::harness::{AMPLE, call, call_within, draft, faulted, guest, job, plugin, report, returned};

fn engine(calls: u32, pooling: bool) -> Engine {
    Engine::new(&EngineSettings { calls, hook_calls: 1, pooling, ..EngineSettings::default() }).unwrap()
}

fn load(engine: &Engine, name: &str) -> Plugin {
    Plugin::load(engine, name, &guest(name), PluginSettings::default()).unwrap()
}

#[tokio::test]
async fn a_call_waits_for_its_slot_and_the_wait_costs_it_no_time() {
    let engine = engine(1, true);
    let busy = load(&engine, "loop-forever");
    let echo = load(&engine, "echo");
    let budget = Duration::from_millis(500);
    let (holding, host) = call_within(budget);
    let before = Instant::now();
    let holder = tokio::spawn(async move { busy.execute(job(""), holding).await });
    host.heard.notified().await;
    let waiters: Vec<_> = (0..4)
        .map(|_| {
            let echo = echo.clone();
            tokio::spawn(async move { echo.execute(job("1"), call_within(budget).0).await })
        })
        .collect();
    for waiter in waiters {
        let finished = waiter.await.unwrap();
        assert!(finished.usage.duration < budget, "{:?}", finished.usage);
        assert_eq!(returned(finished), Ok("1".to_owned()));
        assert!(before.elapsed() >= budget, "it did not wait");
    }
    assert_eq!(faulted(&holder.await.unwrap()).cause, FailureCause::TimedOut(500));
}

#[tokio::test]
async fn hooks_run_while_every_slot_of_execute_is_taken() {
    let engine = engine(1, true);
    let busy = load(&engine, "sleep-forever");
    let policy = load(&engine, "policy");
    let (holding, host) = call_within(AMPLE * 60);
    let interrupt = holding.interrupt.clone();
    let holder = tokio::spawn(async move { busy.execute(job(""), holding).await });
    host.heard.notified().await;
    assert_eq!(returned(policy.get_ttr(draft(r#"{"ttr":9}"#), call().0).await), Some(9));
    assert!(!holder.is_finished());
    interrupt.cancel();
    assert_eq!(holder.await.unwrap().outcome, Outcome::Cancelled);
}

#[tokio::test]
async fn a_hook_that_pushes_does_not_wait_for_itself() {
    /// Asks a before-push hook about each push, as the host of a real call does.
    struct Asks(Plugin);

    #[async_trait]
    impl CallHost for Asks {
        async fn push(&self, drafts: Vec<JobDraft>) -> Result<(), PushError> {
            for draft in drafts {
                let decision = self.0.before_push(draft, call().0).await;
                assert_eq!(returned(decision), Ok(PushDecision::Accept));
            }
            Ok(())
        }

        async fn push_now(&self, _draft: JobDraft) -> Result<String, PushError> {
            Ok(String::new())
        }

        fn progress(&self, _done: u32, _total: Option<u32>, _note: &str) {}

        fn log(&self, _level: Level, _message: &str) {}
    }

    let engine = engine(1, true);
    let mut settings = PluginSettings::default();
    settings.grants.queues = vec!["up".to_owned()];
    let hooks = Plugin::load(&engine, "every-hook", &guest("every-hook"), settings).unwrap();
    let call =
        Call { budget: Duration::from_secs(5), host: Arc::new(Asks(hooks.clone())), interrupt: Interrupt::default() };
    let told = hooks.after_exec(job(r#"{"queue":"up"}"#), "{}".to_owned(), report(), call);
    assert_eq!(returned(told.await), Ok(()));
}

#[tokio::test]
async fn a_cancelled_call_ends_whether_it_computes_or_waits_or_has_not_begun() {
    for name in ["loop-forever", "sleep-forever"] {
        let plugin = plugin(name);
        let (call, host) = call();
        let interrupt = call.interrupt.clone();
        let running = tokio::spawn(async move { plugin.execute(job(""), call).await });
        host.heard.notified().await;
        let began = Instant::now();
        interrupt.cancel();
        let finished = running.await.unwrap();
        assert_eq!(finished.outcome, Outcome::Cancelled, "{name}");
        assert!(finished.usage.peak_memory > 0);
        assert!(began.elapsed() < AMPLE / 2);
    }
    let (never, _) = call();
    never.interrupt.cancel();
    assert!(never.interrupt.is_cancelled());
    assert_eq!(plugin("echo").execute(job(""), never).await.outcome, Outcome::Cancelled);
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_gives_its_slot_back() {
    let engine = engine(1, true);
    let echo = load(&engine, "echo");
    for name in ["loop-forever", "sleep-forever"] {
        let abandoned = load(&engine, name);
        // Its own time would end it only long after the test has.
        let (call, host) = call_within(AMPLE * 60);
        tokio::select! {
            finished = abandoned.execute(job(""), call) => panic!("{name}: {finished:?}"),
            () = host.heard.notified() => {}
        }
        let next = echo.execute(job("1"), call_within(AMPLE).0);
        let finished = tokio::time::timeout(AMPLE, next).await.unwrap();
        assert_eq!(returned(finished), Ok("1".to_owned()));
    }
}

#[tokio::test]
async fn a_host_that_panics_during_a_call_takes_nobody_with_it() {
    struct Panics;

    #[async_trait]
    impl CallHost for Panics {
        async fn push(&self, _drafts: Vec<JobDraft>) -> Result<(), PushError> {
            Ok(())
        }

        async fn push_now(&self, _draft: JobDraft) -> Result<String, PushError> {
            Ok(String::new())
        }

        fn progress(&self, _done: u32, _total: Option<u32>, _note: &str) {}

        fn log(&self, _level: Level, _message: &str) {
            panic!("no room for logs");
        }
    }

    let engine = engine(1, true);
    let log = load(&engine, "log");
    for _ in 0..3 {
        let call = Call { budget: AMPLE, host: Arc::new(Panics), interrupt: Interrupt::default() };
        let finished = log.execute(job(r#"{"lines":1}"#), call).await;
        let Outcome::Unavailable(why) = finished.outcome else { panic!("{finished:?}") };
        assert!(why.contains("no room for logs"), "{why}");
    }
    assert_eq!(returned(log.execute(job(r#"{"lines":1}"#), call().0).await), Ok(String::new()));
}

#[tokio::test]
async fn an_engine_without_a_pool_does_the_same() {
    let engine = engine(2, false);
    assert!(matches!(engine.allocation(), Allocation::OnDemand { .. }));
    let echo = load(&engine, "echo");
    assert_eq!(returned(echo.execute(job("1"), call().0).await), Ok("1".to_owned()));
    let busy = load(&engine, "loop-forever");
    let finished = busy.execute(job(""), call_within(Duration::from_millis(50)).0).await;
    assert!(faulted(&finished).backtrace.is_none());
}

#[test]
fn an_engine_whose_pool_does_not_fit_goes_on_without_it_and_says_why() {
    // More address space than any machine has.
    let engine = engine(1_000_000, true);
    let Allocation::OnDemand { why } = engine.allocation() else { panic!("a pool of petabytes") };
    assert!(!why.is_empty());
    assert_eq!(load(&engine, "echo").name(), "echo");
}

#[test]
fn an_engine_can_end_within_an_asynchronous_task() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let engine = engine(1, true);
        let echo = load(&engine, "echo");
        drop(engine);
        assert_eq!(returned(echo.execute(job("1"), call().0).await), Ok("1".to_owned()));
        drop(echo);
    });
}

#[tokio::test]
async fn an_engine_can_end_while_its_last_guest_runs() {
    for (name, wait) in
        [("loop-forever", true), ("sleep-forever", true), ("loop-forever", false), ("sleep-forever", false)]
    {
        let engine = engine(1, true);
        let plugin = load(&engine, name);
        drop(engine);
        let (call, host) = call_within(Duration::from_millis(300));
        let running = tokio::spawn(async move {
            let call = plugin.execute(job(""), call);
            call.await
        });
        host.heard.notified().await;
        if wait {
            assert_eq!(faulted(&running.await.unwrap()).cause, FailureCause::TimedOut(300), "{name}");
        } else {
            running.abort();
            assert!(running.await.unwrap_err().is_cancelled(), "{name}");
            // The call's host is let go of with everything else that the call held.
            let gone = async {
                while Arc::strong_count(&host) > 1 {
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(AMPLE, gone).await.unwrap();
        }
    }
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let error = Engine::new(&EngineSettings { calls: 0, ..EngineSettings::default() }).err().unwrap();
    assert_eq!(error.to_string(), "engine setting `calls` is 0; it must be at least 1");
}

/// Not a test of anything: `cargo test -p jobhost-runtime -- --ignored --nocapture figures`.
#[tokio::test]
#[ignore = "prints figures"]
async fn figures() {
    let echo = plugin("echo");
    let mut times = Vec::new();
    for _ in 0..2_000 {
        let began = Instant::now();
        returned(echo.execute(job("{}"), call().0).await).unwrap();
        times.push(began.elapsed());
    }
    times.sort_unstable();
    println!("echo: median {:?}, p99 {:?}", times[times.len() / 2], times[times.len() * 99 / 100]);
    for name in ["loop-forever", "sleep-forever"] {
        let plugin = plugin(name);
        let budget = Duration::from_millis(100);
        let mut late = Vec::new();
        for _ in 0..50 {
            let finished = plugin.execute(job(""), call_within(budget).0).await;
            faulted(&finished);
            late.push(finished.usage.duration.saturating_sub(budget));
        }
        late.sort_unstable();
        println!("{name}: late by {:?} (median), {:?} (most)", late[25], late[49]);
    }
}
