//! The host's side of the plugin interface: what a guest's imports do, and the state of one call on which they work.
//! Where a push, a log line or a progress report ends up is the caller's business.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::bindings::imported::{context, queue, types};
use crate::capabilities::queues;
use crate::interrupt::Interrupt;
use crate::limits::{Limits, size};
use crate::meter::Meter;
use crate::output::{Capture, printable, shown};
use crate::types::{JobDraft, Level, PushError};

/// Where the effects of a guest go. One is given to each call.
#[async_trait]
pub trait CallHost: Send + Sync + 'static {
    /// Takes drafts that are to be stored when the attempt is settled: all of them, or none and an error. The drafts
    /// are valid and their queues granted; whether the queues exist is for the callee to say.
    async fn push(&self, drafts: Vec<JobDraft>) -> Result<(), PushError>;

    /// Stores a draft at once and answers the new job's id. The draft is valid and its queue granted.
    async fn push_now(&self, draft: JobDraft) -> Result<String, PushError>;

    /// The guest's own estimate of how far it is. The note is bounded, printable and on one line.
    fn progress(&self, done: u32, total: Option<u32>, note: &str);

    /// A message of the guest's log, or the runtime's word on what it refused the guest. It is bounded and printable;
    /// where it has several lines, all but the first are indented.
    fn log(&self, level: Level, message: &str);
}

/// Queues that the operator is told of in one call, once each, when a push to them is refused. A guest may go on to
/// try others.
const ADVISED: usize = 16;

/// Between the lines of a message, so that none can pass for a message of its own, or of the host.
const CONTINUED: &str = "\n    ";

/// Who is calling, and so whether it may push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Instantiation alone, when a plugin is loaded.
    Trial,
    Execute,
    GetTtr,
    CanRetry,
    BeforePush,
    BeforeExec,
    AfterExec,
    AfterError,
}

impl Stage {
    /// The name of this function, where nothing can be pushed from within it.
    fn without_pushes(self) -> Option<&'static str> {
        match self {
            Self::GetTtr => Some("get-ttr"),
            Self::CanRetry => Some("can-retry"),
            Self::BeforePush => Some("before-push"),
            Self::Trial => Some("start-up"),
            Self::Execute | Self::BeforeExec | Self::AfterExec | Self::AfterError => None,
        }
    }
}

/// What the state of a call is made from.
pub(crate) struct Setting<'a> {
    pub(crate) plugin: &'a Arc<str>,
    pub(crate) limits: &'a Limits,
    pub(crate) queues: &'a Arc<[String]>,
    pub(crate) stage: Stage,
    pub(crate) deadline: Instant,
    pub(crate) host: Arc<dyn CallHost>,
    pub(crate) interrupt: Interrupt,
}

/// The state of one call: everything that its store holds besides the guest.
pub(crate) struct State {
    pub(crate) meter: Meter,
    pub(crate) stdout: Capture,
    pub(crate) stderr: Capture,
    wasi: WasiCtx,
    table: ResourceTable,
    plugin: Arc<str>,
    queues: Arc<[String]>,
    stage: Stage,
    deadline: Instant,
    host: Arc<dyn CallHost>,
    interrupt: Interrupt,
    left: Left,
    advised: Vec<String>,
}

/// What the guest may still send in this call.
struct Left {
    pushes: u32,
    push_bytes: u64,
    log_lines: u32,
    log_bytes: u64,
    note_bytes: usize,
}

impl State {
    pub(crate) fn new(setting: Setting<'_>, wasi: WasiCtx, output: (Capture, Capture)) -> Self {
        let limits = setting.limits;
        let mut table = ResourceTable::new();
        table.set_max_capacity(size(u64::from(limits.handles)));
        Self {
            meter: Meter::new(limits, output.1.clone()),
            stdout: output.0,
            stderr: output.1,
            wasi,
            table,
            plugin: Arc::clone(setting.plugin),
            queues: Arc::clone(setting.queues),
            stage: setting.stage,
            deadline: setting.deadline,
            host: setting.host,
            interrupt: setting.interrupt,
            left: Left {
                pushes: limits.pushes,
                push_bytes: limits.push_bytes,
                log_lines: limits.log_lines,
                log_bytes: limits.log_bytes,
                note_bytes: size(limits.note_bytes),
            },
            advised: Vec::new(),
        }
    }

