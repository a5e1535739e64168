//! The host's side of the plugin interface: what a guest's imports do, and the state of one call on which they work.
//! Of a call's state its instance's next call gets nothing but what it needs to go on: see [`State::next_call`].
//! Where a push, a log line or a progress report ends up is the caller's business.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use wasmtime::component::{Resource, ResourceTable, ResourceTableError};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtxView, WasiHttpView};

use crate::bindings::imported::{context, queue, types};
use crate::buckets::Buckets;
use crate::capabilities::http::{self, Requests};
use crate::capabilities::lasting::{self, Lasting};
use crate::capabilities::{Granted, Monotonic, queues};
use crate::interrupt::Interrupt;
use crate::limits::{Limits, size};
use crate::meter::Meter;
use crate::nobody::Nobody;
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

    /// The buckets of the store; the error says why there are none for this call.
    fn buckets(&self) -> Result<&dyn Buckets, &'static str> {
        Err("there is no store here")
    }

    /// A message of the guest's log. It is bounded and printable; where it has several lines, all but the first are
    /// indented.
    fn log(&self, level: Level, message: &str);

    /// The runtime's word on what it refused the guest, with the line of configuration that would allow it. It is bounded
    /// and printable.
    fn refused(&self, advice: &str) {
        self.log(Level::Warn, advice);
    }
}

/// Refusals that the operator is told of in one call, once each. A guest may go on to try other things.
const ADVISED: usize = 16;

/// Characters of a name that a message shows; a guest may have made it up.
const QUOTED: usize = 200;

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
    /// Whether a guest may be waiting for this one, in whose midst it would run.
    pub(crate) fn is_asked_by_guests(self) -> bool {
        matches!(self, Self::BeforePush | Self::GetTtr)
    }

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
    pub(crate) granted: &'a Arc<Granted>,
    /// None where nothing is granted.
    pub(crate) http: Option<&'a Arc<http::Client>>,
    pub(crate) stage: Stage,
    pub(crate) deadline: Instant,
    pub(crate) host: Arc<dyn CallHost>,
    pub(crate) interrupt: Interrupt,
    /// Whether the instance may serve another call.
    pub(crate) warm: bool,
}

/// The state of one call: everything that its store holds besides the guest.
pub(crate) struct State {
    pub(crate) meter: Meter,
    pub(crate) stdout: Capture,
    pub(crate) stderr: Capture,
    /// That of the instance, in all of its calls.
    pub(crate) monotonic: Monotonic,
    /// Whether the instance was made, and the guest called.
    pub(crate) begun: bool,
    /// None until the guest has to do with requests: most never have. It goes before the table, whose bodies would
    /// otherwise end as if they were whole.
    requests: Option<Box<Requests>>,
    /// None until the guest asks for something of it.
    wasi: Option<WasiCtx>,
    table: ResourceTable,
    plugin: Arc<str>,
    granted: Arc<Granted>,
    stage: Stage,
    deadline: Instant,
    host: Arc<dyn CallHost>,
    interrupt: Interrupt,
    left: Left,
    advised: Vec<String>,
    http: Option<Arc<http::Client>>,
    request_limits: http::RequestLimits,
    lasting: Lasting,
}

/// What the guest may still send in this call.
struct Left {
    pushes: u32,
    push_bytes: u64,
    log_lines: u32,
    log_bytes: u64,
    note_bytes: usize,
    bucket_keys: u32,
    value_bytes: u64,
    call_bytes: u64,
    open_files: usize,
}

