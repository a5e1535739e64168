//! The machinery that all plugins share: the compiler's settings, the pool of slots, the epoch ticker and the threads
//! on which guests run. It knows no plugin.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use wasmtime::component::{HasSelf, Linker};
use wasmtime::{Config, InstanceAllocationStrategy, WasmBacktraceDetails};

use crate::bindings::{config as granted_config, http as granted_http, imported, keyvalue, secrets};
use crate::cache::Cache;
use crate::capabilities::http::{self, Resolve, SystemResolver};
use crate::capabilities::{lasting, open, stream_error};
use crate::compiler::Compiler;
use crate::host::{Stage, State};
use crate::idle::{self, Number, Places};
use crate::limits::{Limits, size};
use crate::pool;
use crate::sandbox::Sandbox;
use crate::threads::Threads;
use crate::ticker::Ticker;

/// What host functions may use of the stack below a guest's.
const HOST_STACK: u64 = (2 << 20) - (512 << 10);

/// What an engine is built for.
#[derive(Clone, Debug)]
pub struct EngineSettings {
    /// Calls of `execute` at once; further ones wait.
    pub calls: u32,
    /// Calls of hooks and can-retry at once. Before-push and get-ttr, which are asked while a guest pushes, have as many
    /// slots again. None of them ever waits for calls of `execute`.
    pub hook_calls: u32,
    /// The largest memory limit of any plugin, in bytes.
    pub memory: u64,
    /// Whether to allocate instances from a pool, which is faster and needs much address space. Without it, or where
    /// the pool cannot be had, they are allocated on demand.
    pub pooling: bool,
    /// Where compiled code is kept; without it plugins are compiled at each start.
    pub cache: Option<Cache>,
    /// How plugins are compiled; without it in this process, for as long and with as much memory as it takes.
    pub compiler: Option<Compiler>,
    /// Finds the hosts to which plugins send requests.
    pub resolver: Arc<dyn Resolve>,
    /// Threads on which guests run, at least 1; without it one for each processor.
    pub threads: Option<u32>,
    /// Is told of a plugin before it is compiled: its name, and how many bytes its component has.
    pub compiling: Option<fn(&str, u64)>,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            calls: 4,
            hook_calls: 4,
            memory: Limits::default().memory,
            pooling: true,
            cache: None,
            compiler: None,
            resolver: Arc::new(SystemResolver),
            threads: None,
            compiling: None,
        }
    }
}

/// How instances are allocated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allocation {
    /// From a pool that was reserved when the engine was made.
    Pooling,
    /// One by one.
    OnDemand {
        /// Why there is no pool.
        why: String,
    },
}

/// Why an engine cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A setting makes no sense.
    #[error("engine setting `{setting}` is 0; it must be at least 1")]
    Zero {
        /// The setting's name.
        setting: &'static str,
    },
    /// The WebAssembly engine refused its configuration on this machine.
    #[error("the WebAssembly engine cannot run on this machine: {0}")]
    Unsupported(String),
    /// A thread could not be started.
    #[error("cannot start the threads that run guests: {0}; raise the limit of processes or of memory")]
    Threads(#[from] std::io::Error),
}

/// Runs plugins. Clones are the same engine; it ends with the last of them and of the plugins loaded into it.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

impl fmt::Debug for Engine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Engine")
            .field("settings", &self.0.settings)
            .field("allocation", &self.0.allocation)
            .finish_non_exhaustive()
    }
}

struct Inner {
    settings: EngineSettings,
    allocation: Allocation,
    machines: Mutex<Vec<(Build, Machine)>>,
    /// Held while a plugin is compiled.
    compiling: Mutex<()>,
    /// One plugin at a time is tried out, in the one slot that no call can take.
    trial: Semaphore,
    calls: Semaphore,
    hook_calls: Semaphore,
    /// Of before-push and get-ttr alone: a hook that pushes holds its own slot while it waits for them.
    push_calls: Semaphore,
    /// Of instances: as many as the pool has.
    places: Arc<Places<Sandbox>>,
    /// Of guests that compute for longer than a tick: one for each thread.
    turns: Semaphore,
    threads: Threads,
}

