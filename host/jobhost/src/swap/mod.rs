//! Keeps what is in force in step with the files: a plugin whose file changes
//! is read, compiled and tried out beside the running jobs and only then put in
//! force, in one step. An attempt keeps the registry it began with, so a version
//! goes when the last attempt that pinned it ends.

mod attend;
mod candidates;
mod files;
mod rule;
mod upgrade;
mod verdicts;
mod watch;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use jobhost_queue::Store;
use jobhost_runtime::{Engine, Plugin};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use crate::canary::Canary;
use crate::config::{Config, ConfigError, Place, PluginConfig, Problem, Request, UpgradeGrants, load};
use crate::registry::{Found, Registry, Unloaded, load_one, relink, stays};
use crate::worker::events::{Event, Events};
use crate::worker::run::Served;
use candidates::Candidates;
use files::{Doubt, Seen, stamp};
pub use upgrade::{More, told};
use verdicts::compared;
pub(crate) use verdicts::was_rolled_back;
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
    /// Where the attempts of trials are counted.
    pub store: Arc<dyn Store>,
    /// Hears of every swap, trial and refusal.
    pub events: Events,
}

impl Swap {
    /// Watches the plugins' files, and reads the configuration again whenever `reload` says so, until the other end of
    /// `reload` is dropped. What is wrong with a file or a configuration is told once and changes nothing.
    pub async fn run(mut self, mut reload: mpsc::Receiver<()>) {
        let mut seen = HashMap::new();
        let mut watch = Watch::of(&self.config);
        let mut candidates = Candidates::new(Arc::clone(&self.store));
        self.ask_about_what_is_in_force(&mut candidates);
        loop {
            // Before the first wait: a file may have changed while the plugins were loaded.
            let doubts = self.look(&mut seen, &mut candidates).await;
            let asked = {
                let changed = watch.changed(doubts);
                tokio::pin!(changed);
                loop {
                    tokio::select! {
                        () = &mut changed => break None,
                        asked = reload.recv() => break Some(asked),
                        (plugin, news) = candidates.news() => self.hear(&plugin, news, &mut candidates),
                    }
                }
            };
            match asked {
                None => {}
                Some(None) => return candidates.end().await,
                Some(Some(())) => {
                    if self.reload(&mut candidates).await {
                        // What was refused may be allowed now.
                        seen.clear();
                        candidates.refused.clear();
                    }
                    watch = Watch::of(&self.config);
                }
            }
        }
    }

    /// Whether what the worker began with is on trial, or was rolled back.
    fn ask_about_what_is_in_force(&self, candidates: &mut Candidates) {
        let registry = self.registry.load();
        for plugin in self.config.plugins.iter().filter(|plugin| plugin.swap.canary.is_some()) {
            if let Some(version) = registry.plugin(&plugin.name) {
                candidates.add(version.clone(), version.digest(), None, Vec::new());
            }
        }
    }

    /// Looks at each plugin's file; returns whether one must be looked at again soon.
    async fn look(&self, seen: &mut HashMap<String, Seen>, candidates: &mut Candidates) -> bool {
        let mut doubts = false;
        for plugin in &self.config.plugins {
            let seen = seen.entry(plugin.name.clone()).or_default();
            // A file system that hangs must not stop the threads that run jobs.
            let (path, signed) = (plugin.path.clone(), plugin.pin.signer.is_some());
            let Ok(stamp) = spawn_blocking(move || stamp(&path, signed)).await else { continue };
            if seen.has_settled(stamp, Instant::now()) {
                continue;
            }
            match self.swap(plugin, candidates).await {
                Ok(digest) => {
                    if seen.is_settled(stamp) | candidates.refused.remove(&plugin.name) {
                        self.events.tell(&Event::FileRestored { plugin: plugin.name.clone(), digest });
                    }
                }
                Err(Unused { reason, may_pass }) => match seen.is_doubted(stamp, may_pass, Instant::now()) {
                    // It may be half-written.
                    Doubt::Fresh => doubts = true,
                    Doubt::Refused => self.refuse(&plugin.name, &reason),
                    Doubt::Told => tracing::debug!(plugin = plugin.name, reason, "the file still cannot be used"),
                },
            }
        }
        doubts
    }

    /// Puts the version that the file holds in force, or on trial, unless it is that already; returns its digest.
    async fn swap(&self, plugin: &PluginConfig, candidates: &mut Candidates) -> Result<String, Unused> {
        let name = &plugin.name;
        let version = loop {
            let known = candidates.get(name).map(|candidate| candidate.version.digest().to_owned());
            let known = known.into_iter().chain([self.in_force(name)]).collect();
            match self.heeding(load_one(&self.engine, plugin, known), candidates).await? {
                Found::New(version) => break version,
                Found::Known(digest) if digest == self.in_force(name) => {
                    if candidates.get(name).is_some_and(|candidate| candidate.version.digest() != digest)
                        && let Some(candidate) = candidates.withdraw(name)
                    {
                        self.forget(&candidate, "its file went back to the version in force");
                    }
                    return Ok(digest);
                }
                Found::Known(digest) => match candidates.get(name) {
                    Some(candidate) if candidate.version.digest() == digest => {
                        return match candidate.rolled_back() {
                            Some(trial) => Err(was_rolled_back(&compared(trial.counts)).into()),
                            None => Ok(digest),
                        };
                    }
                    // It is not known any more: another was promoted meanwhile.
                    _ => {}
                },
            }
        };
        let (registry, in_force, digest) =
            (self.registry.load_full(), self.in_force(name), version.digest().to_owned());
        let old = registry.plugin(name).map(Plugin::imports).unwrap_or_default();
        let more = upgrade::more(old, version.imports(), version.grants());
        if plugin.swap.grants == UpgradeGrants::Frozen && !more.is_empty() {
            let text = format!(
                "it {}; `swap.grants` is \"frozen\": to accept it, write grants = \"any\" there and send SIGHUP",
                told(&more)
            );
            return Err(text.into());
        }
        let changed = registry.with(&self.config, &version).map_err(|problems| lines(&problems))?;
        if let Some(candidate) = candidates.drop(name) {
            self.leave(&candidate, "its file has changed again");
        }
        if plugin.swap.canary.is_some() {
            candidates.add(version, &in_force, plugin.swap.canary, more);
        } else {
            self.registry.store(Arc::new(changed));
            self.tell_of_swap(&version, in_force, more);
        }
        Ok(digest)
    }