impl State {
    /// With `wasi` if folders are open in it.
    pub(crate) fn new(
        setting: Setting<'_>,
        wasi: Option<WasiCtx>,
        output: (Capture, Capture),
        monotonic: Monotonic,
    ) -> Self {
        let limits = setting.limits;
        let mut table = ResourceTable::new();
        // The engine counts the guest's handles too, which leaves these to the host.
        let of_the_host = if setting.warm { lasting::MOST } else { 0 };
        table.set_max_capacity(size(u64::from(limits.handles)).saturating_add(of_the_host));
        Self {
            meter: Meter::new(limits, output.1.clone()),
            stdout: output.0,
            stderr: output.1,
            monotonic,
            begun: false,
            requests: None,
            wasi,
            table,
            plugin: Arc::clone(setting.plugin),
            granted: Arc::clone(setting.granted),
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
                bucket_keys: limits.bucket_keys,
                value_bytes: limits.value_bytes,
                call_bytes: limits.host_call_bytes,
                open_files: size(u64::from(limits.open_files)),
            },
            advised: Vec::new(),
            http: setting.http.cloned(),
            request_limits: limits.into(),
            lasting: Lasting::new(setting.warm),
        }
    }

    /// The state of the same instance's next call. Of the one before stay the guest's memory and tables, as the meter counts
    /// them, and the table of what it holds, in which there must be nothing of that call; everything else begins anew.
    pub(crate) fn next_call(&mut self, setting: Setting<'_>, wasi: Option<WasiCtx>) {
        let next = Self::new(setting, wasi, self.output(), self.monotonic.clone());
        let before = std::mem::replace(self, next);
        (self.meter, self.table, self.lasting) = (before.meter, before.table, before.lasting);
        self.meter.next_call();
    }

    /// Lets go of everything of a call that is over: its effects lead nowhere from now on.
    pub(crate) fn rest(&mut self) {
        self.requests = None;
        self.host = Arc::new(Nobody);
        self.interrupt = Interrupt::default();
        self.advised = Vec::new();
        self.stdout.clear();
        self.stderr.clear();
    }

    /// Where the guest's output goes in all calls of its instance.
    pub(crate) fn output(&self) -> (Capture, Capture) {
        (self.stdout.clone(), self.stderr.clone())
    }

    /// How many resources the guest holds that are of this call and not of its instance.
    pub(crate) fn held(&mut self) -> usize {
        self.table.iter_mut().count().saturating_sub(self.lasting.count(&self.table))
    }

    /// Notes that what the guest was given is of its instance.
    pub(crate) fn lasts<R: 'static>(&mut self, resource: &Resource<R>) -> Result<(), ResourceTableError> {
        self.lasting.add(&mut self.table, resource)
    }

    /// Whether these drafts may be pushed now; if so they are counted.
    fn admit(&mut self, drafts: &[JobDraft]) -> Result<(), PushError> {
        self.meter.goes_on();
        if let Some(function) = self.stage.without_pushes() {
            return Err(PushError::Denied(format!("nothing can be pushed from within {function}")));
        }
        for draft in drafts {
            if !self.granted.queues.contains(&draft.queue) {
                let queue = self.quoted(&draft.queue);
                self.advise(queues::refusal(&self.plugin, &self.granted.queues, &queue));
                return Err(PushError::Denied(format!("the queue `{queue}` is not granted")));
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

    /// Whether the guest has asked for anything of WASI, or has folders.
    #[cfg(test)]
    pub(crate) fn has_wasi(&self) -> bool {
        self.wasi.is_some()
    }

    /// Whose call this is.
    pub(crate) fn plugin(&self) -> &str {
        &self.plugin
    }

    /// What the plugin may do.
    pub(crate) fn granted(&self) -> &Granted {
        &self.granted
    }

    /// Where the call's effects go.
    pub(crate) fn call_host(&self) -> Arc<dyn CallHost> {
        Arc::clone(&self.host)
    }

    /// The resources that the guest holds.
    pub(crate) fn table(&mut self) -> &mut ResourceTable {
        &mut self.table
    }

    /// Counts keys that the guest reads, lists or writes.
    pub(crate) fn spend_keys(&mut self, keys: usize) -> Result<(), String> {
        let left = u32::try_from(keys).ok().and_then(|keys| self.left.bucket_keys.checked_sub(keys));
        self.left.bucket_keys = left.ok_or_else(|| {
            format!("too many keys in one call: {} more are allowed; raise `limits.bucket-keys`", self.left.bucket_keys)
        })?;
        Ok(())
    }

    /// Bytes that a value may have.
    pub(crate) fn value_bytes(&self) -> u64 {
        self.left.value_bytes
    }

    /// Bytes that cross the border in one host call.
    pub(crate) fn call_bytes(&self) -> u64 {
        self.left.call_bytes
    }

    /// Files and folders that may be open at once.
    pub(crate) fn open_files(&self) -> usize {
        self.left.open_files
    }

    /// A name that a guest made up, for a message.
    pub(crate) fn quoted(&self, name: &str) -> String {
        self.granted.secrets.shown(name, QUOTED)
    }

    /// What the guest may still pile up for requests.
    pub(crate) fn heads(&mut self) -> &mut http::Heads {
        &mut self.requests().0.heads
    }

    /// The requests of this call, and the resources that they need.
    pub(crate) fn requests(&mut self) -> (&mut Requests, &mut ResourceTable) {
        let requests = self.requests.get_or_insert_with(|| {
            Box::new(Requests::new(&http::Setting {
                client: self.http.as_ref(),
                plugin: &self.plugin,
                granted: &self.granted,
                host: &self.host,
                limits: self.request_limits,
                deadline: self.deadline,
            }))
        });
        (requests, &mut self.table)
    }

    /// Tells the operator what would allow what was just refused, each thing once.
    pub(crate) fn advise(&mut self, advice: String) {
        if self.advised.len() < ADVISED && !self.advised.contains(&advice) {
            self.host.refused(&printable(&advice));
            self.advised.push(advice);
        }
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let ctx = self.wasi.get_or_insert_with(|| {
            let output = (self.stdout.clone(), self.stderr.clone());
            self.granted.inert(&output, &self.monotonic, self.left.call_bytes).build()
        });
        WasiCtxView { ctx, table: &mut self.table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let (Requests { context, hooks, .. }, table) = self.requests();
        WasiHttpCtxView { ctx: context, table, hooks }
    }
}

impl types::Host for State {}

impl context::Host for State {
    async fn log(&mut self, level: Level, mut message: String) -> wasmtime::Result<()> {
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
            self.granted.secrets.hide(&mut message);
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

    async fn progress(&mut self, done: u32, total: Option<u32>, mut note: String) -> wasmtime::Result<()> {
        self.meter.goes_on();
        // Before it is cut, which might leave half of one.
        self.granted.secrets.hide(&mut note);
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
