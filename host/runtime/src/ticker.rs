//! Advances an engine's epoch, which is what makes busy guests look at their deadline. It decides nothing.

use std::time::Duration;

use wasmtime::EngineWeak;

/// How often a busy guest is asked whether it may go on. It is also how long one computes before it is the turn of
/// another, and so what each of them adds to the time in which others are served.
pub(crate) const TICK: Duration = Duration::from_millis(2);

/// Starts a thread that ticks until the engine is gone. It is a thread of the operating system, because a runtime
/// that is busy with guests would not get round to a timer.
pub(crate) fn start(engine: EngineWeak) -> std::io::Result<()> {
    let tick = move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            std::thread::sleep(TICK);
        }
    };
    std::thread::Builder::new().name("jobhost-epoch".to_owned()).spawn(tick)?;
    Ok(())
}
