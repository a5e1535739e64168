//! A plugin that is loaded and may be called: one method for each function of the interface. How it was loaded is in
//! `load`, how a call runs in `invoke`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use wasmtime::component::InstancePre;

use crate::bindings::exported;
use crate::capabilities::{Granted, Grants, http, queues};
use crate::conceal::Conceal;
use crate::engine::{Build, Engine};
use crate::exports::Exports;
use crate::host::{Stage, State};
use crate::idle::Number;
use crate::invoke::{self, Call, Check, Work};
use crate::limits::Limits;
use crate::origin::Pin;
use crate::outcome::{Finished, Outcome};
use crate::reuse::Instances;
use crate::ticker::Ticker;
use crate::types::{AttemptReport, ExecDecision, FailureCause, Job, JobDraft, JobError, PushDecision, RetryDecision};
use crate::weight::Weight;

/// How a plugin is to be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginSettings {
    /// What each of its calls may use.
    pub limits: Limits,
    /// Which file it must be, and by whom.
    pub pin: Pin,
    /// What it is allowed.
    pub grants: Grants,
    /// The budget of its hooks, get-ttr and can-retry. The plugin only remembers it: callers put it into their calls.
    pub timeout: Duration,
    /// Which instances serve its calls.
    pub instances: Instances,
}

impl Default for PluginSettings {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            pin: Pin::default(),
            grants: Grants::default(),
            timeout: Duration::from_secs(1),
            instances: Instances::default(),
        }
    }
}

/// A component, compiled and tried out. Clones are the same plugin. A call shares its instance with no other
/// at the same time, and with an earlier one only if the settings say so.
#[derive(Clone)]
pub struct Plugin(pub(crate) Arc<Loaded>);

impl fmt::Debug for Plugin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Plugin")
            .field("name", &self.0.name)
            .field("digest", &self.0.digest)
            .field("exports", &self.0.exports)
            .finish_non_exhaustive()
    }
}

pub(crate) struct Loaded {
    pub(crate) name: Arc<str>,
    pub(crate) path: PathBuf,
    pub(crate) digest: String,
    pub(crate) exports: Exports,
    pub(crate) imports: Vec<String>,
    pub(crate) indices: Indices,
    pub(crate) warnings: Vec<String>,
    pub(crate) pre: InstancePre<State>,
    /// That of the engine that `pre` is for.
    pub(crate) ticker: Arc<Ticker>,
    /// What its limits ask for; it runs outside of the pool all the same if it does not fit there.
    pub(crate) build: Build,
    pub(crate) engine: Engine,
    pub(crate) settings: PluginSettings,
    pub(crate) granted: Arc<Granted>,
    /// None where it can send no requests.
    pub(crate) http: Option<Arc<http::Client>>,
    /// By which its idle instances are found.
    pub(crate) number: Number,
    /// Whether somebody was told that an instance is warm in vain.
    pub(crate) kept_in_vain: AtomicBool,
}

/// Where a component's functions are; none for an interface that it does not export.
#[derive(Clone, Default)]
pub(crate) struct Indices {
    pub(crate) handler: Option<exported::handler::GuestIndices>,
    pub(crate) time_to_run: Option<exported::time_to_run::GuestIndices>,
    pub(crate) retry_policy: Option<exported::retry_policy::GuestIndices>,
    pub(crate) before_push: Option<exported::before_push::GuestIndices>,
    pub(crate) before_exec: Option<exported::before_exec::GuestIndices>,
    pub(crate) after_exec: Option<exported::after_exec::GuestIndices>,
    pub(crate) after_error: Option<exported::after_error::GuestIndices>,
}

/// Says what is wrong with an answer.
type Problem<T> = fn(&T) -> Option<String>;

/// Characters of what is wrong with a guest's answer.
const PROBLEM: usize = 1_000;

/// The body of every method below: loads the function's interface from the instance and calls it.
macro_rules! call {
    ($self:ident, $interface:ident . $function:ident ( $($argument:ident),* ), $stage:expr, $call:expr) => {
        call!($self, $interface.$function($($argument),*), $stage, $call, |_| None)
    };
    // The last says what is wrong with an answer.
    ($self:ident, $interface:ident . $function:ident ( $($argument:ident),* ), $stage:expr, $call:expr, $problem:expr) => {{
        let bytes_in = 0 $(+ $argument.weight())*;
        let Some(indices) = $self.0.indices.$interface.clone() else {
            return $self.without(stringify!($interface));
        };
        let work: Work<_> = Box::new(move |store, instance| {
            Box::pin(async move {
                let guest = indices.load(&mut *store, instance)?;
                guest.$function(store, $(&$argument),*).await
            })
        });
        $self.run($stage, $call, bytes_in, (work, $problem)).await
    }};
}

impl Plugin {
    /// The configured name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The component's file.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// `sha256:` and 64 hexadecimal digits: the version of this plugin.
    pub fn digest(&self) -> &str {
        &self.0.digest
    }

    /// Which interfaces it exports.
    pub fn exports(&self) -> &Exports {
        &self.0.exports
    }

    /// Names of what it imports, at most 1,000.
    pub fn imports(&self) -> &[String] {
        &self.0.imports
    }

    /// What it is allowed, as configured.
    pub fn grants(&self) -> &Grants {
        &self.0.settings.grants
    }

