//! One attempt of one job, from its reservation to what is to be settled.
//! [`Attempt::execute`] is the whole of it, top to bottom. Taking jobs and
//! bringing settlements to the store is done elsewhere.

use std::sync::Arc;
use std::time::Duration;

use jobhost_queue::envelope::{self, Envelope};
use jobhost_queue::{AttemptRecord, FollowUp, Message, Reserved, Settlement, Store, Verdict};
use jobhost_runtime::types::{AttemptReport, ExecDecision, FailureCause, Job, JobError, RetryDecision};
use jobhost_runtime::{Call, Outcome, Plugin, Usage};

use super::chance;
use super::decide::{self, Decision, RetryPolicy};
use super::events::Subject;
use super::lease::Holding;
use super::tally::{Running, Tally};
use super::tried::Tried;
use crate::cause;
use crate::config::Unknown;
use crate::hooks::{self, AfterError, AfterExec, BeforeExec};
use crate::push::Pusher;
use crate::registry::{Hook, QueueInForce, Registry};

/// How long a name that nobody handles here is left to other workers at a time.
const RELEASED_FOR: Duration = Duration::from_secs(30);
/// And for how long in all.
const RELEASED_AT_MOST: Duration = Duration::from_hours(1);
/// The wait after the host itself could not run a job.
const HOST_TROUBLE_PAUSE: Duration = Duration::from_secs(10);
/// The least to wait for after a failure that asked for a postponement of nothing.
const LEAST_POSTPONED: Duration = Duration::from_secs(1);

/// What the guests of one attempt share.
pub(crate) struct AttemptScope {
    pub(crate) pusher: Arc<Pusher>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) holding: Arc<Holding>,
    pub(crate) tally: Arc<Tally>,
}

/// One attempt. It pins the registry it began with.
pub(crate) struct Attempt {
    scope: AttemptScope,
    registry: Arc<Registry>,
    queue: Arc<QueueInForce>,
    reserved: Reserved,
    job: Job,
    record: AttemptRecord,
    handler: Option<Plugin>,
    /// Counts as running until the attempt is over.
    running: Option<Running>,
    /// The queue's, each in the version that this job meets.
    hooks: Vec<Hook>,
    /// How its versions did that are compared in a trial.
    pub(super) tried: Tried,
    /// Pushes of before-exec hooks: they count if the job is done or skipped.
    asked: Vec<FollowUp>,
    /// Why a job was postponed.
    reason: String,
}

impl Attempt {
    pub(crate) fn new(
        scope: AttemptScope,
        registry: Arc<Registry>,
        queue: Arc<QueueInForce>,
        reserved: Reserved,
        worker: &str,
    ) -> Self {
        let record = AttemptRecord {
            attempt: reserved.attempt,
            worker: worker.to_owned(),
            started_at: reserved.reserved_at,
            waited_ms: reserved.ready_at.map(|ready| reserved.reserved_at.saturating_sub(ready)),
            ..AttemptRecord::default()
        };
        let job = Job {
            id: reserved.lease.id.to_string(),
            key: reserved.key.clone(),
            queue: queue.config.name.clone(),
            name: String::new(),
            payload: String::new(),
            attempt: reserved.attempt,
            max_attempts: Some(queue.config.attempts),
            ttr: queue.config.ttr,
            pushed_at: reserved.pushed_at,
            metadata: reserved.metadata.clone(),
        };
        let version = |hook: &Hook| {
            let plugin = registry.version_for(&hook.plugin, &reserved.lease.channel, reserved.lease.id);
            Hook { plugin, ..hook.clone() }
        };
        let hooks = queue.hooks.iter().map(version).collect();
        Self {
            scope,
            registry,
            queue,
            reserved,
            job,
            record,
            handler: None,
            running: None,
            hooks,
            tried: Tried::default(),
            asked: Vec::new(),
            reason: String::new(),
        }
    }

