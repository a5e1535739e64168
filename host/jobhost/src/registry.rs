//! What is in force: which plugin handles which job name, and each queue's
//! settings with its hooks. An attempt pins one snapshot of it. How a plugin is
//! compiled and run is the runtime's business.

use std::collections::HashMap;
use std::sync::Arc;

use jobhost_queue::Channel;
use jobhost_runtime::{Engine, Exports, Plugin, PluginSettings};

use crate::config::{self, Config, Jobs, OnFailure, Place, PluginConfig, Problem, QueueConfig};

/// One snapshot of everything that decides about an attempt.
pub struct Registry {
    queues: HashMap<String, Arc<QueueInForce>>,
    handlers: HashMap<String, Plugin>,
    every: Option<Plugin>,
    plugins: Vec<Plugin>,
}

/// A queue's settings and its hooks, in their order.
pub struct QueueInForce {
    /// As configured.
    pub config: QueueConfig,
    /// In configured order.
    pub hooks: Vec<Hook>,
}

/// A hook plugin of a queue.
#[derive(Clone)]
pub struct Hook {
    /// The plugin.
    pub plugin: Plugin,
    /// What its failure means.
    pub on_failure: OnFailure,
}

impl Registry {
    /// Loads the plugins that `wanted` names and puts them together; all
    /// problems at once. Compiles on blocking threads.
    pub async fn load(config: &Config, engine: Option<&Engine>, wanted: Wanted<'_>) -> Result<Self, Vec<Problem>> {
        let mut loading = Vec::new();
        if let Some(engine) = engine {
            for plugin in config.plugins.iter().filter(|plugin| wanted.includes(plugin)) {
                let (engine, plugin, settings) = (engine.clone(), plugin.clone(), settings_of(plugin));
                loading.push(tokio::task::spawn_blocking(move || {
                    let loaded = Plugin::load(&engine, &plugin.name, &plugin.path, settings);
                    (plugin, loaded)
                }));
            }
        }
        let (mut loaded, mut problems) = (Vec::new(), Vec::new());
        for load in loading {
            match load.await {
                Ok((settings, Ok(plugin))) => loaded.push((settings, plugin)),
                Ok((settings, Err(error))) => problems.push(problem(&settings.place, &error)),
                Err(panic) => problems.push(problem(&Place::default(), &panic)),
            }
        }
        match Self::of(config, loaded) {
            Ok(registry) if problems.is_empty() => Ok(registry),
            Ok(_) => Err(problems),
            Err(further) => Err([problems, further].concat()),
        }
    }

    /// Puts loaded plugins together; all problems between them at once.
    pub fn of(config: &Config, loaded: Vec<(PluginConfig, Plugin)>) -> Result<Self, Vec<Problem>> {
        let mut registry = Self { queues: HashMap::new(), handlers: HashMap::new(), every: None, plugins: Vec::new() };
        let mut problems = Vec::new();
        for (settings, plugin) in loaded {
            registry.add(config, &settings, plugin, &mut problems);
        }
        registry.add_queues(config, &mut problems);
        if problems.is_empty() { Ok(registry) } else { Err(problems) }
    }

    /// The plugin that handles jobs of this name.
    pub fn handler(&self, name: &str) -> Option<&Plugin> {
        self.handlers.get(name.strip_prefix('\\').unwrap_or(name)).or(self.every.as_ref())
    }

    /// A configured queue.
    pub fn queue(&self, name: &str) -> Option<&Arc<QueueInForce>> {
        self.queues.get(name)
    }

    /// All plugins in force.
    pub fn plugins(&self) -> &[Plugin] {
        &self.plugins
    }

    /// The channel of a configured queue.
    pub fn channel(&self, queue: &str) -> Option<&Channel> {
        self.queues.get(queue).map(|queue| &queue.config.channel)
    }

    fn add(&mut self, config: &Config, settings: &PluginConfig, plugin: Plugin, problems: &mut Vec<Problem>) {
        let exports = plugin.exports();
        problems.extend(config::check_exports(settings, &names(*exports)));
        for warning in plugin.warnings() {
            tracing::warn!(plugin = settings.name, "{warning}");
        }
        match &settings.jobs {
            Jobs::All if exports.handler => self.every = Some(plugin.clone()),
            Jobs::Named(jobs) if exports.handler => {
                for name in jobs {
                    self.handlers.insert(name.clone(), plugin.clone());
                }
            }
            _ if config.queues.iter().any(|queue| queue.hooks.contains(&settings.name)) => {}
            _ => problems.push(problem(
                &settings.place,
                &format!(
                    "plugins.{}: {} exports hooks but no handler, and no queue names it; add hooks = [\"{}\"] to a queue",
                    settings.name,
                    settings.path.display(),
                    settings.name
                ),
            )),
        }
        self.plugins.push(plugin);
    }

    fn add_queues(&mut self, config: &Config, problems: &mut Vec<Problem>) {
        for queue in &config.queues {
            let mut hooks = Vec::new();
            for name in &queue.hooks {
                // One that is not there was not wanted, or is a problem already.
                let Some(plugin) = self.plugins.iter().find(|plugin| plugin.name() == name) else { continue };
                if !is_hook(*plugin.exports()) {
                    problems.push(problem(
                        &queue.place,
                        &format!(
                            "queues.{}.hooks: plugin `{name}` ({}) exports no hook; take it out, or export one of before-push, before-exec, after-exec, after-error",
                            queue.name,
                            plugin.path().display()
                        ),
                    ));
                }
                let on_failure = config.plugin(name).map_or(OnFailure::Open, |plugin| plugin.on_failure);
                hooks.push(Hook { plugin: plugin.clone(), on_failure });
            }
            self.queues.insert(queue.name.clone(), Arc::new(QueueInForce { config: queue.clone(), hooks }));
        }
    }
}

fn problem(place: &Place, what: &dyn std::fmt::Display) -> Problem {
    Problem { place: place.clone(), message: what.to_string() }
}

fn is_hook(exports: Exports) -> bool {
    exports.before_push || exports.before_exec || exports.after_exec || exports.after_error
}

fn names(exports: Exports) -> Vec<&'static str> {
    [
        (exports.handler, "handler"),
        (exports.before_push, "before-push"),
        (exports.before_exec, "before-exec"),
        (exports.after_exec, "after-exec"),
        (exports.after_error, "after-error"),
    ]
    .into_iter()
    .filter_map(|(present, name)| present.then_some(name))
    .collect()
}

/// Which plugins to load.
#[derive(Clone, Copy)]
pub enum Wanted<'a> {
    /// Every configured one.
    All,
    /// Those with these names.
    Named(&'a [String]),
}

impl Wanted<'_> {
    fn includes(self, plugin: &PluginConfig) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => names.contains(&plugin.name),
        }
    }
}

/// How the runtime is to run a configured plugin.
pub fn settings_of(plugin: &PluginConfig) -> PluginSettings {
    PluginSettings {
        limits: plugin.limits.clone(),
        pin: plugin.pin.clone(),
        grants: plugin.grants.clone(),
        timeout: plugin.timeout,
    }
}
