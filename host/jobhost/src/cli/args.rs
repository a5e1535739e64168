//! The commands and options, as clap reads them. What they mean is in the
//! module of each command.

mod plugin;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use jobhost_runtime::Signer;

use crate::bench::{LEAST_PAYLOAD, Part, Synchronous};
use crate::config::parse_duration;

pub use plugin::{PluginBuildArgs, PluginNewArgs, PluginTestArgs};

/// Runs background jobs from Redis or SQLite, each in a WebAssembly sandbox.
#[derive(Debug, Parser)]
#[command(name = "jobhost", version, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    /// What every command takes.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct GlobalArgs {
    /// The configuration file [default: ./jobhost.toml if there is one]
    #[arg(long, global = true, env = "JOBHOST_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where jobs are kept: redis://host:port/database or sqlite:path [default: sqlite:jobhost.db]
    #[arg(long, global = true, env = "JOBHOST_STORE", value_name = "URL", hide_env_values = true)]
    pub store: Option<String>,
    /// Print one JSON document instead of text
    #[arg(long, global = true)]
    pub json: bool,
    /// Whether to write colours
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub color: ColorWhen,
    /// How logs are written to stderr; `RUST_LOG` says which
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub log_format: LogFormat,
}

/// Whether to write colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ColorWhen {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// In a pipe, too.
    Always,
    /// Nowhere.
    Never,
}

