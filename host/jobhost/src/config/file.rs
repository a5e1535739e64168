//! The keys of `jobhost.toml`, with their ranges and defaults. What needs
//! more than one table to be wrong is in `check`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jobhost_queue::{Channel, Retain, StoreUrl, envelope};
use jobhost_runtime::{Grants, Instances, Limits, Pin, Signer};

use super::grants::read_grants;
use super::instances::read_instances;
use super::limits::read_limits;
use super::problem::Findings;
use super::section::{Section, Word, choice, duration, number, size, text, whole32};
use super::swap::read_swap;
use super::{Backoff, CacheFolder, Compile, Jobs, OnFailure, PluginConfig, QueueConfig, SwapConfig, Unknown};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
const YEAR: Duration = Duration::from_hours(24 * 365);

/// What a file says. What it does not say is absent at the top level and the
/// default below.
#[derive(Default)]
pub(super) struct FileConfig {
    pub(super) store: Option<String>,
    pub(super) concurrency: Option<u32>,
    pub(super) shutdown_grace: Option<Duration>,
    /// Those of plugins that say nothing else.
    pub(super) limits: Limits,
    pub(super) cache: Option<CacheFolder>,
    pub(super) cache_size: Option<u64>,
    pub(super) compile: Compile,
    pub(super) queues: Vec<FileQueue>,
    pub(super) plugins: Vec<FilePlugin>,
}

/// A queue and where its parts stand.
pub(super) struct FileQueue {
    pub(super) config: QueueConfig,
    /// `None` where the channel was noted as wrong.
    pub(super) channel_at: Option<usize>,
    pub(super) hooks_at: Vec<usize>,
}

/// A plugin and where its parts stand.
pub(super) struct FilePlugin {
    pub(super) config: PluginConfig,
    /// `None` where there is no path.
    pub(super) path_at: Option<usize>,
    /// One for each name; of the table where there is no list.
    pub(super) jobs_at: Vec<usize>,
    /// One for each folder.
    pub(super) fs_at: Vec<usize>,
    /// One for each grant of requests.
    pub(super) ca_files_at: Vec<usize>,
    /// One for each queue.
    pub(super) queues_at: Vec<usize>,
    /// One for each variable.
    pub(super) env_at: Vec<usize>,
    /// One for each secret.
    pub(super) secrets_at: Vec<usize>,
}

/// What is needed to read a file.
pub(super) struct Reading<'a> {
    pub(super) findings: &'a Findings<'a>,
    /// The file's own, from which relative paths count.
    pub(super) folder: &'a Path,
    /// Stands in for a channel that cannot be used; nobody sees it.
    pub(super) stand_in: &'a Channel,
}

/// Reads the whole file.
pub(super) fn read(mut root: Section<'_, '_>, reading: &Reading<'_>) -> FileConfig {
    let mut config = FileConfig {
        store: root.read("store", |value| {
            let url = text("\"redis://127.0.0.1:6379/0\" or \"sqlite:jobhost.db\"")(value)?;
            StoreUrl::parse(&url).map_err(|error| error.to_string())?;
            Ok(store_relative_to(reading.folder, &url))
        }),
        concurrency: root.read("concurrency", whole32(1..=1024)),
        shutdown_grace: root.read("shutdown-grace", duration(Duration::ZERO..=HOUR, "25s")),
        cache: root.read("cache", |value| {
            let folder = text("\"/var/cache/jobhost\" or \"off\"")(value)?;
            Ok(if folder == "off" { CacheFolder::Off } else { CacheFolder::At(reading.folder.join(folder)) })
        }),
        cache_size: root.read("cache-size", size(1 << 20..=1 << 40)),
        ..FileConfig::default()
    };
    if let Some(limits) = root.section("limits", "{ memory = \"128MiB\" }") {
        read_limits(limits, &mut config.limits);
    }
    if let Some(mut section) = root.section("compile", "{ memory = \"4GiB\", time = \"2m\" }") {
        if let Some(memory) = section.read("memory", size(512 << 20..=1 << 40)) {
            config.compile.memory = memory;
        }
        if let Some(time) = section.read("time", duration(SECOND..=HOUR, "2m")) {
            config.compile.time = time;
        }
        section.finish();
    }
    for (name, section) in root.named_sections("queues", "[queues.NAME]") {
        config.queues.push(read_queue(&name, section, reading));
    }
    for (name, section) in root.named_sections("plugins", "[plugins.NAME]") {
        let plugin = read_plugin(&name, section, reading, &config.limits);
        config.plugins.push(plugin);
    }
    root.finish();
    config
}