    /// Runs the job and says what is to be settled. `started` is told when it
    /// is known what runs.
    pub(crate) async fn execute(&mut self, started: impl FnOnce(Subject)) -> Settlement {
        if let Err(why) = self.decode() {
            started(self.subject());
            return self.failed(FailureCause::Undecodable(why)).await;
        }
        started(self.subject());
        if self.reserved.crashes >= self.queue.config.max_crashes {
            return self.failed(FailureCause::Crashed(self.reserved.crashes)).await;
        }
        let Some(plugin) = self.registry.handler(&self.job.name) else {
            return self.unhandled().await;
        };
        let lease = &self.reserved.lease;
        let plugin = self.registry.version_for(plugin, &lease.channel, lease.id);
        plugin.name().clone_into(&mut self.record.plugin);
        plugin.digest().clone_into(&mut self.record.digest);
        self.running = Some(self.scope.tally.begin(&plugin));
        self.handler = Some(plugin.clone());

        match self.ask().await {
            BeforeExec::Proceed => {}
            BeforeExec::Cancelled => return self.settlement(Verdict::HandedBack, Vec::new()),
            BeforeExec::Broken(which) => return self.failed(FailureCause::HookFailed(which)).await,
            BeforeExec::Decided { hook, decision } => return self.as_decided(&hook, decision).await,
        }
        match self.run(&plugin).await {
            Ran::Returned { output, pushes } => self.done(output, pushes).await,
            Ran::Failed(cause) => self.failed(cause).await,
            Ran::Cancelled => self.settlement(Verdict::HandedBack, Vec::new()),
            Ran::NotRun(why) => self.postponed(HOST_TROUBLE_PAUSE, why),
        }
    }

    /// The settlement after the store refused the first one for its follow-ups.
    pub(crate) async fn refused(&mut self, why: String) -> Settlement {
        self.tried = Tried::default();
        self.asked.clear();
        self.failed(FailureCause::Other(format!("a follow-up job cannot be stored: {why}"))).await
    }

    /// What events call it.
    pub(crate) fn subject(&self) -> Subject {
        Subject {
            queue: self.job.queue.clone(),
            id: self.reserved.lease.id,
            name: self.job.name.clone(),
            attempt: self.reserved.attempt,
        }
    }

    /// Why it was postponed.
    pub(crate) fn reason(&self) -> &str {
        &self.reason
    }

    fn decode(&mut self) -> Result<(), String> {
        match &self.reserved.message {
            Message::Malformed { reason, .. } => Err(reason.clone()),
            Message::Readable { ttr, body } => {
                self.job.ttr = *ttr;
                self.record.bytes_in = body.len() as u64;
                let Envelope { name, payload } = envelope::decode(body).map_err(|error| error.to_string())?;
                self.record.name.clone_from(&name);
                self.job.name = name;
                self.job.payload = payload;
                Ok(())
            }
        }
    }

    /// Nobody here handles the name: failed, or left to other workers for a while.
    async fn unhandled(&mut self) -> Settlement {
        // Not since it was pushed: a job that was delayed, or waited long, was offered to nobody meanwhile.
        let first_seen = self.reserved.first_reserved_at;
        let known_for = Duration::from_millis(self.reserved.reserved_at.saturating_sub(first_seen));
        if self.queue.config.unknown == Unknown::Release && known_for < RELEASED_AT_MOST {
            return self.postponed(RELEASED_FOR, "no plugin handles this name here".into());
        }
        self.failed(FailureCause::Unhandled).await
    }

    async fn ask(&mut self) -> BeforeExec {
        let asked = hooks::before_exec(&self.scope, &self.hooks, &self.job).await;
        self.note_hooks(asked.took, &asked.ran);
        self.asked = asked.pushes;
        asked.answer
    }

    async fn as_decided(&mut self, hook: &str, decision: ExecDecision) -> Settlement {
        match decision {
            // `hooks` stops only at a decision; to proceed is none.
            ExecDecision::Proceed => self.settlement(Verdict::HandedBack, Vec::new()),
            ExecDecision::Skip(why) => {
                self.record.skipped = Some(format!("{hook}: {why}"));
                let pushes = std::mem::take(&mut self.asked);
                self.settlement(Verdict::Done { output: None }, pushes)
            }
            ExecDecision::Postpone(delay) => {
                self.postponed(Duration::from_millis(delay).max(LEAST_POSTPONED), format!("hook {hook}"))
            }
            ExecDecision::Fail(failure) => self.failed(FailureCause::Returned(JobError::Temporary(failure))).await,
        }
    }

