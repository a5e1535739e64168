//! The composition root: from a configuration to a store, plugins in force and
//! a worker. Each command takes from it what it needs, and no more is opened.

use std::sync::Arc;

use arc_swap::ArcSwap;
use jobhost_queue::envelope::same_name;
use jobhost_queue::{OpenOptions, Store, StoreError, open};
use jobhost_runtime::{Allocation, Engine, EngineError, EngineSettings, inspect};

use crate::config::{Config, ConfigError, Jobs, PluginConfig, Problem, QueueConfig, Request};
use crate::push::Pusher;
use crate::registry::{Registry, Wanted};
use crate::swap::Swap;
use crate::worker::events::Events;
use crate::worker::run::{Served, Worker};

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
}

impl Host {
    /// Loads every plugin, then opens the store, creating a SQLite file that
    /// is not there. What of the store's settings endangers jobs is logged.
    pub async fn open(config: Config) -> Result<Self, HostError> {
        let engine = engine(&config)?;
        let registry = Registry::load(&config, Some(&engine), Wanted::All).await?;
        let store = open(&config.store, OpenOptions::default()).await?;
        for warning in store.warnings().await? {
            tracing::warn!("{warning}");
        }
        Ok(Self { config, store, registry: Arc::new(ArcSwap::from_pointee(registry)), engine })
    }

    /// What keeps the plugins in force in step with their files; `request` says how the configuration was read.
    pub fn swap(&self, request: Request, queues: Served, events: Events) -> Swap {
        Swap {
            request,
            queues,
            config: self.config.clone(),
            engine: self.engine.clone(),
            registry: Arc::clone(&self.registry),
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
            queues,
            concurrency: self.config.concurrency,
            grace: self.config.shutdown_grace,
            identity: identity(),
        }
    }
}

/// An engine with a slot for each job that may run, and as many for hooks.
pub fn engine(config: &Config) -> Result<Engine, EngineError> {
    let memory = config.plugins.iter().map(|plugin| plugin.limits.memory).max().unwrap_or(1 << 20);
    let settings = EngineSettings { calls: config.concurrency, hook_calls: config.concurrency, memory, pooling: true };
    let engine = Engine::new(&settings)?;
    if let Allocation::OnDemand { why } = engine.allocation() {
        tracing::warn!(reason = why, "sandboxes are allocated one by one, which is slower");
    }
    Ok(engine)
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

/// Who this worker is, for people to read: `host:pid`.
fn identity() -> String {
    let host = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    format!("{}:{}", host.as_deref().unwrap_or("localhost"), std::process::id())
}