    /// Whether these drafts may be pushed now; if so they are counted.
    fn admit(&mut self, drafts: &[JobDraft]) -> Result<(), PushError> {
        self.meter.goes_on();
        if let Some(function) = self.stage.without_pushes() {
            return Err(PushError::Denied(format!("nothing can be pushed from within {function}")));
        }
        for draft in drafts {
            if let Err(advice) = queues::permit(&self.plugin, &self.queues, &draft.queue) {
                let queue = shown(&draft.queue, queues::QUEUE_SHOWN);
                let refusal = format!("the queue `{queue}` is not granted");
                self.advise(queue, &advice);
                return Err(PushError::Denied(refusal));
            }
            if let Some(problem) = queues::problem(draft) {
                return Err(PushError::Invalid(problem));
            }
        }
        let count = u32::try_from(drafts.len()).unwrap_or(u32::MAX);
        let bytes: u64 = drafts.iter().map(queues::weight).sum();
        let pushes = self.left.pushes.checked_sub(count).ok_or_else(|| {
            PushError::Invalid(format!(
                "too many pushes in one call: {} more are allowed, this is {count}; the limit is `pushes`",
                self.left.pushes
            ))
        })?;
        let push_bytes = self.left.push_bytes.checked_sub(bytes).ok_or_else(|| {
            PushError::Invalid(format!(
                "too many bytes pushed in one call: {} more are allowed, this is {bytes}; the limit is `push-bytes`",
                self.left.push_bytes
            ))
        })?;
        self.left.pushes = pushes;
        self.left.push_bytes = push_bytes;
        Ok(())
    }

    /// Tells the operator what would allow a push to this queue.
    fn advise(&mut self, queue: String, advice: &str) {
        if self.advised.len() < ADVISED && !self.advised.contains(&queue) {
            self.host.log(Level::Warn, &printable(advice));
            self.advised.push(queue);
        }
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl types::Host for State {}

impl context::Host for State {
    async fn log(&mut self, level: Level, message: String) -> wasmtime::Result<()> {
        self.meter.goes_on();
        let length = crate::limits::bytes(message.len());
        if self.left.log_lines == 0 {
            return Ok(());
        }
        if let Some(bytes) = self.left.log_bytes.checked_sub(length)
            && self.left.log_lines > 1
        {
            self.left.log_bytes = bytes;
            self.left.log_lines -= 1;
            self.host.log(level, &printable(&message).replace('\n', CONTINUED));
        } else {
            self.left.log_lines = 0;
            self.host.log(
                Level::Warn,
                "the rest of this call's log is dropped: it passed one of the limits `log-lines` and `log-bytes`",
            );
        }
        Ok(())
    }

    async fn remaining(&mut self) -> wasmtime::Result<u64> {
        let end = match self.interrupt.grace_ends() {
            Some(grace) => self.deadline.min(grace),
            None => self.deadline,
        };
        let left = end.saturating_duration_since(Instant::now());
        Ok(u64::try_from(left.as_millis()).unwrap_or(u64::MAX))
    }

    async fn progress(&mut self, done: u32, total: Option<u32>, note: String) -> wasmtime::Result<()> {
        self.meter.goes_on();
        let end = note.floor_char_boundary(self.left.note_bytes);
        self.host.progress(done, total, &shown(&note[..end], usize::MAX));
        Ok(())
    }
}

impl queue::Host for State {
    async fn push(&mut self, draft: JobDraft) -> wasmtime::Result<Result<(), PushError>> {
        self.push_many(vec![draft]).await
    }

    async fn push_many(&mut self, drafts: Vec<JobDraft>) -> wasmtime::Result<Result<(), PushError>> {
        if let Err(refusal) = self.admit(&drafts) {
            return Ok(Err(refusal));
        }
        if drafts.is_empty() {
            return Ok(Ok(()));
        }
        Ok(self.host.push(drafts).await)
    }

    async fn push_now(&mut self, draft: JobDraft) -> wasmtime::Result<Result<String, PushError>> {
        if let Err(refusal) = self.admit(std::slice::from_ref(&draft)) {
            return Ok(Err(refusal));
        }
        Ok(self.host.push_now(draft).await)
    }
}
