//! What is in force: which plugin handles which job name, and each queue's
//! settings with its hooks. An attempt pins one snapshot of it. How a plugin is
//! compiled and run is the runtime's business.

use std::collections::HashMap;
use std::sync::Arc;

use jobhost_queue::Channel;
use jobhost_runtime::{Engine, Exports, LoadError, Plugin, PluginSettings, Source};

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
        let mut problems = Vec::new();
        let mut plugins = Vec::new();
        if let Some(engine) = engine {
            let wanted = config.plugins.iter().filter(|plugin| wanted.includes(plugin));
            plugins = all(wanted.map(|plugin| load_one(engine, plugin, None)).collect(), &mut problems).await;
        }
        let (registry, more) = Self::assemble(config, plugins);
        problems.extend(more);
        if problems.is_empty() { Ok(registry) } else { Err(problems) }
    }

    /// The same with one plugin's version replaced, or what speaks against it.
    pub fn with(&self, config: &Config, version: &Plugin) -> Result<Self, Vec<Problem>> {
        let replaced = |plugin: &Plugin| if plugin.name() == version.name() { version.clone() } else { plugin.clone() };
        let (registry, problems) = Self::assemble(config, self.plugins.iter().map(replaced).collect());
        if problems.is_empty() { Ok(registry) } else { Err(problems) }
    }

    /// What another configuration makes of it: versions whose settings and files are the same stay, the others, and those
    /// that are granted folders, secrets or requests, are loaded, though compiled only if the file is another; all
    /// problems at once. Files are read on blocking threads.
    pub async fn reconfigured(&self, from: &Config, to: &Config, engine: &Engine) -> Result<Self, Vec<Problem>> {
        let before = |plugin: &PluginConfig| {
            let before = from.plugin(&plugin.name)?;
            let settings =
                |of: &PluginConfig| (of.path.clone(), of.pin.clone(), of.limits.clone(), of.grants.clone(), of.timeout);
            // Folders, secrets and certificates are found when a plugin is loaded, and may be others by now.
            let grants = &plugin.grants;
            let reads = !grants.fs.is_empty() || !grants.secrets.is_empty() || !grants.http.is_empty();
            let may_stay = !reads && settings(before) == settings(plugin);
            self.plugin(&plugin.name).map(|version| (version.clone(), may_stay))
        };
        let mut problems = Vec::new();
        let loading = to.plugins.iter().map(|plugin| load_again(engine, plugin, before(plugin))).collect();
        let plugins = all(loading, &mut problems).await;
        let (registry, more) = Self::assemble(to, plugins);
        problems.extend(more);
        if problems.is_empty() { Ok(registry) } else { Err(problems) }
    }

    /// Puts loaded plugins together; all problems between them at once.
    pub fn of(config: &Config, plugins: Vec<Plugin>) -> Result<Self, Vec<Problem>> {
        let (registry, problems) = Self::assemble(config, plugins);
        if problems.is_empty() { Ok(registry) } else { Err(problems) }
    }

    fn assemble(config: &Config, plugins: Vec<Plugin>) -> (Self, Vec<Problem>) {
        let mut registry = Self { queues: HashMap::new(), handlers: HashMap::new(), every: None, plugins: Vec::new() };
        let mut problems = Vec::new();
        for plugin in plugins {
            if let Some(settings) = config.plugin(plugin.name()) {
                registry.add(config, settings, plugin, &mut problems);
            }
        }
        registry.add_queues(config, &mut problems);
        (registry, problems)
    }

    /// The plugin that handles jobs of this name.
    pub fn handler(&self, name: &str) -> Option<&Plugin> {
        self.handlers.get(name.strip_prefix('\\').unwrap_or(name)).or(self.every.as_ref())
    }

    /// A configured queue.
    pub fn queue(&self, name: &str) -> Option<&Arc<QueueInForce>> {
        self.queues.get(name)
    }

    /// All configured queues, by name.
    pub fn queues(&self) -> Vec<&Arc<QueueInForce>> {
        let mut queues: Vec<_> = self.queues.values().collect();
        queues.sort_by(|one, other| one.config.name.cmp(&other.config.name));
        queues
    }

    /// All plugins in force.
    pub fn plugins(&self) -> &[Plugin] {
        &self.plugins
    }

    /// The version in force of a plugin.
    pub fn plugin(&self, name: &str) -> Option<&Plugin> {
        self.plugins.iter().find(|plugin| plugin.name() == name)
    }

    /// The channel of a configured queue.
    pub fn channel(&self, queue: &str) -> Option<&Channel> {
        self.queues.get(queue).map(|queue| &queue.config.channel)
    }

    fn add(&mut self, config: &Config, settings: &PluginConfig, plugin: Plugin, problems: &mut Vec<Problem>) {
        let exports = plugin.exports();
        problems.extend(config::check_exports(settings, &names(*exports)));
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

/// Those that can be loaded. Each begins when it is made, not when it is awaited.
async fn all(
    loading: Vec<impl Future<Output = Result<Option<Plugin>, Problem>>>,
    problems: &mut Vec<Problem>,
) -> Vec<Plugin> {
    let mut plugins = Vec::new();
    for load in loading {
        match load.await {
            Ok(plugin) => plugins.extend(plugin),
            Err(problem) => problems.push(problem),
        }
    }
    plugins
}

/// Loads one configured plugin on a thread for blocking work; none if its file is the version in force, which is known
/// by its digest.
pub fn load_one(
    engine: &Engine,
    plugin: &PluginConfig,
    in_force: Option<String>,
) -> impl Future<Output = Result<Option<Plugin>, Problem>> + Send + 'static {
    let engine = engine.clone();
    begin(plugin, move |plugin, source| {
        if in_force.as_deref() == Some(source.digest()) {
            return Ok(None);
        }
        Plugin::load_source(&engine, &plugin.name, source, settings_of(plugin)).map(Some)
    })
}

