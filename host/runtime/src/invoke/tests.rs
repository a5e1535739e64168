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
    let text = include_str!("../../tests/guests/handler.wat").replace("i32.const 1024)", body);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), wat::parse_str(text).unwrap()).unwrap();
    let engine = Engine::new(&EngineSettings::default()).unwrap();
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