/// How logs are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// A JSON object a line.
    Json,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Take and run jobs until none is waiting, then stop
    Run(RunArgs),
    /// Take and run jobs until told to stop
    Listen(RunArgs),
    /// Store a job, or many, and print the ids
    Push(PushArgs),
    /// Count the jobs of each queue
    Info(InfoArgs),
    /// Show one job: its state, attempts, progress, output, cause
    Status(StatusArgs),
    /// Run one job at once, without a store
    Exec(ExecArgs),
    /// Look at jobs that failed for good, try them again or drop them
    Failed {
        /// What to do with them.
        #[command(subcommand)]
        command: FailedCommand,
    },
    /// Remove a waiting, delayed or reserved job
    Remove(RemoveArgs),
    /// Remove all waiting, delayed and reserved jobs of a queue
    Clear(ClearArgs),
    /// List the workers of the store, on whichever machine they are
    Workers,
    /// Look at the configuration
    Config {
        /// What to do with it.
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Look at plugins: what they are, what they want, whether this host would load them, what they did
    Plugin {
        /// What to do with them.
        #[command(subcommand)]
        command: PluginCommand,
    },
    /// Measure what this machine, the store and sandboxes can do; no queue is touched
    Bench(BenchArgs),
    /// Compile one component for another process of this program, which starts this
    #[command(hide = true)]
    CompileComponent {
        /// Fuel, memory, seconds.
        arguments: Vec<String>,
    },
    /// Print the completions for a shell
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// Of `run` and `listen`.
#[derive(Clone, Debug, Default, Args)]
pub struct RunArgs {
    /// A queue to serve; may be repeated [default: all that are configured]
    #[arg(long = "queue", short = 'q', value_name = "QUEUE")]
    pub queues: Vec<String>,
    /// A plugin to use beside those of the configuration; may be repeated
    #[arg(long = "plugin", short = 'p', value_name = "FILE")]
    pub plugins: Vec<PathBuf>,
    /// How many jobs run at the same time, 1 to 1024 [default: 16]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub concurrency: Option<u32>,
}

/// Of `exec`.
#[derive(Clone, Debug, Args)]
pub struct ExecArgs {
    /// The plugin that runs it; further ones can be its hooks
    #[arg(long = "plugin", short = 'p', value_name = "FILE", required = true)]
    pub plugins: Vec<PathBuf>,
    /// The job's name [default: the payload's class, else the plugin's first, else its name]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// The payload, a JSON object; `-` reads it from stdin, `@FILE` from a file
    #[arg(value_name = "JSON|-|@FILE")]
    pub payload: String,
    /// How long it may run, such as 90s or 10m
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub ttr: Option<Duration>,
    /// How many jobs run at the same time; exec runs one
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub concurrency: Option<u32>,
}

/// Of `push`.
#[derive(Clone, Debug, Default, Args)]
pub struct PushArgs {
    /// The job's name, by which its plugin is found
    #[arg(value_name = "NAME", required_unless_present = "batch")]
    pub name: Option<String>,
    /// The payload, a JSON object; `-` reads it from stdin, `@FILE` from a file [default: {}]
    #[arg(value_name = "JSON|-|@FILE")]
    pub payload: Option<String>,
    /// Many jobs from a file, or `-` for stdin: a JSON object a line with name, payload, delay, ttr
    #[arg(long, value_name = "FILE|-", conflicts_with_all = ["name", "payload"])]
    pub batch: Option<PathBuf>,
    /// Where to [default: the only queue there is]
    #[arg(long, short = 'q', value_name = "QUEUE")]
    pub queue: Option<String>,
    /// How long it waits before it may run, such as 5m
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub delay: Option<Duration>,
    /// How long an attempt may take, such as 90s or 10m
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub ttr: Option<Duration>,
}

/// Of `info`.
#[derive(Clone, Debug, Default, Args)]
pub struct InfoArgs {
    /// The queues [default: all that are configured]
    #[arg(value_name = "QUEUE")]
    pub queues: Vec<String>,
    /// The same as an option; may be repeated
    #[arg(long = "queue", short = 'q', value_name = "QUEUE")]
    pub more_queues: Vec<String>,
}

/// Of `status`.
#[derive(Clone, Debug, Args)]
pub struct StatusArgs {
    /// The job, such as copy-asset/1
    pub id: String,
    /// The queue of an id without one
    #[arg(long, short = 'q', value_name = "QUEUE")]
    pub queue: Option<String>,
}

/// Of `remove`.
#[derive(Clone, Debug, Args)]
pub struct RemoveArgs {
    /// The job, such as copy-asset/1
    pub id: String,
    /// The queue of an id without one
    #[arg(long, short = 'q', value_name = "QUEUE")]
    pub queue: Option<String>,
}

/// Of `clear`.
#[derive(Clone, Debug, Default, Args)]
pub struct ClearArgs {
    /// The queue
    #[arg(value_name = "QUEUE", required_unless_present = "queue_option")]
    pub queue: Option<String>,
    /// The same as an option
    #[arg(long = "queue", short = 'q', value_name = "QUEUE", conflicts_with = "queue")]
    pub queue_option: Option<String>,
    /// Do not ask
    #[arg(long, short = 'y')]
    pub yes: bool,
}

/// Of `failed`.
#[derive(Clone, Debug, Subcommand)]
pub enum FailedCommand {
    /// List them, the latest failure first
    List(FailedListArgs),
    /// Show one with its cause, backtrace and payload
    Show(StatusArgs),
    /// Put them back to the end of their queue
    Retry(FailedRetryArgs),
    /// Drop them
    Remove(FailedRemoveArgs),
    /// Drop those that failed long ago
    Prune(FailedPruneArgs),
}

/// Of `failed list`.
#[derive(Clone, Debug, Args)]
pub struct FailedListArgs {
    /// A queue; may be repeated [default: all that are configured]
    #[arg(long = "queue", short = 'q', value_name = "QUEUE")]
    pub queues: Vec<String>,
    /// How many of each queue at most, up to 100000
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub limit: u32,
}

/// Of `failed retry`.
#[derive(Clone, Debug, Args)]
pub struct FailedRetryArgs {
    /// The jobs, such as copy-asset/1
    #[arg(value_name = "ID", required_unless_present = "all")]
    pub ids: Vec<String>,
    /// All of the queue, or of all queues without --queue
    #[arg(long, conflicts_with = "ids")]
    pub all: bool,
    /// The queue of ids without one
    #[arg(long, short = 'q', value_name = "QUEUE")]
    pub queue: Option<String>,
}

/// Of `failed remove`.
#[derive(Clone, Debug, Args)]
pub struct FailedRemoveArgs {
    /// The jobs, such as copy-asset/1
    #[arg(value_name = "ID", required = true)]
    pub ids: Vec<String>,
    /// The queue of ids without one
    #[arg(long, short = 'q', value_name = "QUEUE")]
    pub queue: Option<String>,
}

/// Of `failed prune`.
#[derive(Clone, Debug, Args)]
pub struct FailedPruneArgs {
    /// Drop what failed longer ago than this, such as 30d
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub older: Duration,
    /// A queue; may be repeated [default: all that are configured]
    #[arg(long = "queue", short = 'q', value_name = "QUEUE")]
    pub queues: Vec<String>,
}

/// Of `bench`.
#[derive(Clone, Debug, Args)]
pub struct BenchArgs {
    /// Jobs of each run, 1 to 10000000
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub jobs: u32,
    /// Jobs that wait in the queue besides, where jobs are pushed, reserved and settled, up to 10000000
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=10_000_000))]
    pub backlog: u32,
    /// Threads that run a worker's guests, 1 to 1024 [default: one for each processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub threads: Option<u32>,
    /// How many jobs run at the same time, 1 to 1024
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub concurrency: u32,
    /// The component that runs them, without any grants [default: a built-in one that does nothing]
    #[arg(long = "plugin", short = 'p', value_name = "FILE")]
    pub plugin: Option<PathBuf>,
    /// Bytes of each job's payload, 16 to 1000000
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(i64::from(LEAST_PAYLOAD)..=1_000_000))]
    pub payload_bytes: u32,
    /// How often each figure is measured, 1 to 100
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub runs: u32,
    /// What to measure; may be repeated [default: all]
    #[arg(long, value_name = "NAME", value_enum)]
    pub only: Vec<Part>,
    /// Where the SQLite file is made that is measured without --store [default: the working directory]
    #[arg(long, value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
    /// How much that file's commits wait for the disk [default: full]
    #[arg(long, value_name = "HOW", value_enum)]
    pub synchronous: Option<Synchronous>,
}

/// Of `config`.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum ConfigCommand {
    /// Report every problem at once, or what is in force
    Check,
}

/// Of `plugin`.
#[derive(Clone, Debug, Subcommand)]
pub enum PluginCommand {
    /// List the plugins of all workers of the store: versions in force, executions, failures, cost, refused files
    List,
    /// Show a component's kind, exports, imports and producers, what to grant it, and whether it would load
    Inspect(PluginInspectArgs),
    /// The same for every plugin of the configuration, with its limits and grants
    Check,
    /// Write a small project to make a plugin of
    New(PluginNewArgs),
    /// Build the plugin of a project with its language's tools
    Build(PluginBuildArgs),
    /// Build it and run the jobs beside it, *.job.json, in the sandbox, without a store
    Test(PluginTestArgs),
}

/// Of `plugin inspect`.
#[derive(Clone, Debug, Args)]
pub struct PluginInspectArgs {
    /// The component
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// A minisign public key, RWQ…; FILE.minisig must hold its signature of the file
    #[arg(long, value_name = "KEY", value_parser = Signer::parse)]
    pub signer: Option<Signer>,
}

#[cfg(test)]
mod tests;
