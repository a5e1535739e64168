//! What is in force: which plugin handles which job name, and each queue's
//! settings with its hooks. An attempt pins one snapshot of it. How a plugin is
//! compiled and run is the runtime's business.

use std::collections::HashMap;
use std::sync::Arc;

use jobhost_queue::Channel;
use jobhost_runtime::{Engine, FsGrant, FsMode, Grants, Limits, Plugin, PluginSettings};

use crate::config::{Config, FsModeConfig, Jobs, OnFailure, PluginConfig, Problem, QueueConfig};

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
    pub async fn load(config: &Config, engine: &Engine, wanted: Wanted<'_>) -> Result<Self, Vec<Problem>> {
        let mut loading = Vec::new();
        for plugin in config.plugins.iter().filter(|plugin| wanted.includes(plugin)) {
            let (engine, plugin, settings) = (engine.clone(), plugin.clone(), settings_of(plugin));
            loading.push(tokio::task::spawn_blocking(move || {
                let loaded = Plugin::load(&engine, &plugin.name, &plugin.path, settings);
                (plugin, loaded)
            }));
        }
        let mut registry = Self {
            queues: HashMap::new(),
            handlers: HashMap::new(),
            every: None,
            plugins: Vec::new(),
        };
        let mut on_failure = HashMap::new();
        let mut problems = Vec::new();
        for load in loading {
            match load.await {
                Ok((settings, Ok(plugin))) => {
                    on_failure.insert(settings.name.clone(), settings.on_failure);
                    registry.add(&settings, plugin, &mut problems);
                }
                Ok((settings, Err(error))) => problems.push(Problem::of_plugin(&settings.name, &error)),
                Err(panic) => problems.push(Problem::of_plugin("?", &panic)),
            }
        }
        registry.add_queues(config, &on_failure, &mut problems);
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

    fn add(&mut self, settings: &PluginConfig, plugin: Plugin, problems: &mut Vec<Problem>) {
        match &settings.jobs {
            Jobs::All if plugin.exports().handler => self.every = Some(plugin.clone()),
            Jobs::Named(names) if plugin.exports().handler => {
                for name in names {
                    let name = name.strip_prefix('\\').unwrap_or(name);
                    self.handlers.insert(name.to_owned(), plugin.clone());
                }
            }
            Jobs::Named(_) if settings.jobs_explicit => problems.push(Problem::of_plugin(
                &settings.name,
                &format!(
                    "`jobs` is set, but {} exports no jobhost:plugin/handler, so it cannot run jobs; remove `jobs`, or name the plugin in a queue's `hooks`",
                    plugin.path().display()
                ),
            )),
            Jobs::All | Jobs::Named(_) => {}
        }
        self.plugins.push(plugin);
    }

    fn add_queues(&mut self, config: &Config, on_failure: &HashMap<String, OnFailure>, problems: &mut Vec<Problem>) {
        for queue in &config.queues {
            let mut hooks = Vec::new();
            for name in &queue.hooks {
                // One that is not there was not wanted, or is a problem already.
                let Some(plugin) = self.plugins.iter().find(|plugin| plugin.name() == name) else { continue };
                let on_failure = on_failure.get(name).copied().unwrap_or(OnFailure::Open);
                if let Some(problem) = problem_of_hook(queue, plugin, on_failure) {
                    problems.push(problem);
                }
                hooks.push(Hook { plugin: plugin.clone(), on_failure });
            }
            self.queues.insert(queue.name.clone(), Arc::new(QueueInForce { config: queue.clone(), hooks }));
        }
    }
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

fn problem_of_hook(queue: &QueueConfig, plugin: &Plugin, on_failure: OnFailure) -> Option<Problem> {
    let exports = plugin.exports();
    let guards = exports.before_push || exports.before_exec || exports.after_error;
    if !guards && !exports.after_exec {
        return Some(Problem::of_plugin(
            plugin.name(),
            &format!(
                "queue `{}` names it in `hooks`, but {} exports no hook (before-push, before-exec, after-exec, after-error)",
                queue.name,
                plugin.path().display()
            ),
        ));
    }
    (on_failure == OnFailure::Closed && !guards).then(|| {
        Problem::of_plugin(
            plugin.name(),
            &"on-failure = \"closed\" on a hook that only exports after-exec: the job did run and stays done; use \"open\"",
        )
    })
}

fn settings_of(plugin: &PluginConfig) -> PluginSettings {
    let limits = &plugin.limits;
    PluginSettings {
        limits: Limits {
            memory: limits.memory,
            fuel: limits.fuel,
            table_elements: limits.table_elements,
            instances: limits.instances,
            handles: limits.handles,
            host_call_bytes: limits.host_call_bytes,
            output_bytes: limits.output,
            stdio_bytes: limits.stdio,
            pushes: limits.pushes,
            ..Limits::default()
        },
        grants: Grants {
            fs: plugin
                .grants
                .fs
                .iter()
                .map(|grant| FsGrant {
                    host: grant.host.clone(),
                    guest: grant.guest.clone(),
                    mode: match grant.mode {
                        FsModeConfig::ReadOnly => FsMode::ReadOnly,
                        FsModeConfig::ReadWrite => FsMode::ReadWrite,
                    },
                })
                .collect(),
            queues: plugin.grants.queues.clone(),
        },
        timeout: plugin.timeout,
    }
}
