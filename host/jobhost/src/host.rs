//! The composition root: from a configuration to a store, plugins in force and
//! a worker. Each command takes from it what it needs, and no more is opened.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use jobhost_queue::envelope::same_name;
use jobhost_queue::{OpenOptions, Store, StoreError, open};
use jobhost_runtime::{Allocation, Cache, Compiler, Engine, EngineError, EngineSettings, inspect};

use crate::config::{
    CacheFolder, Compile, Config, ConfigError, Jobs, Place, PluginConfig, Problem, QueueConfig, Request,
};
use crate::push::Pusher;
use crate::registry::{Registry, Wanted};
use crate::swap::Swap;
use crate::worker::events::Events;
use crate::worker::heartbeat::Identity;
use crate::worker::outage::Outage;
use crate::worker::run::{Served, Until, Worker};
use crate::worker::tally::Tally;

/// Why a host cannot start.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The configuration, or a plugin that it names.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// WebAssembly does not run here.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl From<Vec<Problem>> for HostError {
    fn from(problems: Vec<Problem>) -> Self {
        Self::Config(ConfigError { problems })
    }
}

/// All that runs jobs.
pub struct Host {
    /// As configured.
    pub config: Config,
    /// Where the jobs are.
    pub store: Arc<dyn Store>,
    /// What is in force.
    pub registry: Arc<ArcSwap<Registry>>,
    /// What runs it.
    pub engine: Engine,
    /// What it did.
    pub tally: Arc<Tally>,
}

impl Host {
    /// Loads every plugin, then opens the store, creating a SQLite file that
    /// is not there. What of the store's settings endangers jobs is logged.
    /// With `Until::Told` a Redis server that does not answer is waited for,
    /// as a worker waits for one that goes away later.
    pub async fn open(config: Config, until: Until) -> Result<Self, HostError> {
        let engine = engine(&config)?;
        let registry = Registry::load(&config, Some(&engine), Wanted::All).await?;
        let (store, warnings) = match until {
            Until::Told if config.store.starts_with("redis") => once_it_answers(&config.store).await,
            _ => open_and_check(&config.store).await,
        }?;
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        let registry = Arc::new(ArcSwap::from_pointee(registry));
        let tally = Arc::new(Tally::new(Arc::clone(&registry)));
        Ok(Self { config, store, registry, engine, tally })
    }

    /// What keeps the plugins in force in step with their files; `request` says how the configuration was read.
    pub fn swap(&self, request: Request, queues: Served, events: Events) -> Swap {
        Swap {
            request,
            queues,
            config: self.config.clone(),
            engine: self.engine.clone(),
            registry: Arc::clone(&self.registry),
            store: Arc::clone(&self.store),
            events,
        }
    }

    /// A worker for these queues.
    pub fn worker(&self, queues: Served, events: Events) -> Worker {
        Worker {
            store: Arc::clone(&self.store),
            registry: Arc::clone(&self.registry),
            pusher: Arc::new(Pusher::new(Arc::clone(&self.registry))),
            events,
            engine: Some(self.engine.clone()),
            queues,
            concurrency: self.config.concurrency,
            grace: self.config.shutdown_grace,
            identity: identity(),
            swap: None,
            tally: Arc::clone(&self.tally),
        }
    }
}

/// The store, and what of its settings endangers jobs.
async fn open_and_check(address: &str) -> Result<(Arc<dyn Store>, Vec<String>), StoreError> {
    let store = open(address, OpenOptions::default()).await?;
    let warnings = store.warnings().await?;
    Ok((store, warnings))
}

/// The same as soon as it answers. That it does not is logged once.
async fn once_it_answers(address: &str) -> Result<(Arc<dyn Store>, Vec<String>), StoreError> {
    let outage = Outage::new(Events::default());
    let mut tries = 0;
    loop {
        match open_and_check(address).await {
            Err(error) if error.is_transient() => {
                if tries == 0 {
                    tracing::warn!("{error}; waiting for it");
                }
                tries += 1;
                tokio::time::sleep(outage.pause(tries)).await;
            }
            opened => return opened,
        }
    }
}

/// An engine with a slot for each job that may run, and as many for hooks.
pub fn engine(config: &Config) -> Result<Engine, HostError> {
    engine_with(config, 0, EngineSettings::default())
}

/// The same with so many threads for guests, or one for each processor.
pub fn engine_on(config: &Config, threads: Option<u32>) -> Result<Engine, HostError> {
    engine_with(config, 0, EngineSettings { threads, ..EngineSettings::default() })
}

