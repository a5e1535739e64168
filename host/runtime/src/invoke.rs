//! Runs one call of a guest, in a sandbox that no other call shares, and turns however it ended into an [`Outcome`]. No
//! other module sees an error of a call.

use std::fmt::Display;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio::time::{Sleep, sleep_until};
use wasmtime::component::{Instance, ResourceTableError};
use wasmtime::{Store, Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use crate::capabilities::{http, open};
use crate::host::{CallHost, Stage, State};
use crate::interrupt::Interrupt;
use crate::meter::Refused;
use crate::outcome::{Fault, Finished, Outcome, Usage};
use crate::output::{Capture, shown};
use crate::plugin::Loaded;
use crate::sandbox::{self, Terms};
use crate::turns::{self, Tick};
use crate::types::FailureCause;

/// What the caller gives to a call besides its arguments.
#[derive(Clone)]
pub struct Call {
    /// How long it may take, from just before instantiation.
    pub budget: Duration,
    /// Where its effects go.
    pub host: Arc<dyn CallHost>,
    /// The caller's hand on it.
    pub interrupt: Interrupt,
}

/// What to do with an instance.
pub(crate) type Work<T> = Box<
    dyn for<'a> FnOnce(
            &'a mut Store<State>,
            &'a Instance,
        ) -> Pin<Box<dyn Future<Output = wasmtime::Result<T>> + Send + 'a>>
        + Send,
>;

/// What becomes of a call that has ended, when its answer is looked at: it may turn out to be none.
pub(crate) type Check<T> = Box<dyn FnOnce(&mut Finished<T>, &Loaded) + Send>;

/// Why the host ended a guest that was busy.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stop {
    #[error("cancelled")]
    Cancelled,
    #[error("out of time")]
    TimedOut,
}

/// How an attempt ended, before anybody asked why.
enum Ended<T> {
    ByItself(wasmtime::Result<T>),
    TimedOut,
    Cancelled,
}

/// Waits for a slot, then runs `work` on an instance and `check` on what came of it, on the engine's threads. If the
/// returned future is dropped the guest is ended.
pub(crate) async fn run<T: Send + 'static>(
    plugin: Arc<Loaded>,
    stage: Stage,
    call: Call,
    (work, check): (Work<T>, Check<T>),
) -> Finished<T> {
    if plugin.engine.is_here() && !stage.is_asked_by_guests() {
        return unless_it_panics(Box::pin(in_a_slot(plugin, stage, call, (work, check)))).await;
    }
    let engine = plugin.engine.clone();
    match engine.spawn(in_a_slot(plugin, stage, call, (work, check))) {
        Some(task) => joined(Guard(task)).await,
        None => Finished::unbegun(ended()),
    }
}

/// The slot is given back after the sandbox is gone, or kept.
async fn in_a_slot<T: Send + 'static>(
    plugin: Arc<Loaded>,
    stage: Stage,
    call: Call,
    (work, check): (Work<T>, Check<T>),
) -> Finished<T> {
    if call.interrupt.is_cancelled() {
        return Finished::unbegun(Outcome::Cancelled);
    }
    let slots = plugin.engine.slots(stage);
    // To get ready to wait costs more than to take what is free.
    let slot = if let Ok(slot) = slots.try_acquire() {
        Ok(slot)
    } else {
        tokio::select! {
            biased;
            () = call.interrupt.cancelled() => return Finished::unbegun(Outcome::Cancelled),
            slot = slots.acquire() => slot,
        }
    };
    let Ok(slot) = slot else { return Finished::unbegun(ended()) };
    let finished = attempt(&plugin, stage, call, (work, check)).await;
    drop(slot);
    finished
}

fn ended<T>() -> Outcome<T> {
    Outcome::Unavailable("the engine has ended".to_owned())
}

/// Ends the task when nobody waits for it any more.
struct Guard<T>(JoinHandle<T>);