/// Loads one on such a thread with the settings of now. The version `before` stays if it may and its file is the same;
/// otherwise only its code is used again.
fn load_again(
    engine: &Engine,
    plugin: &PluginConfig,
    before: Option<(Plugin, bool)>,
) -> impl Future<Output = Result<Option<Plugin>, Problem>> + Send + 'static {
    let engine = engine.clone();
    begin(plugin, move |plugin, source| match before {
        Some((version, true)) if version.digest() == source.digest() => Ok(Some(version)),
        Some((version, _)) => version.load_again(&engine, source, settings_of(plugin)).map(Some),
        None => Plugin::load_source(&engine, &plugin.name, source, settings_of(plugin)).map(Some),
    })
}

/// Reads a plugin's file and has it loaded on a thread for blocking work, from now on and not from the first poll.
fn begin(
    plugin: &PluginConfig,
    load: impl FnOnce(&PluginConfig, &Source) -> Result<Option<Plugin>, LoadError> + Send + 'static,
) -> impl Future<Output = Result<Option<Plugin>, Problem>> + Send + 'static {
    let plugin = plugin.clone();
    let place = plugin.place.clone();
    let loading = tokio::task::spawn_blocking(move || {
        let source = Source::read(&plugin.path, plugin.limits.component_bytes)
            .map_err(|error| LoadError { plugin: Some(plugin.name.clone()), ..error })?;
        load(&plugin, &source)
    });
    async move {
        let version = match loading.await {
            Ok(Ok(version)) => version,
            Ok(Err(error)) => return Err(problem(&place, &error)),
            Err(panic) => return Err(problem(&place, &panic)),
        };
        for (name, warning) in version.iter().flat_map(|it| it.warnings().iter().map(|warning| (it.name(), warning))) {
            tracing::warn!(plugin = name, "{warning}");
        }
        Ok(version)
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