    /// Waits for what may take long, and hears of trials meanwhile: a verdict does not wait for a compiler.
    async fn heeding<T>(&self, long: impl Future<Output = T>, candidates: &mut Candidates) -> T {
        tokio::pin!(long);
        loop {
            tokio::select! {
                done = &mut long => return done,
                (plugin, news) = candidates.news() => self.hear(&plugin, news, candidates),
            }
        }
    }

    fn tell_of_swap(&self, version: &Plugin, from: String, more: Vec<More>) {
        let (plugin, to) = (version.name().to_owned(), version.digest().to_owned());
        if !more.is_empty() {
            tracing::warn!(plugin, version = to, "the new version {}", told(&more));
        }
        self.events.tell(&Event::Swapped { plugin, from, to, more });
    }

    fn refuse(&self, plugin: &str, reason: &str) {
        let stays = self.in_force(plugin);
        tracing::error!(plugin, reason, stays, "the plugin's file cannot be used; the version in force stays");
        self.events.tell(&Event::SwapRefused { plugin: plugin.to_owned(), stays, reason: reason.to_owned() });
    }

    /// The digest of a plugin's version in force.
    fn in_force(&self, plugin: &str) -> String {
        self.registry.load().plugin(plugin).map(|version| version.digest().to_owned()).unwrap_or_default()
    }

    /// Reads the configuration and all plugins again, all or nothing; says whether it is in force.
    async fn reload(&mut self, candidates: &mut Candidates) -> bool {
        match self.reconfigured(candidates).await {
            Ok((config, mut registry, versions)) => {
                let mut restarted = Vec::new();
                for name in candidates.plugins() {
                    if !versions.contains_key(&name)
                        && let Some(candidate) = candidates.drop(&name)
                    {
                        self.leave(&candidate, "the configuration no longer puts it on trial");
                    }
                }
                for (name, version) in versions {
                    if let Some(candidate) = candidates.get_mut(&name) {
                        candidate.version = version;
                    }
                    let terms = |config: &Config| config.plugin(&name).and_then(|plugin| plugin.swap.canary);
                    if terms(&config) != terms(&self.config)
                        && candidates.get(&name).is_some_and(|candidate| candidate.goes_by_others(terms(&config)))
                        && let Some(candidate) = candidates.withdraw(&name)
                    {
                        registry = registry.with_canary(&name, None);
                        restarted.push(candidate);
                    }
                }
                let names = config.queues.iter().map(|queue| queue.name.clone());
                let queues = names.filter(|name| self.queues.includes(name)).collect();
                self.config = config;
                self.registry.store(Arc::new(registry));
                self.events.tell(&Event::Reloaded { queues });
                // Its file is looked at anew, and it is tried by the terms of now.
                for candidate in restarted {
                    self.forget(&candidate, "the configuration has other terms");
                }
                true
            }
            Err(error) => {
                let reason = lines(&error.problems);
                tracing::error!(reason, "the configuration was not put in force; nothing has changed");
                self.events.tell(&Event::ReloadRefused { reason });
                false
            }
        }
    }

    /// The new configuration, what it puts in force, and the candidates with its settings.
    async fn reconfigured(
        &self,
        candidates: &Candidates,
    ) -> Result<(Config, Registry, HashMap<String, Plugin>), ConfigError> {
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
        let before = self.registry.load_full();
        let registry = before.reconfigured(&self.config, &config, &self.engine).await;
        let mut registry = registry.map_err(|problems| ConfigError { problems })?;
        let mut versions = HashMap::new();
        for plugin in config.plugins.iter().filter(|plugin| plugin.swap.canary.is_some()) {
            let (Some(candidate), Some(old)) = (candidates.get(&plugin.name), self.config.plugin(&plugin.name)) else {
                continue;
            };
            if !stays(old, plugin) {
                continue;
            }
            let linked = match registry.plugin(&plugin.name) {
                Some(version) if candidate.arrived => Ok(version.clone()),
                _ => relink(&candidate.version, plugin).await,
            };
            let version = match (linked, before.canary(&plugin.name)) {
                (Ok(version), _) => version,
                (Err(problem), Some(_)) => return Err(ConfigError { problems: vec![problem] }),
                // It handles nothing.
                (Err(_), None) => continue,
            };
            if let Some(canary) = before.canary(&plugin.name) {
                registry.with(&config, &version).map_err(|problems| ConfigError { problems })?;
                let canary = Canary { version: version.clone(), ..Canary::clone(canary) };
                registry = registry.with_canary(&plugin.name, Some(canary));
            }
            versions.insert(plugin.name.clone(), version);
        }
        Ok((config, registry, versions))
    }
}

/// Why what a file holds is not put in force.
struct Unused {
    reason: String,
    /// Whether the same file may be usable at another time.
    may_pass: bool,
}

impl From<String> for Unused {
    fn from(reason: String) -> Self {
        Self { reason, may_pass: false }
    }
}

impl From<Unloaded> for Unused {
    fn from(unloaded: Unloaded) -> Self {
        Self { reason: unloaded.problem.message, may_pass: unloaded.may_pass }
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
