//! Keeps what is in force in step with the files: a plugin whose file changes
//! is read, compiled and tried out beside the running jobs and only then put in
//! force, in one step. An attempt keeps the registry it began with, so a version
//! goes when the last attempt that pinned it ends.

mod files;
mod watch;

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use jobhost_runtime::Engine;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use crate::config::{Config, ConfigError, Place, PluginConfig, Problem, Request, load};
use crate::registry::{Registry, load_one};
use crate::worker::events::{Event, Events};
use crate::worker::run::Served;
use files::{Seen, stamp};
use watch::Watch;

/// Puts new versions and configurations in force.
pub struct Swap {
    /// Says how the configuration is read again.
    pub request: Request,
    /// The queues that the worker serves.
    pub queues: Served,
    /// The configuration in force.
    pub config: Config,
    /// Compiles new versions.
    pub engine: Engine,
    /// What is replaced.
    pub registry: Arc<ArcSwap<Registry>>,
    /// Hears of every swap and refusal.
    pub events: Events,
}

impl Swap {
    /// Watches the plugins' files, and reads the configuration again whenever `reload` says so, until the other end of
    /// `reload` is dropped. What is wrong with a file or a configuration is told once and changes nothing.
    pub async fn run(mut self, mut reload: mpsc::Receiver<()>) {
        let mut seen = HashMap::new();
        let mut watch = Watch::of(&self.config);
        loop {
            // Before the first wait: a file may have changed while the plugins were loaded.
            let doubts = self.look(&mut seen).await;
            tokio::select! {
                () = watch.changed(doubts) => {}
                asked = reload.recv() => {
                    if asked.is_none() {
                        return;
                    }
                    self.reload().await;
                    watch = Watch::of(&self.config);
                }
            }
        }
    }

    /// Looks at each plugin's file; returns whether one must be looked at again soon.
    async fn look(&mut self, seen: &mut HashMap<String, Seen>) -> bool {
        let mut doubts = false;
        for plugin in &self.config.plugins {
            let seen = seen.entry(plugin.name.clone()).or_default();
            // A file system that hangs must not stop the threads that run jobs.
            let (path, signed) = (plugin.path.clone(), plugin.pin.signer.is_some());
            let Ok(stamp) = spawn_blocking(move || stamp(&path, signed)).await else { continue };
            if seen.has_settled(stamp) {
                continue;
            }
            match self.swap(plugin).await {
                Ok(swapped) => {
                    if seen.is_settled(stamp) && !swapped {
                        self.restored(plugin);
                    }
                }
                Err(problem) if seen.is_doubted(stamp) => self.refuse(plugin, &problem),
                // It may be half-written.
                Err(_) => doubts = true,
            }
        }
        doubts
    }

    /// Puts the version that the file holds in force; returns whether it was not that already.
    async fn swap(&self, plugin: &PluginConfig) -> Result<bool, String> {
        let registry = self.registry.load_full();
        let in_force = registry.plugin(&plugin.name).map(|version| version.digest().to_owned()).unwrap_or_default();
        let loaded = load_one(&self.engine, plugin, Some(in_force.clone())).await.map_err(|problem| problem.message)?;
        let Some(version) = loaded else { return Ok(false) };
        let to = version.digest().to_owned();
        let registry = registry.with(&self.config, &version).map_err(|problems| lines(&problems))?;
        self.registry.store(Arc::new(registry));
        self.events.tell(&Event::Swapped { plugin: plugin.name.clone(), from: in_force, to });
        Ok(true)
    }

    /// Tells that a file which had been refused holds the version in force again.
    fn restored(&self, plugin: &PluginConfig) {
        let registry = self.registry.load();
        let digest = registry.plugin(&plugin.name).map(|version| version.digest().to_owned()).unwrap_or_default();
        self.events.tell(&Event::FileRestored { plugin: plugin.name.clone(), digest });
    }

    fn refuse(&self, plugin: &PluginConfig, reason: &str) {
        let registry = self.registry.load();
        let stays = registry.plugin(&plugin.name).map(|version| version.digest().to_owned()).unwrap_or_default();
        tracing::error!(
            plugin = plugin.name,
            reason,
            stays,
            "the plugin's file cannot be used; the version in force stays"
        );
        self.events.tell(&Event::SwapRefused { plugin: plugin.name.clone(), stays, reason: reason.to_owned() });
    }

    /// Reads the configuration and all plugins again, all or nothing.
    async fn reload(&mut self) {
        match self.reconfigured().await {
            Ok((config, registry)) => {
                let names = config.queues.iter().map(|queue| queue.name.clone());
                let queues = names.filter(|name| self.queues.includes(name)).collect();
                self.config = config;
                self.registry.store(Arc::new(registry));
                self.events.tell(&Event::Reloaded { queues });
            }
            Err(error) => {
                let reason = lines(&error.problems);
                tracing::error!(reason, "the configuration was not put in force; nothing has changed");
                self.events.tell(&Event::ReloadRefused { reason });
            }
        }
    }

    async fn reconfigured(&self) -> Result<(Config, Registry), ConfigError> {
        let request = self.request.clone();
        // As with the plugins' files: a file system that hangs must not stop the threads that run jobs.
        let config = match spawn_blocking(move || load(&request)).await {
            Ok(loaded) => loaded?,
            Err(panic) => return Err(ConfigError::one(Place::option("--config"), panic.to_string())),
        };
        let mut problems = needs_a_restart(&self.config, &config);
        if let Served::Named(names) = &self.queues {
            problems.extend(names.iter().filter(|name| config.queue(name).is_none()).map(|name| Problem {
                place: Place::option(&format!("--queue {name}")),
                message: "is not defined any more; define it, or restart the worker without it".to_owned(),
            }));
        }
        if !problems.is_empty() {
            return Err(ConfigError { problems });
        }
        let registry = self.registry.load_full();
        let registry = registry.reconfigured(&self.config, &config, &self.engine).await;
        registry.map(|registry| (config, registry)).map_err(|problems| ConfigError { problems })
    }
}

/// What a running worker cannot change.
fn needs_a_restart(from: &Config, to: &Config) -> Vec<Problem> {
    let changed = [
        ("store", from.store != to.store),
        ("concurrency", from.concurrency != to.concurrency),
        ("shutdown-grace", from.shutdown_grace != to.shutdown_grace),
        ("cache", from.cache != to.cache),
        ("cache-size", from.cache_size != to.cache_size),
        ("compile", from.compile != to.compile),
    ];
    let changed = changed.into_iter().filter(|(_, changed)| *changed);
    changed
        .map(|(key, _)| Problem {
            place: Place::option(key),
            message: "cannot change while the worker runs; restart it for that".to_owned(),
        })
        .collect()
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
