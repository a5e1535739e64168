//! Calls that nothing but the epoch can end, and calls that need no turns.

use super::*;
use crate::nobody::Nobody;
use crate::{Engine, EngineSettings, Plugin, PluginSettings};

/// A handler that computes until it is stopped.
fn busy() -> Plugin {
    handler("(loop $on br $on) unreachable)")
}

/// One whose code this is.
fn handler(body: &str) -> Plugin {
    handler_on(body, None)
}

/// The same in an engine of so many threads.
fn handler_on(body: &str, threads: Option<u32>) -> Plugin {
    let text = include_str!("../../tests/guests/handler.wat").replace("i32.const 1024)", body);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), wat::parse_str(text).unwrap()).unwrap();
    let engine = Engine::new(&EngineSettings { threads, ..EngineSettings::default() }).unwrap();
    Plugin::load(&engine, "busy", file.path(), PluginSettings::default()).unwrap()
}

fn job() -> crate::types::Job {
    crate::types::Job {
        id: String::new(),
        key: String::new(),
        queue: String::new(),
        name: String::new(),
        payload: String::new(),
        attempt: 1,
        max_attempts: None,
        ttr: 1,
        pushed_at: None,
        metadata: Vec::new(),
    }
}

/// How a busy call ends that nothing but the epoch can stop: there is no timer around it.
async fn stopped(budget: Duration, interrupt: Interrupt) -> Option<Stop> {
    let plugin = busy();
    let deadline = Instant::now() + budget;
    let terms = Terms { stage: Stage::Execute, deadline, host: Arc::new(Nobody), interrupt, tick: Tick::default() };
    let mut sandbox = sandbox::for_call(&plugin.0, &terms).unwrap();
    let instance = sandbox.instance(&plugin.0).await.unwrap();
    let handler = plugin.0.indices.handler.clone().unwrap().load(&mut sandbox.store, &instance).unwrap();
    handler.call_execute(&mut sandbox.store, &job()).await.unwrap_err().downcast().ok()
}

#[tokio::test]
async fn the_epoch_alone_stops_a_busy_guest_when_its_time_is_over() {
    let ended = tokio::time::timeout(Duration::from_secs(20), stopped(Duration::from_millis(50), Interrupt::default()));
    assert!(matches!(ended.await, Ok(Some(Stop::TimedOut))));
}

#[tokio::test]
async fn the_epoch_alone_stops_a_busy_guest_that_is_cancelled() {
    let interrupt = Interrupt::default();
    interrupt.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(20), stopped(Duration::from_hours(1), interrupt));
    assert!(matches!(ended.await, Ok(Some(Stop::Cancelled))));
}

/// The outcome of a handler that computes for some ticks, called as `stage` while others have all turns.
async fn amid_others(stage: Stage, budget: Duration) -> Outcome<()> {
    let plugin = handler(
        "(local $n i32) (loop $on (local.tee $n (i32.add (local.get $n) (i32.const 1)))
            (br_if $on (i32.lt_u (i32.const 30000000)))) i32.const 1024)",
    );
    let turns = plugin.0.engine.turns();
    let all = u32::try_from(turns.available_permits()).unwrap();
    let _taken = turns.acquire_many(all).await.unwrap();
    let indices = plugin.0.indices.handler.clone().unwrap();
    let work: Work<()> = Box::new(move |store, instance| {
        Box::pin(async move {
            let guest = indices.load(&mut *store, instance)?;
            guest.call_execute(store, &job()).await.map(|_| ())
        })
    });
    let call = Call { budget, host: Arc::new(Nobody), interrupt: Interrupt::default() };
    run(Arc::clone(&plugin.0), stage, call, (work, Box::new(|_, _| ()))).await.outcome
}

#[tokio::test]
async fn hooks_compute_without_a_turn_and_handlers_wait_for_theirs() {
    assert_eq!(amid_others(Stage::CanRetry, Duration::from_secs(30)).await, Outcome::Returned(()));
    let handler = amid_others(Stage::Execute, Duration::from_millis(500)).await;
    assert_eq!(handler, Outcome::fault(FailureCause::TimedOut(500)));
}

const AMPLE: Duration = Duration::from_secs(20);

/// One that answers at once.
fn quick() -> Plugin {
    handler("i32.const 1024)")
}

/// Calls the plugin as `stage`, with this to do in the sandbox.
async fn called<T: Send + 'static>(
    plugin: &Plugin,
    stage: Stage,
    (budget, interrupt): (Duration, Interrupt),
    work: impl Future<Output = T> + Send + 'static,
) -> Outcome<T> {
    let work: Work<T> = Box::new(move |_, _| Box::pin(async move { Ok(work.await) }));
    let call = Call { budget, host: Arc::new(Nobody), interrupt };
    run(Arc::clone(&plugin.0), stage, call, (work, Box::new(|_, _| ()))).await.outcome
}