/// A queue of which nothing is said.
pub(super) fn default_queue(name: &str, channel: Channel, place: super::Place) -> QueueConfig {
    QueueConfig {
        name: name.to_owned(),
        channel,
        ttr: 300,
        attempts: 1,
        backoff: Backoff { initial: SECOND, max: Duration::from_mins(10), factor: 2.0 },
        hooks: Vec::new(),
        retain: Retain { done: DAY, failed: 30 * DAY, output: 1 << 20 },
        unknown: Unknown::Fail,
        max_crashes: 3,
        place,
    }
}

/// A plugin of which no more is said than where it is.
pub(super) fn default_plugin(name: &str, path: PathBuf, place: super::Place, limits: &Limits) -> PluginConfig {
    PluginConfig {
        name: name.to_owned(),
        path,
        pin: Pin::default(),
        jobs: Jobs::Named(vec![name.to_owned()]),
        limits: limits.clone(),
        grants: Grants::default(),
        on_failure: OnFailure::Open,
        timeout: SECOND,
        instances: Instances::default(),
        swap: SwapConfig::default(),
        place,
    }
}

/// Whether a queue or plugin may have this name.
pub fn is_name(name: &str) -> bool {
    let right = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    !name.is_empty() && name.len() <= 100 && name.chars().all(right)
}

/// The same, with the rule for those who broke it.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    if is_name(name) {
        return Ok(());
    }
    Err(format!("`{}` cannot be a name; use up to 100 ASCII letters, digits and . _ -", name.escape_debug()))
}

fn read_queue(name: &str, mut section: Section<'_, '_>, reading: &Reading<'_>) -> FileQueue {
    if let Err(why) = check_name(name) {
        section.note(section.at, why);
    }
    let named = section.at_key("channel") != section.at;
    let channel = section.read("channel", |value| {
        let channel = text("\"cpa:queue:copy:asset\"")(value)?;
        Channel::new(&channel).map_err(|error| error.to_string())
    });
    let channel = channel.or_else(|| Channel::new(name).ok().filter(|_| !named));
    let channel_at = channel.as_ref().map(|_| section.at_value("channel"));
    let mut config =
        default_queue(name, channel.unwrap_or_else(|| reading.stand_in.clone()), reading.findings.place(section.at));
    if let Some(ttr) = section.read("ttr", duration(SECOND..=YEAR, "10m")) {
        config.ttr = whole_seconds(ttr);
    }
    if let Some(attempts) = section.read("attempts", whole32(1..=u32::MAX)) {
        config.attempts = attempts;
    }
    if let Some(crashes) = section.read("max-crashes", whole32(1..=1000)) {
        config.max_crashes = crashes;
    }
    let unknown = choice(&[("fail", Unknown::Fail), ("release", Unknown::Release)]);
    if let Some(unknown) = section.read("unknown", unknown) {
        config.unknown = unknown;
    }
    if let Some(backoff) = section.section("backoff", "{ initial = \"1s\", max = \"10m\" }") {
        read_backoff(backoff, &mut config.backoff);
    }
    if let Some(retain) = section.section("retain", "{ done = \"24h\", failed = \"30d\" }") {
        read_retain(retain, &mut config.retain);
    }
    let hooks = section.words("hooks", "[\"copy_asset_events\"]").unwrap_or_default();
    let hooks_at = hooks.iter().map(|hook| hook.at).collect();
    config.hooks = hooks.into_iter().map(|hook| hook.text).collect();
    section.finish();
    FileQueue { config, channel_at, hooks_at }
}

fn read_backoff(mut section: Section<'_, '_>, backoff: &mut Backoff) {
    if let Some(initial) = section.read("initial", duration(Duration::ZERO..=30 * DAY, "1s")) {
        backoff.initial = initial;
    }
    if let Some(max) = section.read("max", duration(Duration::ZERO..=30 * DAY, "10m")) {
        backoff.max = max;
    } else {
        backoff.max = backoff.max.max(backoff.initial);
    }
    if let Some(factor) = section.read("factor", number(1.0..=1000.0)) {
        backoff.factor = factor;
    }
    if backoff.initial > backoff.max {
        section.note(section.at_value("max"), "`max` is shorter than `initial`; no wait could be right");
    }
    section.finish();
}

fn read_retain(mut section: Section<'_, '_>, retain: &mut Retain) {
    if let Some(done) = section.read("done", duration(Duration::ZERO..=10 * YEAR, "24h")) {
        retain.done = done;
    }
    if let Some(failed) = section.read("failed", duration(Duration::ZERO..=10 * YEAR, "30d")) {
        retain.failed = failed;
    }
    if let Some(output) = section.read("output", size(0..=16 << 20)) {
        retain.output = output;
    }
    section.finish();
}