    async fn run(&mut self, plugin: &Plugin) -> Ran {
        let calls = hooks::calls(&self.scope, plugin);
        let call = Call {
            budget: Duration::from_secs(u64::from(self.job.ttr)),
            host: calls.clone(),
            interrupt: self.scope.holding.interrupt.clone(),
        };
        let finished = plugin.execute(self.job.clone(), call).await;
        self.running.iter().for_each(|running| running.ended(&finished));
        self.note_usage(&finished.usage);
        let failed = match &finished.outcome {
            Outcome::Returned(Ok(_)) => Some(false),
            Outcome::Returned(Err(_)) | Outcome::Faulted(_) => Some(true).filter(|_| !calls.has_met_a_store_failure()),
            Outcome::Cancelled | Outcome::Unavailable(_) => None,
        };
        if let Some(failed) = failed {
            self.tried.note(&self.registry, plugin, failed);
        }
        match finished.outcome {
            Outcome::Returned(Ok(output)) => Ran::Returned { output, pushes: calls.take_staged() },
            Outcome::Returned(Err(error)) => self.fail_with(FailureCause::Returned(error), finished.usage, None),
            Outcome::Faulted(fault) => self.fail_with(fault.cause, finished.usage, fault.backtrace),
            Outcome::Cancelled => Ran::Cancelled,
            Outcome::Unavailable(why) => Ran::NotRun(why),
        }
    }

    fn note_usage(&mut self, usage: &Usage) {
        self.record.duration_us = micros(usage.duration);
        self.record.peak_memory = usage.peak_memory;
        self.record.fuel = usage.fuel;
        self.record.bytes_out = usage.bytes_out;
        if usage.stdio_cut {
            tracing::warn!(
                plugin = self.record.plugin,
                job.id = self.job.id,
                "stdout or stderr passed one of the limits `stdio` and `log-lines`; its beginning is dropped"
            );
        }
        for line in usage.stdout.lines() {
            tracing::info!(target: "guest", plugin = self.record.plugin, job.id = self.job.id, "{line}");
        }
        for line in usage.stderr.lines() {
            tracing::warn!(target: "guest", plugin = self.record.plugin, job.id = self.job.id, "{line}");
        }
    }

    fn fail_with(&mut self, found: FailureCause, usage: Usage, backtrace: Option<String>) -> Ran {
        let mut kept = cause::record(&found);
        kept.backtrace = backtrace;
        kept.stderr = Some(usage.stderr).filter(|text| !text.is_empty());
        self.record.cause = Some(kept);
        Ran::Failed(found)
    }

    async fn done(&mut self, output: String, pushes: Vec<FollowUp>) -> Settlement {
        let report = self.report();
        let told = hooks::after_exec(&self.scope, &self.hooks, &self.job, &output, &report).await;
        self.note_hooks(told.took, &told.ran);
        if matches!(told.answer, AfterExec::Cancelled) {
            return self.settlement(Verdict::HandedBack, Vec::new());
        }
        let mut follow_ups = std::mem::take(&mut self.asked);
        follow_ups.extend(pushes);
        follow_ups.extend(told.pushes);
        self.settlement(Verdict::Done { output: Some(output).filter(|text| !text.is_empty()) }, follow_ups)
    }

    fn postponed(&mut self, delay: Duration, why: String) -> Settlement {
        self.reason = why;
        self.settlement(Verdict::Postponed { delay }, Vec::new())
    }

