//! Starts a plugin once and looks whether its exports are what they should be. What is wrong is said in the plugin
//! author's words.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use wasmtime::Store;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Instance};

use crate::bindings::exported;
use crate::exports::{self, Exports};
use crate::host::{Stage, State};
use crate::interrupt::Interrupt;
use crate::invoke::{self, Call};
use crate::load_error::Problem;
use crate::nobody::Nobody;
use crate::outcome::Outcome;
use crate::output::shown;
use crate::plugin::{Indices, Loaded};
use crate::signature;
use crate::types::FailureCause;

/// How long a plugin may take to start when it is tried out. Each later start counts against its call's budget.
const TRIAL: Duration = Duration::from_secs(5);

/// Characters of a line of stderr that a refusal quotes.
const STDERR: usize = 1_000;

/// The interface and its one function, in the order of [`exports::INTERFACES`].
const FUNCTIONS: [(&str, &str); 7] = [
    ("handler", "execute"),
    ("time-to-run", "get-ttr"),
    ("retry-policy", "can-retry"),
    ("before-push", "before-push"),
    ("before-exec", "before-exec"),
    ("after-exec", "after-exec"),
    ("after-error", "after-error"),
];

/// Finds the function of each exported interface; its type is checked later, on an instance.
pub(crate) fn indices(pre: &wasmtime::component::InstancePre<State>, exports: Exports) -> Result<Indices, Problem> {
    macro_rules! find {
        ($present:expr, $interface:ident, $name:literal) => {
            if $present {
                let found = exported::$interface::GuestIndices::new(pre);
                Some(found.map_err(|error| wrong_type(pre.component(), $name, &error))?)
            } else {
                None
            }
        };
    }
    Ok(Indices {
        handler: find!(exports.handler, handler, "handler"),
        time_to_run: find!(exports.time_to_run, time_to_run, "time-to-run"),
        retry_policy: find!(exports.retry_policy, retry_policy, "retry-policy"),
        before_push: find!(exports.before_push, before_push, "before-push"),
        before_exec: find!(exports.before_exec, before_exec, "before-exec"),
        after_exec: find!(exports.after_exec, after_exec, "after-exec"),
        after_error: find!(exports.after_error, after_error, "after-error"),
    })
}

/// Checks the types of all exports on a living instance.
fn check_types(
    indices: &Indices,
    store: &mut Store<State>,
    instance: &Instance,
) -> Result<(), (&'static str, wasmtime::Error)> {
    macro_rules! check {
        ($interface:ident, $name:literal) => {
            if let Some(indices) = &indices.$interface {
                indices.load(&mut *store, instance).map_err(|error| ($name, error))?;
            }
        };
    }
    check!(handler, "handler");
    check!(time_to_run, "time-to-run");
    check!(retry_policy, "retry-policy");
    check!(before_push, "before-push");
    check!(before_exec, "before-exec");
    check!(after_exec, "after-exec");
    check!(after_error, "after-error");
    Ok(())
}

/// Starts the plugin once, within a deadline, and checks the types of its exports.
pub(crate) fn try_out(loaded: &Arc<Loaded>, component: &Component) -> Result<(), Problem> {
    let indices = loaded.indices.clone();
    let work: invoke::Work<Result<(), (&'static str, wasmtime::Error)>> =
        Box::new(move |store, instance| Box::pin(async move { Ok(check_types(&indices, store, instance)) }));
    let call = Call { budget: TRIAL, host: Arc::new(Nobody), interrupt: Interrupt::default() };
    let (sender, receiver) = mpsc::channel();
    let trial = invoke::run(Arc::clone(loaded), Stage::Trial, call, (work, Box::new(|_, _| ())));
    // The engine's own threads run it, so that this function may block on any thread.
    let task = loaded.engine.spawn(async move {
        // Nobody listens only if the loading thread is gone.
        let _ = sender.send(trial.await);
    });
    let finished =
        task.and_then(|_| receiver.recv().ok()).ok_or_else(|| Problem::Host("the engine has ended".to_owned()))?;
    match finished.outcome {
        Outcome::Returned(Ok(())) => Ok(()),
        Outcome::Returned(Err((interface, error))) => Err(wrong_type(component, interface, &error)),
        Outcome::Faulted(fault) => Err(Problem::Start(start_failure(&fault.cause, &finished.usage.stderr))),
        Outcome::Cancelled => Err(Problem::Host("the trial was cancelled".to_owned())),
        Outcome::Unavailable(why) => Err(Problem::Host(why)),
    }
}

fn start_failure(cause: &FailureCause, stderr: &str) -> String {
    let mut text = match cause {
        FailureCause::TimedOut(milliseconds) => {
            format!("its start-up code did not come to an end within {milliseconds} ms")
        }
        FailureCause::OutOfMemory(held) => {
            format!("it was refused more memory when it held {held} bytes; raise its memory limit")
        }
        FailureCause::OutOfFuel(fuel) => {
            format!("its start-up code burnt all {fuel} units of fuel; raise its fuel limit")
        }
        FailureCause::Trapped(trap) => format!("its start-up code trapped: {trap}"),
        FailureCause::Exited(status) => format!("its start-up code exited with status {status}"),
        FailureCause::Limit(limit) => format!("{limit}; raise the limit"),
        FailureCause::Other(text) => text.clone(),
        other => format!("{other:?}"),
    };
    if let Some(line) = stderr.lines().rfind(|line| !line.trim().is_empty()) {
        text.push_str("; its last word on stderr: ");
        text.push_str(&shown(line.trim(), STDERR));
    }
    text
}

/// An export of ours that is there but not as it should be.
fn wrong_type(component: &Component, interface: &str, error: &wasmtime::Error) -> Problem {
    let function = FUNCTIONS.iter().find(|(known, _)| *known == interface).map_or(&"", |(_, function)| function);
    let found = component
        .get_export_index(None, exports::full(interface))
        .and_then(|index| component.get_export(Some(&index), function));
    let expected = signature::expected(function);
    let found = match found {
        Some((ComponentItem::ComponentFunc(found), _)) => signature::found(&found),
        Some(_) => "something that is not a function".to_owned(),
        None => {
            return Problem::MissingFunction {
                export: exports::full(interface),
                function: (*function).to_owned(),
                expected,
            };
        }
    };
    Problem::WrongType {
        export: format!("{}#{function}", exports::full(interface)),
        expected,
        found,
        why: error.root_cause().to_string(),
    }
}