fn read_plugin(name: &str, mut section: Section<'_, '_>, reading: &Reading<'_>, limits: &Limits) -> FilePlugin {
    if let Err(why) = check_name(name) {
        section.note(section.at, why);
    }
    let has_path = section.at_key("path") != section.at;
    let path = section.read("path", text("\"plugins/copy_asset.wasm\""));
    if !has_path {
        section.note(
            section.at,
            "`path` is missing; name the component's file, such as path = \"plugins/copy_asset.wasm\"",
        );
    }
    let path_at = path.as_ref().map(|_| section.at_value("path"));
    let path = path.map(|path| reading.folder.join(path));
    let place = reading.findings.place(section.at);
    let mut config = default_plugin(name, path.unwrap_or_default(), place, limits);
    config.pin.digest = section.read("digest", |value| digest(&text("\"sha256:…\"")(value)?));
    config.pin.signer = section.read("signer", |value| Signer::parse(&text("\"RWQ…\"")(value)?));
    let mut jobs_at = vec![section.at];
    if let Some(words) = section.words("jobs", "['common\\jobs\\CopyAssetJob']") {
        jobs_at = words.iter().map(|word| word.at).collect();
        config.jobs = read_jobs(&section, words);
    }
    if let Some(limits) = section.section("limits", "{ memory = \"128MiB\" }") {
        read_limits(limits, &mut config.limits);
    }
    let memory = config.limits.memory;
    if let Some(instances) = section.section("instances", "{ policy = \"warm\", max-jobs = 100 }") {
        config.instances = read_instances(instances, memory);
    }
    let on_failure = choice(&[("open", OnFailure::Open), ("closed", OnFailure::Closed)]);
    if let Some(on_failure) = section.read("on-failure", on_failure) {
        config.on_failure = on_failure;
    }
    let range = Duration::from_millis(1)..=Duration::from_mins(1);
    if let Some(timeout) = section.read("timeout", duration(range, "1s")) {
        config.timeout = timeout;
    }
    if let Some(swap) = section.section("swap", "{ canary = \"5%\", for = \"10m\" }") {
        config.swap = read_swap(swap);
    }
    let mut plugin = FilePlugin {
        config,
        path_at,
        jobs_at,
        fs_at: Vec::new(),
        ca_files_at: Vec::new(),
        queues_at: Vec::new(),
        env_at: Vec::new(),
        secrets_at: Vec::new(),
    };
    if let Some(grants) = section.section("grants", "{ queues = [\"upload-asset\"] }") {
        read_grants(grants, &mut plugin, reading.folder);
    }
    section.finish();
    plugin
}

/// A digest as `jobhost plugin inspect` prints it, in lower case.
fn digest(text: &str) -> Result<String, String> {
    let right =
        text.strip_prefix("sha256:").filter(|hex| hex.len() == 64 && hex.bytes().all(|c| c.is_ascii_hexdigit()));
    right.map(|_| text.to_ascii_lowercase()).ok_or_else(|| {
        format!("expected sha256: and 64 hexadecimal digits, as `jobhost plugin inspect` prints them, found {text:?}")
    })
}

fn read_jobs(section: &Section<'_, '_>, words: Vec<Word>) -> Jobs {
    if let Some(all) = words.iter().find(|word| word.text == "*") {
        if words.len() > 1 {
            section.note(all.at, "jobs: \"*\" is every job; the other names beside it say nothing, remove them");
        }
        return Jobs::All;
    }
    let mut names: Vec<String> = Vec::new();
    for word in words {
        let name = word.text.strip_prefix('\\').unwrap_or(&word.text);
        if name.is_empty() {
            section.note(word.at, "jobs: a job's name must not be empty");
        } else if names.iter().any(|known| envelope::same_name(known, name)) {
            section.note(word.at, format!("jobs: `{name}` stands here twice"));
        }
        names.push(name.to_owned());
    }
    Jobs::Named(names)
}

/// A relative path of a SQLite file counts from the configuration's folder.
fn store_relative_to(folder: &Path, url: &str) -> String {
    match url.strip_prefix("sqlite:") {
        Some(path) if !path.starts_with('/') && !path.starts_with(':') => {
            format!("sqlite:{}", folder.join(path).display())
        }
        _ => url.to_owned(),
    }
}

fn whole_seconds(duration: Duration) -> u32 {
    let rounded_up = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    u32::try_from(rounded_up).unwrap_or(u32::MAX)
}
