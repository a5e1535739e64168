//! From a draft to a job that can be stored: the before-push hooks, the time
//! to run, the envelope. `jobhost push` and guests that push both come here.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use jobhost_queue::{Channel, FollowUp, NewJob, envelope};
use jobhost_runtime::types::{JobDraft, Level, PushDecision, PushError};
use jobhost_runtime::{Call, CallHost, Interrupt, Outcome, Plugin};

use crate::config::OnFailure;
use crate::registry::{QueueInForce, Registry};

/// The longest payload that is pushed, in bytes.
pub const MAX_PAYLOAD: usize = 1 << 20;

/// Prepares jobs by the snapshot in force.
pub struct Pusher {
    registry: Arc<ArcSwap<Registry>>,
}

impl Pusher {
    /// One that goes by this registry.
    pub fn new(registry: Arc<ArcSwap<Registry>>) -> Self {
        Self { registry }
    }

    /// Asks the target queue's before-push hooks, then, if there is no ttr
    /// yet, the handler's get-ttr, and builds what is to be stored.
    pub async fn prepare(&self, draft: JobDraft) -> Result<FollowUp, PushError> {
        let registry = self.registry.load_full();
        let Some(queue) = registry.queue(&draft.queue).cloned() else {
            return Err(PushError::Denied(format!("no queue `{}` is configured on this host", draft.queue)));
        };
        check_size(&draft)?;
        let mut draft = before_push(&queue, draft).await?;
        if draft.ttr.is_none()
            && let Some(plugin) = registry.handler(&draft.name).filter(|plugin| plugin.exports().time_to_run)
        {
            draft.ttr = get_ttr(plugin, &draft).await;
        }
        to_job(&queue, draft)
    }
}

fn check_size(draft: &JobDraft) -> Result<(), PushError> {
    if draft.payload.len() <= MAX_PAYLOAD {
        return Ok(());
    }
    Err(PushError::Invalid(format!(
        "the payload has {} bytes; at most {MAX_PAYLOAD} are taken: store the data elsewhere and push a reference to it",
        draft.payload.len()
    )))
}

fn to_job(queue: &QueueInForce, draft: JobDraft) -> Result<FollowUp, PushError> {
    check_size(&draft)?;
    let body = envelope::encode(&draft.name, &draft.payload).map_err(|error| PushError::Invalid(error.to_string()))?;
    let job = NewJob {
        body,
        ttr: draft.ttr.unwrap_or(queue.config.ttr).max(1),
        delay: Duration::from_millis(draft.delay.unwrap_or(0)),
        metadata: draft.metadata,
    };
    job.check().map_err(|error| PushError::Invalid(error.to_string()))?;
    Ok(FollowUp { channel: Channel::clone(&queue.config.channel), job })
}

async fn before_push(queue: &QueueInForce, mut draft: JobDraft) -> Result<JobDraft, PushError> {
    for hook in queue.hooks.iter().filter(|hook| hook.plugin.exports().before_push) {
        let name = hook.plugin.name();
        let broken = match hook.plugin.before_push(draft.clone(), call(&hook.plugin)).await.outcome {
            Outcome::Returned(Ok(PushDecision::Accept)) => continue,
            Outcome::Returned(Ok(PushDecision::Replace(replaced))) if replaced.queue == draft.queue => {
                draft = replaced;
                continue;
            }
            Outcome::Returned(Ok(PushDecision::Replace(replaced))) => {
                format!(
                    "it replaced the queue `{}` by `{}`, which a before-push hook may not",
                    draft.queue, replaced.queue
                )
            }
            Outcome::Returned(Ok(PushDecision::Reject(why))) => {
                return Err(PushError::Rejected(format!("hook `{name}`: {why}")));
            }
            Outcome::Returned(Err(why)) | Outcome::Unavailable(why) => why,
            Outcome::Faulted(fault) => crate::cause::message(&fault.cause),
            Outcome::Cancelled => "it was cancelled".into(),
        };
        tracing::warn!(plugin = name, queue = draft.queue, reason = broken, "a before-push hook is broken");
        if hook.on_failure == OnFailure::Closed {
            return Err(PushError::Rejected(format!("hook `{name}`, which must not fail, did: {broken}")));
        }
    }
    Ok(draft)
}

/// The plugin's opinion; without one, or when it fails, the queue's ttr holds.
async fn get_ttr(plugin: &Plugin, draft: &JobDraft) -> Option<u32> {
    match plugin.get_ttr(draft.clone(), call(plugin)).await.outcome {
        Outcome::Returned(ttr) => ttr,
        Outcome::Faulted(fault) => {
            let reason = crate::cause::message(&fault.cause);
            tracing::warn!(plugin = plugin.name(), reason, "get-ttr has failed; the queue's ttr holds");
            None
        }
        Outcome::Cancelled => None,
        Outcome::Unavailable(reason) => {
            tracing::warn!(plugin = plugin.name(), reason, "get-ttr could not be asked; the queue's ttr holds");
            None
        }
    }
}

fn call(plugin: &Plugin) -> Call {
    Call {
        budget: plugin.timeout(),
        host: Arc::new(NoJob { plugin: plugin.name().to_owned() }),
        interrupt: Interrupt::default(),
    }
}

/// What a guest may do that is asked about a draft: log, nothing else.
struct NoJob {
    plugin: String,
}

#[async_trait]
impl CallHost for NoJob {
    async fn push(&self, _drafts: Vec<JobDraft>) -> Result<(), PushError> {
        Err(PushError::Denied("a push from within before-push or get-ttr".into()))
    }

    async fn push_now(&self, _draft: JobDraft) -> Result<String, PushError> {
        Err(PushError::Denied("a push from within before-push or get-ttr".into()))
    }

    fn progress(&self, _done: u32, _total: Option<u32>, _note: &str) {}

    fn log(&self, level: Level, message: &str) {
        crate::calls::log_of_guest(&self.plugin, None, level, message);
    }
}
