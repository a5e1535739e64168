//! What is in force: which plugin handles which job name, and each queue's
//! settings with its hooks. An attempt pins one snapshot of it. How a plugin is
//! compiled and run is the runtime's business.

use std::collections::HashMap;
use std::sync::Arc;

use jobhost_queue::{Channel, JobId};
use jobhost_runtime::{Engine, Exports, LoadError, Plugin, PluginSettings, Source};

use crate::canary::Canary;
use crate::config::{self, Config, Jobs, OnFailure, Place, PluginConfig, Problem, QueueConfig, UpgradeGrants};

/// One snapshot of everything that decides about an attempt.
#[derive(Clone)]
pub struct Registry {
    queues: HashMap<String, Arc<QueueInForce>>,
    handlers: HashMap<String, Plugin>,
    every: Option<Plugin>,
    plugins: Vec<Plugin>,
    /// Versions on trial, by the names of their plugins.
    canaries: HashMap<String, Arc<Canary>>,
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
            plugins = all(wanted.map(|plugin| load_again(engine, plugin, None)).collect(), &mut problems).await;
        }
        let (registry, more) = Self::assemble(config, plugins);
        problems.extend(more);
        if problems.is_empty() { Ok(registry) } else { Err(problems) }
    }

    /// The same with one plugin's version replaced, and without its trial, or what speaks against it.
    pub fn with(&self, config: &Config, version: &Plugin) -> Result<Self, Vec<Problem>> {
        let replaced = |plugin: &Plugin| if plugin.name() == version.name() { version.clone() } else { plugin.clone() };
        let (mut registry, problems) = Self::assemble(config, self.plugins.iter().map(replaced).collect());
        registry.canaries.clone_from(&self.canaries);
        registry.canaries.remove(version.name());
        if problems.is_empty() { Ok(registry) } else { Err(problems) }
    }

    /// The same with a plugin's version on trial, or another one, or none.
    pub fn with_canary(&self, plugin: &str, canary: Option<Canary>) -> Self {
        let mut registry = self.clone();
        match canary {
            Some(canary) => registry.canaries.insert(plugin.to_owned(), Arc::new(canary)),
            None => registry.canaries.remove(plugin),
        };
        registry
    }

    /// What another configuration makes of it: versions whose settings and files are the same stay, the others, and those
    /// that are granted folders, secrets or requests, are loaded; all problems at once. Where new versions are held to
    /// more than to be usable, the version in force stays, and its file is left to be looked at. Nothing is on trial.
    pub async fn reconfigured(&self, from: &Config, to: &Config, engine: &Engine) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let (mut plugins, mut loading, mut relinked) = (Vec::new(), Vec::new(), Vec::new());
        for plugin in &to.plugins {
            let (before, version) = (from.plugin(&plugin.name), self.plugin(&plugin.name));
            let same = before.is_some_and(|before| is_as_before(before, plugin));
            match (before, version) {
                (Some(before), Some(version)) if stays(before, plugin) => {
                    if same {
                        plugins.push(version.clone());
                    } else {
                        relinked.push(relink(version, plugin));
                    }
                }
                (_, version) => loading.push(load_again(engine, plugin, version.map(|it| (it.clone(), same)))),
            }
        }
        plugins.extend(all(loading, &mut problems).await);
        plugins.extend(all(relinked, &mut problems).await);
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
        let mut registry = Self {
            queues: HashMap::new(),
            handlers: HashMap::new(),
            every: None,
            plugins: Vec::new(),
            canaries: HashMap::new(),
        };
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

    /// A plugin's version on trial.
    pub fn canary(&self, plugin: &str) -> Option<&Arc<Canary>> {
        self.canaries.get(plugin)
    }

    /// The version of a plugin that this job meets: the one in force, or that on trial.
    pub fn version_for(&self, plugin: &Plugin, channel: &Channel, id: JobId) -> Plugin {
        match self.canary(plugin.name()) {
            Some(canary) if canary.handles(channel, id) => canary.version.clone(),
            _ => plugin.clone(),
        }
    }

    /// Versions on trial beside another that is in force.
    pub fn on_trial(&self) -> impl Iterator<Item = &Plugin> {
        let in_force = |version: &Plugin| self.plugin(version.name()).is_some_and(|it| it.digest() == version.digest());
        self.canaries.values().map(|canary| &canary.version).filter(move |version| !in_force(version))
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
async fn all(loading: Vec<impl Future<Output = Result<Plugin, Problem>>>, problems: &mut Vec<Problem>) -> Vec<Plugin> {
    let mut plugins = Vec::new();
    for load in loading {
        match load.await {
            Ok(plugin) => plugins.push(plugin),
            Err(problem) => problems.push(problem),
        }
    }
    plugins
}

/// What a plugin's file holds.
pub enum Found {
    /// A version that was known, by its digest.
    Known(String),
    /// Another one.
    New(Plugin),
}

/// A plugin that could not be loaded.
pub struct Unloaded {
    /// Why.
    pub problem: Problem,
    /// Whether the same file may be loaded at another time.
    pub may_pass: bool,
}

/// Loads one configured plugin on a thread for blocking work, unless its file holds a version that is `known` by its
/// digest.
pub fn load_one(
    engine: &Engine,
    plugin: &PluginConfig,
    known: Vec<String>,
) -> impl Future<Output = Result<Found, Unloaded>> + Send + 'static {
    let engine = engine.clone();
    begin(plugin, move |plugin, source| {
        if known.iter().any(|digest| digest == source.digest()) {
            return Ok(Found::Known(source.digest().to_owned()));
        }
        Plugin::load_source(&engine, &plugin.name, source, settings_of(plugin)).map(warned).map(Found::New)
    })
}

