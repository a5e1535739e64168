//! The configuration: `jobhost.toml`, the options of the command line and
//! the defaults, resolved into plain values and checked. It opens no store
//! and loads no plugin.

mod check;
mod durations;
mod file;
mod grants;
mod http;
mod instances;
mod limits;
mod load;
mod lone_grants;
mod problem;
mod section;
mod swap;

use std::path::PathBuf;
use std::time::Duration;

use jobhost_queue::{Channel, Retain, Terms};
use jobhost_runtime::{Grants, Instances, Limits, Pin};

pub use check::check_exports;
pub use durations::{parse_duration, parse_size, show_duration, show_size};
pub use file::is_name;
pub use limits::{LIMITS, LimitKey, Unit};
pub use load::{Request, load, load_without_file};
pub use lone_grants::read_lone_grants;
pub use problem::{ConfigError, Place, Problem, did_you_mean};
pub use swap::{show_factor, show_share};

/// The file that is read where no other is named.
pub const DEFAULT_FILE: &str = "jobhost.toml";
/// The store where none is named.
pub const DEFAULT_STORE: &str = "sqlite:jobhost.db";
/// The queue where none is defined.
pub const DEFAULT_QUEUE: &str = "default";

/// Everything that was decided, by whomever.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The file it was read from; `None` where there is none.
    pub source: Option<PathBuf>,
    /// The store's address, a relative path in it resolved.
    pub store: String,
    /// Jobs that run at the same time, 1 to 1,024.
    pub concurrency: u32,
    /// How long running jobs may go on once the worker was told to stop.
    pub shutdown_grace: Duration,
    /// Where compiled plugins are kept.
    pub cache: CacheFolder,
    /// How many bytes of them at most.
    pub cache_size: u64,
    /// What compiling one plugin may take.
    pub compile: Compile,
    /// In the order of the file; never empty.
    pub queues: Vec<QueueConfig>,
    /// In the order of the file, those of the command line last.
    pub plugins: Vec<PluginConfig>,
}

impl Config {
    /// The queue of this name.
    pub fn queue(&self, name: &str) -> Option<&QueueConfig> {
        self.queues.iter().find(|queue| queue.name == name)
    }

    /// The plugin of this name.
    pub fn plugin(&self, name: &str) -> Option<&PluginConfig> {
        self.plugins.iter().find(|plugin| plugin.name == name)
    }
}

/// Where compiled plugins are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CacheFolder {
    /// `$XDG_CACHE_HOME/jobhost`, else `~/.cache/jobhost`; without it where that cannot be used.
    #[default]
    Usual,
    /// Here.
    At(PathBuf),
    /// Nowhere.
    Off,
}

/// What compiling one plugin may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compile {
    /// Bytes of address space.
    pub memory: u64,
    /// Time on the wall; the processors may work as long each.
    pub time: Duration,
}

impl Default for Compile {
    fn default() -> Self {
        Self { memory: 4 << 30, time: Duration::from_mins(2) }
    }
}

/// A queue.
#[derive(Clone, Debug, PartialEq)]
pub struct QueueConfig {
    /// Its name, of letters, digits and `. _ -`.
    pub name: String,
    /// Its key prefix in the store.
    pub channel: Channel,
    /// Time to run of an attempt in seconds, at least 1.
    pub ttr: u32,
    /// How often a job is tried, at least once.
    pub attempts: u32,
    /// How long it waits in between.
    pub backoff: Backoff,
    /// The plugins that hear of its jobs, in this order.
    pub hooks: Vec<String>,
    /// How long outputs and failures stay.
    pub retain: Retain,
    /// What becomes of a job whose name no plugin handles.
    pub unknown: Unknown,
    /// After how many deaths of its worker a job goes to the failed set.
    pub max_crashes: u32,
    /// Where it is defined.
    pub place: Place,
}

/// How the time between attempts grows: `initial * factor^n`, at most `max`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    /// The ceiling of the first wait.
    pub initial: Duration,
    /// The ceiling of every wait; at least `initial`.
    pub max: Duration,
    /// At least 1.
    pub factor: f64,
}

/// What becomes of a job whose name no plugin handles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// It goes to the failed set.
    Fail,
    /// It is left to other workers for a while.
    Release,
}

/// A plugin.
#[derive(Clone, Debug, PartialEq)]
pub struct PluginConfig {
    /// Its name, of letters, digits and `. _ -`.
    pub name: String,
    /// The component's file.
    pub path: PathBuf,
    /// Which file it must be, and by whom.
    pub pin: Pin,
    /// The jobs that it handles, if it is a handler.
    pub jobs: Jobs,
    /// What a call may use.
    pub limits: Limits,
    /// What a call may reach.
    pub grants: Grants,
    /// What its failure as a hook means.
    pub on_failure: OnFailure,
    /// The time that hooks, get-ttr and can-retry have.
    pub timeout: Duration,
    /// Which instances serve its calls.
    pub instances: Instances,
    /// How its new versions come in force.
    pub swap: SwapConfig,
    /// Where it is defined.
    pub place: Place,
}

/// The jobs that a plugin handles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Jobs {
    /// Those of these names, without leading backslash.
    Named(Vec<String>),
    /// Every job that no other plugin handles by name.
    All,
}

/// What the failure of a hook means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// A warning; the job goes on.
    Open,
    /// The push is rejected, the attempt has failed, the job is not retried.
    Closed,
}

/// How new versions of a plugin come in force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SwapConfig {
    /// By what they go on trial first; `None`: they are in force at once.
    pub canary: Option<Terms>,
    /// Whether they may ask for more than the version before.
    pub grants: UpgradeGrants,
}

/// Whether a new version may ask for more than the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UpgradeGrants {
    /// It may, and that is told.
    #[default]
    Any,
    /// It is refused.
    Frozen,
}

#[cfg(test)]
mod tests;