impl<T> Drop for Guard<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A panic on the guests' threads is the host's fault; it must not take down whoever asked for the call.
async fn joined<T>(mut task: Guard<Finished<T>>) -> Finished<T> {
    match (&mut task.0).await {
        Ok(finished) => finished,
        Err(error) => failed(error),
    }
}

/// The same for a call in the task that asks for it.
async fn unless_it_panics<T>(mut attempt: Pin<Box<impl Future<Output = Finished<T>>>>) -> Finished<T> {
    poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| attempt.as_mut().poll(context)));
        polled.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<&str>().copied();
            let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
            Poll::Ready(failed(format!("panic: {}", text.unwrap_or("of an unknown kind"))))
        })
    })
    .await
}

fn failed<T>(why: impl Display) -> Finished<T> {
    Finished::unbegun(Outcome::Unavailable(format!("the host failed during the call: {why}")))
}

/// One call, from its sandbox to its report.
async fn attempt<T: Send + 'static>(
    plugin: &Loaded,
    stage: Stage,
    call: Call,
    (work, check): (Work<T>, Check<T>),
) -> Finished<T> {
    let began = Instant::now();
    let _running = plugin.ticker.running();
    let Call { budget, host, interrupt } = call;
    // A budget beyond what the clock can count is a year.
    let deadline = began.checked_add(budget).unwrap_or(began + Duration::from_hours(24 * 365));
    let terms = Terms { stage, deadline, host, interrupt, tick: Tick::default() };
    let mut sandbox = match sandbox::for_call(plugin, &terms) {
        Ok(sandbox) => sandbox,
        Err(why) => return Finished::unbegun(Outcome::Unavailable(why)),
    };
    let body = async {
        let instance = sandbox.instance(plugin).await?;
        work(&mut sandbox.store, &instance).await
    };
    // The others are asked by somebody who waits and have little time: their slots bound them, and they need no turns.
    let body = async {
        if stage == Stage::Execute { turns::taken(plugin.engine.turns(), &terms.tick, body).await } else { body.await }
    };
    let ended = until(deadline, &terms.interrupt, body).await;
    let usage = usage(&sandbox.store, plugin, began);
    let outcome = match ended {
        Ended::ByItself(Ok(value)) => Outcome::Returned(value),
        Ended::ByItself(Err(error)) => classify(&error, sandbox.store.data(), plugin, budget),
        Ended::TimedOut => Outcome::fault(timed_out(budget)),
        Ended::Cancelled => Outcome::Cancelled,
    };
    let mut finished = Finished { outcome, usage };
    check(&mut finished, plugin);
    let answered = matches!(finished.outcome, Outcome::Returned(_));
    sandbox::after_call(plugin, stage, answered, sandbox);
    finished
}

/// Runs `body` until it ends, time is over or the caller ends it. Guests that compute are stopped by the epoch, those that
/// wait for the host or for their turn by the timer, which is therefore looked at before they go on. Most have ended by
/// then: for them there is no timer.
async fn until<T>(
    deadline: Instant,
    interrupt: &Interrupt,
    body: impl Future<Output = wasmtime::Result<T>>,
) -> Ended<T> {
    let (mut body, mut cancelled) = (pin!(body), pin!(interrupt.cancelled()));
    let mut time_out: Option<Pin<Box<Sleep>>> = None;
    let mut has_begun = false;
    poll_fn(|context| {
        let first = !std::mem::replace(&mut has_begun, true);
        if first && interrupt.is_cancelled() {
            return Poll::Ready(Ended::Cancelled);
        }
        // To make the sandbox may have taken all of it.
        if first && Instant::now() >= deadline {
            return Poll::Ready(Ended::TimedOut);
        }
        if first && let Poll::Ready(result) = body.as_mut().poll(context) {
            return Poll::Ready(Ended::ByItself(result));
        }
        if cancelled.as_mut().poll(context).is_ready() {
            return Poll::Ready(Ended::Cancelled);
        }
        let time_out = time_out.get_or_insert_with(|| Box::pin(sleep_until(deadline.into())));
        if time_out.as_mut().poll(context).is_ready() {
            return Poll::Ready(Ended::TimedOut);
        }
        if first { Poll::Pending } else { body.as_mut().poll(context).map(Ended::ByItself) }
    })
    .await
}