/// The same for somebody who waits: `compiling` is told of each plugin before it is compiled, by its name and the bytes of
/// its component.
pub fn engine_that_tells(config: &Config, compiling: fn(&str, u64)) -> Result<Engine, HostError> {
    engine_that_takes(config, 0, compiling)
}

/// The same that also takes a plugin which the configuration need not name, with so many bytes of memory.
pub fn engine_that_takes(config: &Config, memory: u64, compiling: fn(&str, u64)) -> Result<Engine, HostError> {
    engine_with(config, memory, EngineSettings { compiling: Some(compiling), ..EngineSettings::default() })
}

fn engine_with(config: &Config, memory: u64, others: EngineSettings) -> Result<Engine, HostError> {
    let configured = config.plugins.iter().map(|plugin| plugin.limits.memory).max().unwrap_or(1 << 20);
    let memory = configured.max(memory);
    let settings = EngineSettings {
        calls: config.concurrency,
        hook_calls: config.concurrency,
        memory,
        cache: cache(config)?,
        compiler: Some(compiler(config.compile)),
        ..others
    };
    let engine = Engine::new(&settings)?;
    if let Allocation::OnDemand { why } = engine.allocation() {
        tracing::warn!(reason = why, "sandboxes are allocated one by one, which is slower");
    }
    Ok(engine)
}

/// This program again, as a child with limits.
pub fn compiler(limits: Compile) -> Compiler {
    // By this link it is the same program even if its file was replaced meanwhile.
    let program = PathBuf::from("/proc/self/exe");
    Compiler { program, arguments: vec!["compile-component".into()], memory: limits.memory, time: limits.time }
}

/// The folder of compiled code. One that is configured must be usable.
fn cache(config: &Config) -> Result<Option<Cache>, ConfigError> {
    match &config.cache {
        CacheFolder::Off => Ok(None),
        CacheFolder::At(folder) => match Cache::open(folder, config.cache_size) {
            Ok(cache) => Ok(Some(cache)),
            Err(why) => Err(ConfigError::one(Place::option("cache"), why)),
        },
        CacheFolder::Usual => Ok(usual_cache().and_then(|folder| {
            let opened = Cache::open(&folder, config.cache_size);
            opened.inspect_err(|why| tracing::warn!("{why}; until then plugins are compiled at each start")).ok()
        })),
    }
}

/// As the XDG base directory specification has it: relative paths do not count.
fn usual_cache() -> Option<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")))?;
    Some(base.join("jobhost"))
}

/// A pusher for jobs of these names into a queue from outside of any attempt.
/// Only plugins with a say in it are compiled: before-push hooks of the queue
/// and, unless `ttr_given`, handlers with a get-ttr.
pub async fn pusher(
    config: &Config,
    queue: &QueueConfig,
    names: &[&str],
    ttr_given: bool,
) -> Result<Pusher, HostError> {
    let mut wanted = Vec::new();
    for plugin in &config.plugins {
        let may_hook = queue.hooks.contains(&plugin.name);
        let may_handle = !ttr_given && names.iter().any(|name| handles(plugin, name));
        if !may_hook && !may_handle {
            continue;
        }
        let exports = match inspect(&plugin.path, plugin.limits.component_bytes) {
            Ok(inspection) => inspection.exports,
            Err(error) => {
                // A pusher need not have the plugins: the host that runs the job does.
                tracing::warn!(plugin = plugin.name, %error, "the plugin was not asked about this push");
                continue;
            }
        };
        if (may_hook && exports.before_push) || (may_handle && exports.handler && exports.time_to_run) {
            wanted.push(plugin.name.clone());
        }
    }
    let engine = if wanted.is_empty() { None } else { Some(engine(config)?) };
    let registry = Registry::load(config, engine.as_ref(), Wanted::Named(&wanted)).await?;
    Ok(Pusher::new(Arc::new(ArcSwap::from_pointee(registry))))
}

/// Whether the configuration gives jobs of this name to the plugin.
fn handles(plugin: &PluginConfig, name: &str) -> bool {
    match &plugin.jobs {
        Jobs::All => true,
        Jobs::Named(names) => names.iter().any(|own| same_name(own, name)),
    }
}

/// Who this worker is.
pub(crate) fn identity() -> Identity {
    let host = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    Identity { host: host.unwrap_or_else(|| "localhost".to_owned()), pid: std::process::id() }
}