    /// The chain of `decide.rs`, each link asked in its turn.
    async fn failed(&mut self, found: FailureCause) -> Settlement {
        let kept = self.record.cause.take().filter(|kept| kept.kind == decide::kind(&found));
        self.record.cause = Some(kept.unwrap_or_else(|| cause::record(&found)));
        let config = &self.queue.config;
        let policy = RetryPolicy { attempts: config.attempts, backoff: config.backoff };
        let attempt = self.reserved.attempt;
        let mut decision = decide::by_queue(&found, attempt, &policy, chance());

        match self.can_retry(&found).await {
            Opinion::None => {}
            Opinion::Says(answer) => {
                decision = decide::overruled(decision, answer, attempt, &policy.backoff, chance());
            }
            Opinion::Cancelled => return self.settlement(Verdict::HandedBack, Vec::new()),
        }
        // A job that outlived its poison verdict once may have its hooks to blame.
        let hooks: Vec<_> = match found {
            FailureCause::Crashed(times) if times > self.queue.config.max_crashes => Vec::new(),
            _ => hooks::having(&self.hooks, |exports| exports.after_error).cloned().collect(),
        };
        let report = self.report();
        let mut pushes = Vec::new();
        for hook in hooks {
            let failure = (&found, decision.told());
            let asked = hooks::after_error(&self.scope, &hook, &self.job, failure, &report).await;
            self.note_hooks(asked.took, &asked.ran);
            pushes.extend(asked.pushes);
            match asked.answer {
                AfterError::Says(answer) => {
                    decision = decide::overruled(decision, answer, attempt, &policy.backoff, chance());
                }
                AfterError::Broken(which) => {
                    decision = Decision::GiveUp(format!("a hook that must not fail did: {which}"));
                    break;
                }
                AfterError::Cancelled => return self.settlement(Verdict::HandedBack, Vec::new()),
            }
        }
        self.as_failed(decision, pushes)
    }

    fn as_failed(&mut self, decision: Decision, pushes: Vec<FollowUp>) -> Settlement {
        let verdict = match decision {
            Decision::RetryAfter(delay) => Verdict::Retry { delay: whole_seconds(delay) },
            Decision::GiveUp(why) => {
                if let Some(cause) = &mut self.record.cause {
                    cause.given_up = Some(why);
                }
                Verdict::Failed
            }
        };
        self.settlement(verdict, pushes)
    }

    /// The plugin's own opinion, asked of the version that ran.
    async fn can_retry(&mut self, found: &FailureCause) -> Opinion {
        let Some(plugin) = self.handler.clone().filter(|plugin| plugin.exports().retry_policy) else {
            return Opinion::None;
        };
        if !decide::can_be_retried(found) {
            return Opinion::None;
        }
        let calls = hooks::calls(&self.scope, &plugin);
        let interrupt = self.scope.holding.interrupt.clone();
        let call = Call { budget: plugin.timeout(), host: calls, interrupt };
        let finished = plugin.can_retry(self.job.clone(), found.clone(), call).await;
        let Usage { duration, stderr, .. } = finished.usage;
        self.add_hook_time(duration);
        let reason = match finished.outcome {
            Outcome::Returned(answer) => return Opinion::Says(answer),
            Outcome::Cancelled => return Opinion::Cancelled,
            Outcome::Faulted(fault) => cause::message(&fault.cause),
            Outcome::Unavailable(why) => why,
        };
        tracing::warn!(
            plugin = plugin.name(),
            job.id = self.job.id,
            reason,
            stderr,
            "can-retry has failed; the queue's own decision stands"
        );
        Opinion::None
    }

    fn report(&self) -> AttemptReport {
        AttemptReport {
            waited: self.record.waited_ms,
            duration: self.record.duration_us / 1000,
            peak_memory: self.record.peak_memory,
            plugin_digest: self.record.digest.clone(),
        }
    }

    fn note_hooks(&mut self, took: Duration, ran: &[(Plugin, bool)]) {
        self.add_hook_time(took);
        for (plugin, failed) in ran {
            self.tried.note(&self.registry, plugin, *failed);
        }
    }

    fn add_hook_time(&mut self, took: Duration) {
        self.record.hooks_us = self.record.hooks_us.saturating_add(micros(took));
    }

    fn settlement(&self, verdict: Verdict, follow_ups: Vec<FollowUp>) -> Settlement {
        Settlement {
            lease: self.reserved.lease.clone(),
            verdict,
            record: self.record.clone(),
            follow_ups,
            retain: self.queue.config.retain,
        }
    }
}

/// What can-retry said.
enum Opinion {
    /// Nothing, or it has failed.
    None,
    Says(RetryDecision),
    /// The attempt was cancelled meanwhile: nobody knows.
    Cancelled,
}

/// How the handler ended.
enum Ran {
    Returned { output: String, pushes: Vec<FollowUp> },
    Failed(FailureCause),
    Cancelled,
    NotRun(String),
}

/// Rounded up, as the store would, so that events tell what is stored.
fn whole_seconds(delay: Duration) -> Duration {
    Duration::from_secs(delay.as_secs() + u64::from(delay.subsec_nanos() > 0))
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