fn usage(store: &Store<State>, plugin: &Loaded, began: Instant) -> Usage {
    let state = store.data();
    let text = |capture: &Capture| {
        let (mut text, cut) = capture.text();
        if cut {
            plugin.granted.secrets.hide_after_cut(&mut text);
        } else {
            plugin.granted.secrets.hide(&mut text);
        }
        (text, cut)
    };
    let ((stdout, stdout_cut), (stderr, stderr_cut)) = (text(&state.stdout), text(&state.stderr));
    let limit = plugin.settings.limits.fuel;
    Usage {
        duration: began.elapsed(),
        peak_memory: state.meter.peak(),
        // Without fuel to ask is an error, which costs as much as a small guest.
        fuel: if limit > 0 { store.get_fuel().ok().map(|left| limit.saturating_sub(left)) } else { None },
        bytes_in: 0,
        bytes_out: 0,
        stdout,
        stderr,
        stdio_cut: stdout_cut || stderr_cut,
    }
}

/// Why a guest ended with an error. This is the only place that reads the engine's errors of calls.
fn classify<T>(error: &wasmtime::Error, state: &State, plugin: &Loaded, budget: Duration) -> Outcome<T> {
    match error.downcast_ref::<Stop>() {
        Some(Stop::Cancelled) => return Outcome::Cancelled,
        Some(Stop::TimedOut) => return Outcome::fault(timed_out(budget)),
        None => {}
    }
    if error.downcast_ref::<wasmtime::PoolConcurrencyLimitError>().is_some() {
        return Outcome::Unavailable(format!("no slot left in the pool: {error:#}"));
    }
    let cause = cause(error, state, plugin, budget);
    let backtrace = error.downcast_ref::<WasmBacktrace>().filter(|trace| !trace.frames().is_empty());
    Outcome::Faulted(Fault { cause, backtrace: backtrace.map(frames) })
}

fn cause(error: &wasmtime::Error, state: &State, plugin: &Loaded, budget: Duration) -> FailureCause {
    let limits = &plugin.settings.limits;
    let trap = error.downcast_ref::<Trap>().copied();
    let exit = error.downcast_ref::<I32Exit>().map(|exit| exit.0);
    match trap {
        Some(Trap::Interrupt) => return timed_out(budget),
        Some(Trap::OutOfFuel) => return FailureCause::OutOfFuel(limits.fuel),
        _ => {}
    }
    if let Some(cause) = engine_limit(error, plugin) {
        return cause;
    }
    let mut told = match (trap, exit) {
        (Some(trap), _) => {
            let text = trap.to_string();
            let limit = if trap == Trap::StackOverflow { "; the limit is `stack`" } else { "" };
            FailureCause::Trapped(format!("{}{limit}", text.strip_prefix("wasm trap: ").unwrap_or(&text)))
        }
        // The interface's status is unsigned; a negative one keeps its bits, as a shell shows it.
        (None, Some(code)) => FailureCause::Exited(code.cast_unsigned()),
        (None, None) => FailureCause::Other(format!("guest: {}", error.root_cause())),
    };
    // A guest that is refused memory sees a failed allocation and gives up in its own way: it runs into `unreachable`,
    // into address zero, or exits. That is the consequence and the refusal the cause, unless the guest went on with
    // something else in between: then all that can be said is that there was a refusal.
    let gave_up = match (trap, exit) {
        (Some(trap), _) => matches!(
            trap,
            Trap::UnreachableCodeReached | Trap::MemoryOutOfBounds | Trap::TableOutOfBounds | Trap::IndirectCallToNull
        ),
        (None, Some(code)) => code != 0,
        // Refused before it began.
        (None, None) => !state.begun,
    };
    match (state.meter.memory_refused(), state.meter.table_refused()) {
        (Refused::ToItsEnd(held), _) if gave_up => FailureCause::OutOfMemory(held),
        (_, Refused::ToItsEnd(wanted)) if gave_up => FailureCause::Limit(format!(
            "tables of {wanted} elements together, at most {} are allowed by `table-elements`",
            limits.table_elements
        )),
        (Refused::Before(held) | Refused::ToItsEnd(held), _) => {
            note(&mut told, &format!("it had been refused more memory before, when it held {held} bytes"));
            told
        }
        (_, Refused::Before(wanted) | Refused::ToItsEnd(wanted)) => {
            note(&mut told, &format!("it had been refused tables of {wanted} elements together before"));
            told
        }
        (Refused::No, Refused::No) => {
            if let Some(why) = state.meter.unmet() {
                note(&mut told, &format!("it had been refused more memory before: {why}"));
            }
            told
        }
    }
}