/// Loads one on such a thread with the settings of now. The version `before` stays if it may and its file is the same;
/// otherwise only its code is used again.
fn load_again(
    engine: &Engine,
    plugin: &PluginConfig,
    before: Option<(Plugin, bool)>,
) -> impl Future<Output = Result<Plugin, Problem>> + Send + 'static {
    let engine = engine.clone();
    let loading = begin(plugin, move |plugin, source| match before {
        Some((version, true)) if version.digest() == source.digest() => Ok(version),
        Some((version, _)) => version.load_again(&engine, source, settings_of(plugin)).map(warned),
        None => Plugin::load_source(&engine, &plugin.name, source, settings_of(plugin)).map(warned),
    });
    async move { loading.await.map_err(|unloaded| unloaded.problem) }
}

/// Reads a plugin's file and has it loaded on a thread for blocking work, from now on and not from the first poll.
fn begin<T: Send + 'static>(
    plugin: &PluginConfig,
    load: impl FnOnce(&PluginConfig, &Source) -> Result<T, LoadError> + Send + 'static,
) -> impl Future<Output = Result<T, Unloaded>> + Send + 'static {
    let plugin = plugin.clone();
    let place = plugin.place.clone();
    let loading = tokio::task::spawn_blocking(move || {
        let source = Source::read(&plugin.path, plugin.limits.component_bytes)
            .map_err(|error| LoadError { plugin: Some(plugin.name.clone()), ..error })?;
        load(&plugin, &source)
    });
    async move {
        match loading.await {
            Ok(loaded) => {
                loaded.map_err(|error| Unloaded { problem: problem(&place, &error), may_pass: error.may_pass() })
            }
            Err(panic) => Err(Unloaded { problem: problem(&place, &panic), may_pass: false }),
        }
    }
}

/// Logs what is doubtful about a version.
fn warned(version: Plugin) -> Plugin {
    for warning in version.warnings() {
        tracing::warn!(plugin = version.name(), "{warning}");
    }
    version
}

/// The same version with other settings, on a thread for blocking work.
pub fn relink(
    version: &Plugin,
    plugin: &PluginConfig,
) -> impl Future<Output = Result<Plugin, Problem>> + Send + 'static {
    let (version, settings, place) = (version.clone(), settings_of(plugin), plugin.place.clone());
    let linking = tokio::task::spawn_blocking(move || version.with_settings(settings));
    async move {
        match linking.await {
            Ok(linked) => linked.map_err(|error| problem(&place, &error)),
            Err(panic) => Err(problem(&place, &panic)),
        }
    }
}

/// Whether a version that was loaded by one configuration can go on under another. Folders, secrets and certificates are
/// found when a plugin is loaded, and may be others by now.
pub fn is_as_before(before: &PluginConfig, now: &PluginConfig) -> bool {
    let settings = |of: &PluginConfig| (of.path.clone(), settings_of(of));
    let grants = &now.grants;
    let reads = !grants.fs.is_empty() || !grants.secrets.is_empty() || !grants.http.is_empty();
    !reads && settings(before) == settings(now)
}

/// Whether the version in force stays until its file was looked at, be it another by now. Another pin names another file.
pub fn stays(before: &PluginConfig, now: &PluginConfig) -> bool {
    let is_held_to_more = now.swap.canary.is_some() || now.swap.grants == UpgradeGrants::Frozen;
    is_held_to_more && before.pin == now.pin
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
        instances: plugin.instances.clone(),
    }
}