/// What plugins are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Build {
    pub(crate) fuel: bool,
    pub(crate) pooling: bool,
    /// Bytes on which WebAssembly runs.
    pub(crate) stack: u64,
}

/// The build that the default limits ask for, outside of the pool.
fn plain() -> Build {
    Build { fuel: false, pooling: false, stack: Limits::default().stack }
}

/// A compiler with its settings, and the imports that guests compiled by it get.
#[derive(Clone)]
pub(crate) struct Machine {
    pub(crate) engine: wasmtime::Engine,
    pub(crate) linker: Linker<State>,
    pub(crate) ticker: Arc<Ticker>,
}

impl Engine {
    /// Reserves the pool and starts the threads. Where there is no pool to be had it goes on without, see
    /// [`Self::allocation`].
    pub fn new(settings: &EngineSettings) -> Result<Self, EngineError> {
        let threads = settings.threads.unwrap_or(1);
        for (setting, value) in [("calls", settings.calls), ("hook_calls", settings.hook_calls), ("threads", threads)] {
            if value == 0 {
                return Err(EngineError::Zero { setting });
            }
        }
        let (engine, allocation) = probe(settings)?;
        if let Allocation::OnDemand { why } = &allocation {
            tracing::warn!(why, "instances are allocated on demand, which is slower than from a pool");
        }
        let build = Build { pooling: allocation == Allocation::Pooling, ..plain() };
        let machine = Machine::new(engine)?;
        let threads = Threads::start(settings.threads)?;
        Ok(Self(Arc::new(Inner {
            settings: settings.clone(),
            allocation,
            machines: Mutex::new(vec![(build, machine)]),
            compiling: Mutex::default(),
            trial: slots(1),
            calls: slots(settings.calls),
            hook_calls: slots(settings.hook_calls),
            push_calls: slots(settings.hook_calls),
            places: Places::new(size(u64::from(pool::places(settings)))),
            turns: Semaphore::new(threads.count()),
            threads,
        })))
    }

    /// How instances are allocated, and why not from a pool.
    pub fn allocation(&self) -> &Allocation {
        &self.0.allocation
    }

    /// Instances that wait for another call, of all plugins: those of warm ones.
    pub fn idle(&self) -> usize {
        self.0.places.idle()
    }

    /// The places of instances.
    pub(crate) fn places(&self) -> &Arc<Places<Sandbox>> {
        &self.0.places
    }

    /// Keeps an instance for another call of its plugin.
    pub(crate) fn keep(&self, plugin: Number, until: Instant, sandbox: Sandbox) {
        if self.0.places.keep(plugin, until, sandbox) {
            self.spawn(idle::watch(Arc::clone(&self.0.places)));
        }
    }

    pub(crate) fn settings(&self) -> &EngineSettings {
        &self.0.settings
    }

    /// The slots of this function. Functions that wait for each other never share any.
    pub(crate) fn slots(&self, stage: Stage) -> &Semaphore {
        match stage {
            Stage::Trial => &self.0.trial,
            Stage::Execute => &self.0.calls,
            Stage::BeforePush | Stage::GetTtr => &self.0.push_calls,
            Stage::CanRetry | Stage::BeforeExec | Stage::AfterExec | Stage::AfterError => &self.0.hook_calls,
        }
    }

    /// The turns of guests that compute.
    pub(crate) fn turns(&self) -> &Semaphore {
        &self.0.turns
    }

    /// Waits until no other plugin is compiled, and keeps others waiting until it is dropped.
    pub(crate) fn compiling(&self) -> MutexGuard<'_, ()> {
        self.0.compiling.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The build for a plugin with these limits. Counting fuel makes code slower, so that plugins without that limit are
    /// compiled without it; and the pool holds what keeps to its numbers.
    pub(crate) fn build_for(&self, limits: &Limits) -> Build {
        Build {
            fuel: limits.fuel > 0,
            pooling: self.0.allocation == Allocation::Pooling && pool::holds(limits),
            stack: limits.stack,
        }
    }

