//! A plugin in an engine, a queue, and a worker for them: as the program has it, but for the configuration.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use jobhost_queue::envelope;
use jobhost_queue::{Channel, NewJob, Store};
use jobhost_runtime::types::Job;
use jobhost_runtime::{Allocation, Engine, LoadError, Plugin, Source};
use tokio::runtime::Handle;

use super::{Bench, BenchError, Scene};
use crate::config::{Config, QueueConfig, Request, load_without_file};
use crate::host::{HostError, engine_on, identity};
use crate::push::Pusher;
use crate::registry::{Registry, settings_of};
use crate::worker::events::{Events, Listener};
use crate::worker::run::{Served, Worker};
use crate::worker::tally::Tally;

/// The component that does nothing.
const NO_OP: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/no-op.wasm"));
const NO_OP_NAME: &str = "no-op.wasm";

/// What the payload is made of, around its filling.
const FRAME: (&str, &str) = ("{\"fill\":\"", "\"}");

/// All that runs jobs.
pub(super) struct Rig {
    config: Config,
    engine: Engine,
    pub(super) plugin: Plugin,
}

impl Rig {
    /// Loads the plugin. Guests get so many threads, or one for each processor.
    pub(super) async fn load(scene: &Scene, threads: Option<u32>) -> Result<Self, BenchError> {
        let config = config(scene)?;
        let engine = engine_on(&config, threads)?;
        let (loading, plugin) = (engine.clone(), config.plugins[0].clone());
        let built_in = scene.bench.plugin.is_none();
        let loaded = tokio::task::spawn_blocking(move || -> Result<Plugin, LoadError> {
            let source = if built_in {
                Source::of(NO_OP_NAME, NO_OP.to_vec())
            } else {
                Source::read(&plugin.path, plugin.limits.component_bytes)?
            };
            Plugin::load_source(&loading, &plugin.name, &source, settings_of(&plugin))
        });
        let loaded = loaded.await.map_err(|panic| BenchError::Bug(panic.to_string()))?;
        let plugin = loaded.map_err(|error| BenchError::NotSo(error.to_string()))?;
        Ok(Self { config, engine, plugin })
    }

    /// Whether its sandboxes come from a pool.
    pub(super) fn pooled(&self) -> bool {
        *self.engine.allocation() == Allocation::Pooling
    }

    /// Where a worker's attempts run.
    pub(super) fn threads(&self) -> Result<Handle, BenchError> {
        self.engine.threads().ok_or_else(|| BenchError::Bug("the engine has ended".to_owned()))
    }

    /// The worker of the program, with this listener instead of a console.
    pub(super) fn worker(
        &self,
        store: &Arc<dyn Store>,
        channel: &Channel,
        listener: Arc<dyn Listener>,
    ) -> Result<Worker, BenchError> {
        let mut config = self.config.clone();
        config.queues[0].channel = channel.clone();
        let registry = Registry::of(&config, vec![self.plugin.clone()]).map_err(HostError::from)?;
        let registry = Arc::new(ArcSwap::from_pointee(registry));
        let tally = Arc::new(Tally::new(Arc::clone(&registry)));
        Ok(Worker {
            store: Arc::clone(store),
            pusher: Arc::new(Pusher::new(Arc::clone(&registry))),
            registry,
            events: Events::to(vec![listener, tally.clone()]),
            engine: Some(self.engine.clone()),
            queues: Served::All,
            concurrency: config.concurrency,
            grace: config.shutdown_grace,
            identity: identity(),
            tally,
            swap: None,
        })
    }

    /// A job as the plugin gets it.
    pub(super) fn job(&self, bench: &Bench) -> Job {
        let queue = &self.config.queues[0];
        Job {
            id: "1".to_owned(),
            key: "0123456789abcdef0123456789abcdef-1".to_owned(),
            queue: queue.name.clone(),
            name: name(bench),
            payload: payload(bench),
            attempt: 1,
            max_attempts: Some(queue.attempts),
            ttr: queue.ttr,
            pushed_at: None,
            metadata: Vec::new(),
        }
    }
}

/// The settings of a queue of which nothing is configured.
pub(super) fn queue(scene: &Scene) -> Result<QueueConfig, BenchError> {
    Ok(config(scene)?.queues.swap_remove(0))
}

/// A job as it is stored.
pub(super) fn stored(scene: &Scene) -> Result<NewJob, BenchError> {
    let body = envelope::encode(&name(&scene.bench), &payload(&scene.bench));
    let body = body.map_err(|error| BenchError::Bug(error.to_string()))?;
    Ok(NewJob::new(body, queue(scene)?.ttr))
}

/// What is in force where nothing is configured.
fn config(scene: &Scene) -> Result<Config, BenchError> {
    let bench = &scene.bench;
    let plugin = bench.plugin.clone().unwrap_or_else(|| PathBuf::from(NO_OP_NAME));
    Ok(load_without_file(&Request {
        store: scene.ground.as_ref().map(|ground| ground.url().to_owned()),
        concurrency: Some(bench.concurrency),
        plugins: vec![plugin],
        check_paths: bench.plugin.is_some(),
        ..Request::default()
    })?)
}

/// That of the plugin's file, as for `exec`.
fn name(bench: &Bench) -> String {
    let stem = bench.plugin.as_ref().and_then(|path| path.file_stem());
    stem.map_or_else(|| "no-op".to_owned(), |stem| stem.to_string_lossy().into_owned())
}

/// A JSON object of so many bytes.
fn payload(bench: &Bench) -> String {
    let fill = (bench.payload_bytes as usize).saturating_sub(FRAME.0.len() + FRAME.1.len());
    format!("{}{}{}", FRAME.0, "x".repeat(fill), FRAME.1)
}