/// The same from the guests' threads.
async fn called_there<T: Send + 'static>(
    plugin: &Plugin,
    stage: Stage,
    terms: (Duration, Interrupt),
    work: impl Future<Output = T> + Send + 'static,
) -> Outcome<T> {
    let (threads, plugin) = (plugin.0.engine.threads().unwrap(), plugin.clone());
    let ended = threads.spawn(async move { called(&plugin, stage, terms, work).await });
    tokio::time::timeout(AMPLE, ended).await.expect("it has ended").unwrap()
}

#[tokio::test]
async fn a_call_from_the_guests_threads_runs_in_the_task_that_asks_unless_a_guest_does() {
    let plugin = quick();
    for (stage, same) in
        [(Stage::Execute, true), (Stage::AfterExec, true), (Stage::BeforePush, false), (Stage::GetTtr, false)]
    {
        let (threads, plugin) = (plugin.0.engine.threads().unwrap(), plugin.clone());
        let ids = threads.spawn(async move {
            let there = called(&plugin, stage, (AMPLE, Interrupt::default()), async { tokio::task::id() }).await;
            (tokio::task::id(), there)
        });
        let (here, there) = ids.await.unwrap();
        assert_eq!(there == Outcome::Returned(here), same, "{stage:?}");
    }
}

#[tokio::test]
async fn a_guest_that_asks_for_nothing_of_wasi_gets_nothing_of_it_made() {
    let plugin = quick();
    let indices = plugin.0.indices.handler.clone().unwrap();
    let work: Work<bool> = Box::new(move |store, instance| {
        Box::pin(async move {
            indices.load(&mut *store, instance)?.call_execute(&mut *store, &job()).await?.unwrap();
            Ok(store.data().has_wasi())
        })
    });
    let call = Call { budget: AMPLE, host: Arc::new(Nobody), interrupt: Interrupt::default() };
    let finished = run(Arc::clone(&plugin.0), Stage::Execute, call, (work, Box::new(|_, _| ()))).await;
    assert_eq!(finished.outcome, Outcome::Returned(false));
}

#[tokio::test]
async fn a_panic_during_a_call_is_not_that_of_who_asked_for_it() {
    let plugin = quick();
    let terms = || (AMPLE, Interrupt::default());
    let broken = async || panic!("this is what is tested");
    for outcome in [
        called::<()>(&plugin, Stage::Execute, terms(), broken()).await,
        called_there::<()>(&plugin, Stage::Execute, terms(), broken()).await,
    ] {
        let Outcome::Unavailable(why) = outcome else { panic!("{outcome:?}") };
        assert!(why.contains("the host failed") && why.contains("this is what is tested"), "{why}");
    }
    let next = called_there(&plugin, Stage::Execute, terms(), async { 1 }).await;
    assert_eq!(next, Outcome::Returned(1));
}

#[tokio::test]
async fn a_guest_that_waits_is_ended_in_time_and_by_its_caller() {
    let plugin = quick();
    let soon = (Duration::from_millis(50), Interrupt::default());
    let waits = std::future::pending::<()>;
    let ended = called_there(&plugin, Stage::Execute, soon, waits()).await;
    assert_eq!(ended, Outcome::fault(FailureCause::TimedOut(50)));

    let (interrupt, entered) = (Interrupt::default(), Arc::new(tokio::sync::Notify::new()));
    let waits = {
        let entered = Arc::clone(&entered);
        async move {
            entered.notify_one();
            waits().await;
        }
    };
    let cancelling = async {
        entered.notified().await;
        interrupt.cancel();
    };
    let waiting = called_there(&plugin, Stage::Execute, (AMPLE, interrupt.clone()), waits);
    let (ended, ()) = tokio::join!(waiting, cancelling);
    assert_eq!(ended, Outcome::Cancelled);
}

#[tokio::test]
async fn a_call_whose_time_is_over_or_that_was_cancelled_does_not_begin() {
    let plugin = quick();
    let over = called_there(&plugin, Stage::Execute, (Duration::ZERO, Interrupt::default()), async {}).await;
    assert_eq!(over, Outcome::fault(FailureCause::TimedOut(0)));
    let interrupt = Interrupt::default();
    interrupt.cancel();
    assert_eq!(called_there(&plugin, Stage::Execute, (AMPLE, interrupt), async {}).await, Outcome::Cancelled);
}

#[tokio::test]
async fn a_guest_that_computes_on_the_only_thread_lets_other_calls_from_there_be_served() {
    let plugin = handler_on("(loop $on br $on) unreachable)", Some(1));
    let (threads, interrupt) = (plugin.0.engine.threads().unwrap(), Interrupt::default());
    let busy = threads.spawn({
        let (plugin, interrupt) = (plugin.clone(), interrupt.clone());
        let call = Call { budget: AMPLE * 10, host: Arc::new(Nobody), interrupt };
        async move { plugin.execute(job(), call).await.outcome }
    });
    for _ in 0..5 {
        let other = called_there(&plugin, Stage::Execute, (AMPLE, Interrupt::default()), async { 1 }).await;
        assert_eq!(other, Outcome::Returned(1));
    }
    assert!(!busy.is_finished());
    interrupt.cancel();
    assert_eq!(busy.await.unwrap(), Outcome::Cancelled);
}