/// Adds to a cause that has words.
fn note(cause: &mut FailureCause, note: &str) {
    if let FailureCause::Trapped(text) | FailureCause::Other(text) = cause {
        text.push_str("; ");
        text.push_str(note);
    }
}

/// Limits that end a call in the midst of a host call. The engine has no types for most of its errors, only texts; a test
/// runs into each.
fn engine_limit(error: &wasmtime::Error, plugin: &Loaded) -> Option<FailureCause> {
    let limits = &plugin.settings.limits;
    if let Some(much) = error.downcast_ref::<http::TooMuch>() {
        return Some(FailureCause::Limit(much.to_string()));
    }
    if error.downcast_ref::<open::TooManyFiles>().is_some() {
        return Some(FailureCause::Limit(format!(
            "more than {} files open at once, which is the limit `open-files`",
            limits.open_files
        )));
    }
    let root = error.root_cause().to_string();
    let handles = root.contains("handle limit exceeded")
        || matches!(error.downcast_ref::<ResourceTableError>(), Some(ResourceTableError::Full));
    let text = if handles {
        format!("more than {} handles at once, which is the limit `handles`", limits.handles)
    } else if root.contains("fuel allocated for hostcalls") {
        format!(
            "more than {} bytes in one exchange with the host, which is the limit `host-call-bytes`",
            limits.host_call_bytes
        )
    } else if let Some((_, excess)) = root.split_once("resource limit exceeded: ") {
        let limit = match excess.split(' ').next() {
            Some("instance") => "instances",
            Some("table") => "tables",
            _ => "memories",
        };
        format!("{excess}; the limit is `{limit}`")
    } else {
        return None;
    };
    Some(FailureCause::Limit(text))
}

fn timed_out(budget: Duration) -> FailureCause {
    FailureCause::TimedOut(u64::try_from(budget.as_millis()).unwrap_or(u64::MAX))
}

/// Characters of a name that a backtrace shows. The guest's file says what its functions are called.
const NAME: usize = 500;

/// One line for each frame, innermost first.
fn frames(trace: &WasmBacktrace) -> String {
    let line = |(index, frame): (usize, &wasmtime::FrameInfo)| {
        let module = shown(frame.module().name().unwrap_or("<unnamed module>"), NAME);
        let function = frame.func_name().map_or_else(
            || format!("<function {}>", frame.func_index()),
            |name| {
                let symbol = frame.symbols().first().and_then(|symbol| symbol.name());
                symbol.unwrap_or(name).to_owned()
            },
        );
        let function = shown(&function, NAME);
        match frame.module_offset() {
            Some(offset) => format!("{index:>3}: {module} {function} @ {offset:#x}"),
            None => format!("{index:>3}: {module} {function}"),
        }
    };
    trace.frames().iter().enumerate().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests;