    /// The configured budget of its hooks, get-ttr and can-retry.
    pub fn timeout(&self) -> Duration {
        self.0.settings.timeout
    }

    /// What is odd about it but no reason to refuse it.
    pub fn warnings(&self) -> &[String] {
        &self.0.warnings
    }

    /// Runs one attempt. The output is JSON text or empty.
    pub async fn execute(&self, job: Job, call: Call) -> Finished<Result<String, JobError>> {
        let problem = |result: &Result<String, JobError>| match result {
            Ok(output) => output_problem(output),
            Err(_) => None,
        };
        call!(self, handler.call_execute(job), Stage::Execute, call, problem)
    }

    /// Asks how long a job may run, in seconds; none means no opinion.
    pub async fn get_ttr(&self, draft: JobDraft, call: Call) -> Finished<Option<u32>> {
        call!(self, time_to_run.call_get_ttr(draft), Stage::GetTtr, call)
    }

    /// Asks what shall become of a job whose attempt has ended badly.
    pub async fn can_retry(&self, job: Job, cause: FailureCause, call: Call) -> Finished<RetryDecision> {
        call!(self, retry_policy.call_can_retry(job, cause), Stage::CanRetry, call)
    }

    /// Asks whether a draft may be stored. A replacement is a valid draft for the same queue; one that is not comes
    /// back as the hook's own error.
    pub async fn before_push(&self, draft: JobDraft, call: Call) -> Finished<Result<PushDecision, String>> {
        let queue = draft.queue.clone();
        let mut finished = call!(self, before_push.call_before_push(draft), Stage::BeforePush, call);
        if let Outcome::Returned(answer) = &mut finished.outcome
            && let Ok(PushDecision::Replace(draft)) = answer
            && let Some(problem) = replacement_problem(draft, &queue)
        {
            *answer = Err(self.0.granted.secrets.shown(&format!("replacement: {problem}"), PROBLEM));
        }
        finished
    }

    /// Asks whether a job may run.
    pub async fn before_exec(&self, job: Job, call: Call) -> Finished<Result<ExecDecision, String>> {
        call!(self, before_exec.call_before_exec(job), Stage::BeforeExec, call)
    }

    /// Tells of an attempt that is done.
    pub async fn after_exec(
        &self,
        job: Job,
        output: String,
        report: AttemptReport,
        call: Call,
    ) -> Finished<Result<(), String>> {
        call!(self, after_exec.call_after_exec(job, output, report), Stage::AfterExec, call)
    }

    /// Tells of an attempt that has failed, and of the decision so far; the answer replaces it.
    #[expect(clippy::too_many_arguments, reason = "they are those of the plugin interface")]
    pub async fn after_error(
        &self,
        job: Job,
        cause: FailureCause,
        decision: RetryDecision,
        report: AttemptReport,
        call: Call,
    ) -> Finished<Result<RetryDecision, String>> {
        call!(self, after_error.call_after_error(job, cause, decision, report), Stage::AfterError, call)
    }

    /// Runs the work and holds its result to the limit of output, and to what `problem` says.
    async fn run<T: Weight + Conceal + Send + 'static>(
        &self,
        stage: Stage,
        call: Call,
        bytes_in: u64,
        (work, problem): (Work<T>, Problem<T>),
    ) -> Finished<T> {
        let check: Check<T> = Box::new(move |finished, plugin| check(finished, plugin, problem));
        let mut finished = invoke::run(Arc::clone(&self.0), stage, call, (work, check)).await;
        finished.usage.bytes_in = bytes_in;
        finished
    }

    fn without<T>(&self, interface: &str) -> Finished<T> {
        let interface = interface.replace('_', "-");
        Finished::unbegun(Outcome::Unavailable(format!("plugin `{}` does not export {interface}", self.0.name)))
    }
}

/// Hides secrets, and turns an answer that is too long, or has a problem, into a fault.
fn check<T: Weight + Conceal>(finished: &mut Finished<T>, plugin: &Loaded, problem: Problem<T>) {
    if !plugin.granted.secrets.is_empty() {
        finished.outcome.conceal(&plugin.granted.secrets);
    }
    let Outcome::Returned(value) = &finished.outcome else { return };
    finished.usage.bytes_out = value.weight();
    let limit = plugin.settings.limits.output_bytes;
    if finished.usage.bytes_out > limit {
        let text = format!("output of {} bytes, at most {limit} are allowed by `output`", finished.usage.bytes_out);
        finished.outcome = Outcome::fault(FailureCause::Limit(text));
    } else if let Some(problem) = problem(value) {
        finished.outcome = Outcome::fault(FailureCause::Other(problem));
    }
}

impl Drop for Loaded {
    fn drop(&mut self) {
        self.engine.places().forget(self.number);
    }
}

/// What is wrong with the output of `execute`.
fn output_problem(output: &str) -> Option<String> {
    if output.is_empty() {
        return None;
    }
    match serde_json::from_str::<serde::de::IgnoredAny>(output) {
        Ok(_) => None,
        Err(error) => Some(format!("output: not JSON: {error}")),
    }
}

fn replacement_problem(draft: &JobDraft, queue: &str) -> Option<String> {
    if draft.queue == queue {
        queues::problem(draft)
    } else {
        Some(format!("its queue is `{}`, it must stay `{queue}`", draft.queue))
    }
}