    /// The machine for a build, which is made when it is first asked for.
    pub(crate) fn machine(&self, build: Build) -> Result<Machine, EngineError> {
        let mut machines = self.0.machines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, machine)) = machines.iter().find(|(known, _)| *known == build) {
            return Ok(machine.clone());
        }
        let engine = |build| wasmtime::Engine::new(&config(&self.0.settings, build));
        // There may be room for one pool and not for two.
        let engine = engine(build).or_else(|error| {
            let why = format!("{error:#}");
            tracing::warn!(
                why,
                ?build,
                "no pool for one more kind of plugins: their instances are allocated on demand"
            );
            engine(Build { pooling: false, ..build })
        });
        let engine = engine.map_err(unsupported)?;
        let machine = Machine::new(engine)?;
        machines.push((build, machine.clone()));
        Ok(machine)
    }

    /// The threads on which guests run, for tasks that call plugins and do little else: from there a call is not handed from
    /// one thread to another and back. What has to be done in time does not belong there, it would wait for guests that
    /// compute. None while the engine ends.
    pub fn threads(&self) -> Option<Handle> {
        self.0.threads.handle()
    }

    /// Whether who asks is on the guests' threads.
    pub(crate) fn is_here(&self) -> bool {
        self.0.threads.is_here()
    }

    /// Runs a future on the guests' threads. None while the engine ends.
    pub(crate) fn spawn<F>(&self, future: F) -> Option<JoinHandle<F::Output>>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.0.threads.spawn(future)
    }
}

impl Machine {
    fn new(engine: wasmtime::Engine) -> Result<Self, EngineError> {
        let weak = engine.weak();
        let ticker = Arc::new(Ticker::start(move || {
            if let Some(engine) = weak.upgrade() {
                engine.increment_epoch();
            }
        })?);
        let linker = linker(&engine).map_err(unsupported)?;
        Ok(Self { engine, linker, ticker })
    }
}

/// Everything a plugin may import. That it is there grants nothing: the file system is empty, sockets are refused,
/// pushes, requests, secrets and buckets are checked, unless the call's state says otherwise.
fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    open::guard(&mut linker)?;
    stream_error::guard(&mut linker)?;
    lasting::guard(&mut linker)?;
    http::add_to_linker(&mut linker)?;
    imported::types::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    imported::context::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    imported::queue::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    granted_http::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    secrets::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    granted_config::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    keyvalue::store::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    keyvalue::atomics::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    keyvalue::batch::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    Ok(linker)
}

/// An engine with a pool if one is wanted and can be had. The pool reserves its whole address space when the engine is
/// made, so that trying is the test.
fn probe(settings: &EngineSettings) -> Result<(wasmtime::Engine, Allocation), EngineError> {
    let why = if settings.pooling {
        match wasmtime::Engine::new(&config(settings, Build { pooling: true, ..plain() })) {
            Ok(engine) => return Ok((engine, Allocation::Pooling)),
            Err(error) => format!("{error:#}"),
        }
    } else {
        "switched off by the settings".to_owned()
    };
    let engine = wasmtime::Engine::new(&config(settings, plain())).map_err(unsupported)?;
    Ok((engine, Allocation::OnDemand { why }))
}

/// An engine that only compiles: its code runs on every engine of the same build, pool or not, whatever the stack.
pub(crate) fn compiling(fuel: bool) -> wasmtime::Result<wasmtime::Engine> {
    wasmtime::Engine::new(&config(&EngineSettings::default(), Build { fuel, ..plain() }))
}

fn config(settings: &EngineSettings, build: Build) -> Config {
    let mut config = Config::new();
    config
        .consume_fuel(build.fuel)
        .epoch_interruption(true)
        // Plugins use no asynchronous part of the component model, and calls cost half as much without it.
        .concurrency_support(false)
        .wasm_memory64(false)
        .max_wasm_stack(size(build.stack))
        .async_stack_size(size(build.stack.saturating_add(HOST_STACK)))
        // Files and lines would have to be parsed out of the debug data at each trap; function names are enough.
        .wasm_backtrace_details(WasmBacktraceDetails::Disable);
    if build.pooling {
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool::config(settings)));
    }
    config
}

fn slots(count: u32) -> Semaphore {
    Semaphore::new(size(u64::from(count)).min(Semaphore::MAX_PERMITS))
}

#[expect(clippy::needless_pass_by_value, reason = "it is used as a function of map_err")]
fn unsupported(error: wasmtime::Error) -> EngineError {
    EngineError::Unsupported(format!("{error:#}"))
}
