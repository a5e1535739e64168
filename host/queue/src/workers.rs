//! The registry of workers: who works on a store and what each worker's plugins did, for people to look at. It decides
//! nothing: jobs are held by leases, whoever is in it. What both stores promise of it is in `conformance`, as tests.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::clock::UnixMillis;
use crate::error::StoreError;

/// How often a worker announces itself while what it has to say changes.
pub const HEARTBEAT_EVERY: Duration = Duration::from_secs(5);
/// And how often while it does not.
pub const IDLE_HEARTBEAT_EVERY: Duration = Duration::from_secs(15);
/// A worker that was not heard of for longer than this is called silent: dead, frozen, or without its store.
pub const SILENT_AFTER: Duration = Duration::from_secs(40);
/// How long a silent worker is kept in the registry.
pub const SILENT_KEPT: Duration = Duration::from_hours(1);
/// Where more workers than this are known, silent ones are not kept. It is also the most that are listed.
pub const MAX_WORKERS: usize = 1_000;

/// Bytes of the longest record, as JSON.
pub const MAX_RECORD: usize = 2 << 20;
const MAX_ID: usize = 64;
const MAX_QUEUES: usize = 100;
const MAX_PLUGINS: usize = 100;
const MAX_VERSIONS: usize = 5;
const MAX_NAME: usize = 200;
const MAX_REASON: usize = 1_000;

/// Who works on a store.
#[async_trait]
pub trait Workers: Send + Sync + 'static {
    /// Says that a worker lives, and what it does, in place of what it said before. Drops some of those that have been
    /// silent for too long, in bounded chunks. May be repeated.
    async fn announce(&self, worker: &WorkerRecord) -> Result<(), StoreError>;

    /// Takes a worker out, as it does itself at an orderly stop. One that is not there is no error.
    async fn withdraw(&self, id: &str) -> Result<(), StoreError>;

    /// Those that are known, silent ones included, by when they were last heard of, the latest first: at most
    /// [`MAX_WORKERS`]. A record that cannot be read is left out and logged.
    async fn workers(&self) -> Result<Roster, StoreError>;
}

/// The workers that are known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Roster {
    /// The latest heard of first.
    pub workers: Vec<SeenWorker>,
    /// Whether there are more.
    pub more: bool,
}

/// A worker and when it was last heard of.
#[derive(Clone, Debug, PartialEq)]
pub struct SeenWorker {
    /// What it said.
    pub record: WorkerRecord,
    /// When, by the store's time.
    pub seen_at: UnixMillis,
    /// How long ago that is, by the same.
    pub age: Duration,
}

impl SeenWorker {
    /// Whether it should have been heard of since.
    pub fn is_silent(&self) -> bool {
        self.age > SILENT_AFTER
    }

    /// When something was, by the store's time, that the record says was so long before it.
    pub fn at(&self, before: UnixMillis) -> UnixMillis {
        self.seen_at.saturating_sub(before)
    }
}

/// What a worker says of itself. Kept as JSON and shown as that to programs: the names stay. Times are ages, so that
/// nobody's clock is compared with the store's.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WorkerRecord {
    /// Chosen at random when it started: up to 64 ASCII letters and digits.
    pub id: String,
    /// The machine's name.
    pub host: String,
    /// The process.
    pub pid: u32,
    /// Of jobhost.
    pub version: String,
    /// How long it has worked, in milliseconds.
    pub age_ms: u64,
    /// Whether it was told to stop and takes no more jobs.
    pub stopping: bool,
    /// How many jobs it runs at once.
    pub slots: u32,
    /// How many it runs now.
    pub busy: u32,
    /// The configured names of those that it serves.
    pub queues: Vec<String>,
    /// Queues that it serves beside those.
    pub more_queues: u32,
    /// What its plugins did.
    pub plugins: Vec<PluginRecord>,
    /// Plugins that it has beside those.
    pub more_plugins: u32,
}

/// What a worker says of one plugin.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PluginRecord {
    /// Its configured name.
    pub name: String,
    /// Its versions: the one in force, those that still run attempts, and the last few before.
    pub versions: Vec<VersionRecord>,
    /// A file that cannot be used, in place of which the version in force stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<RefusedFile>,
}

/// What a worker says of one version of a plugin. Counted is since the worker started.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct VersionRecord {
    /// `sha256:…`.
    pub digest: String,
    /// Whether attempts begin with it.
    pub state: VersionState,
    /// For how long that has been so, in milliseconds.
    pub age_ms: u64,
    /// Attempts that it runs now, and calls of its hooks.
    pub running: u32,
    /// Those that have ended by themselves.
    pub executions: u64,
    /// Those among them that have failed.
    pub failures: u64,
    /// How long they took, in microseconds.
    pub duration_us: Measure,
    /// The highest linear memory of each, in bytes.
    pub peak_memory_bytes: Measure,
    /// Their fuel; 0 where there is no limit of it.
    pub fuel: Measure,
}

/// Where a version of a plugin stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum VersionState {
    /// Attempts begin with it.
    InForce,
    /// It has a share of the attempts until there is a verdict.
    OnTrial,
    /// It was replaced, and attempts that began with it still run.
    Draining,
    /// It was replaced, and none does.
    Replaced,
    /// What a newer jobhost says.
    #[default]
    #[serde(other)]
    Other,
}

/// A file that was refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RefusedFile {
    /// What is wrong with it.
    pub reason: String,
    /// For how long that has been so, in milliseconds.
    pub age_ms: u64,
}

/// What something came to over several executions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Measure {
    /// All together.
    pub total: u64,
    /// The highest.
    pub peak: u64,
}

impl Measure {
    /// One more.
    pub fn add(&mut self, value: u64) {
        self.total = self.total.saturating_add(value);
        self.peak = self.peak.max(value);
    }

    /// Those of somebody else.
    pub fn merge(&mut self, other: Self) {
        self.total = self.total.saturating_add(other.total);
        self.peak = self.peak.max(other.peak);
    }

    /// The average of so many; 0 of none.
    pub fn average(self, of: u64) -> u64 {
        self.total.checked_div(of).unwrap_or(0)
    }
}

impl WorkerRecord {
    /// The same with lists and texts cut to what the registry takes.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        self.more_queues = self.more_queues.saturating_add(cut_list(&mut self.queues, MAX_QUEUES));
        self.more_plugins = self.more_plugins.saturating_add(cut_list(&mut self.plugins, MAX_PLUGINS));
        let versions = |plugin: &mut PluginRecord| {
            cut_list(&mut plugin.versions, MAX_VERSIONS);
            cut_text(&mut plugin.name, MAX_NAME);
            plugin.versions.iter_mut().for_each(|version| cut_text(&mut version.digest, MAX_NAME));
            plugin.refused.iter_mut().for_each(|refused| cut_text(&mut refused.reason, MAX_REASON));
        };
        self.plugins.iter_mut().for_each(versions);
        self.queues.iter_mut().chain([&mut self.host, &mut self.version]).for_each(|text| cut_text(text, MAX_NAME));
        self
    }

    /// The same without ages, to tell whether there is news.
    #[must_use]
    pub fn without_ages(mut self) -> Self {
        self.age_ms = 0;
        for plugin in &mut self.plugins {
            plugin.versions.iter_mut().for_each(|version| version.age_ms = 0);
            plugin.refused.iter_mut().for_each(|refused| refused.age_ms = 0);
        }
        self
    }

    /// As it is stored.
    pub(crate) fn encode(&self) -> Result<String, StoreError> {
        check_id(&self.id)?;
        let record = serde_json::to_string(self).map_err(StoreError::invalid)?;
        if record.len() <= MAX_RECORD {
            return Ok(record);
        }
        Err(StoreError::Invalid(format!(
            "the record of worker {} has {} bytes; it has at most {MAX_RECORD}: name fewer plugins and queues",
            self.id,
            record.len()
        )))
    }
}

/// A worker as it was stored.
pub(crate) fn decode(id: &str, record: &str, seen_at: UnixMillis, now: UnixMillis) -> Option<SeenWorker> {
    match serde_json::from_str(record) {
        Ok(record) => {
            let age = Duration::from_millis(now.saturating_sub(seen_at));
            Some(SeenWorker { record, seen_at, age })
        }
        Err(error) => {
            tracing::warn!(worker = id, %error, "what the registry has of this worker cannot be read and is left out");
            None
        }
    }
}

/// Whether that may be the id of a worker.
pub(crate) fn check_id(id: &str) -> Result<(), StoreError> {
    if !id.is_empty() && id.len() <= MAX_ID && id.chars().all(|c| c.is_ascii_alphanumeric()) {
        return Ok(());
    }
    let shown: String = id.escape_debug().take(80).collect();
    Err(StoreError::Invalid(format!("`{shown}` is no worker's id; use up to {MAX_ID} ASCII letters and digits")))
}

/// Returns how many were cut off.
fn cut_list<T>(list: &mut Vec<T>, most: usize) -> u32 {
    let more = list.len().saturating_sub(most);
    list.truncate(most);
    u32::try_from(more).unwrap_or(u32::MAX)
}

fn cut_text(text: &mut String, most: usize) {
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most - '…'.len_utf8()));
        text.push('…');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_record_that_is_bounded_is_taken() {
        // Each byte of these becomes six in JSON.
        let text = "\u{1}".repeat(5_000);
        let version = VersionRecord { digest: text.clone(), executions: u64::MAX, ..VersionRecord::default() };
        let refused = Some(RefusedFile { reason: text.clone(), age_ms: u64::MAX });
        let plugin = PluginRecord { name: text.clone(), versions: vec![version; 50], refused };
        let record = WorkerRecord {
            id: "a".repeat(64),
            host: text.clone(),
            version: text.clone(),
            queues: vec![text; 150],
            plugins: vec![plugin; 150],
            ..WorkerRecord::default()
        };
        assert!(record.encode().is_err());
        let bounded = record.bounded();
        assert_eq!((bounded.more_queues, bounded.more_plugins), (50, 50));
        assert!(bounded.encode().unwrap().len() > MAX_RECORD / 4);
        assert_eq!(bounded.clone().bounded(), bounded);
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        let mut text = "é".repeat(150);
        cut_text(&mut text, MAX_NAME);
        assert!(text.len() <= MAX_NAME && text.ends_with("é…"), "{text}");
    }

    #[test]
    fn what_a_newer_jobhost_says_of_a_version_is_read() {
        let record = r#"{"id":"a","plugins":[{"name":"p","versions":[{"state":"canary","share":5}]}],"more":1}"#;
        let read = decode("a", record, 5, 7).unwrap();
        assert_eq!(read.record.plugins[0].versions[0].state, VersionState::Other);
        assert_eq!((read.age, read.at(2), read.at(9)), (Duration::from_millis(2), 3, 0));
        assert_eq!(decode("a", "{", 5, 7), None);
    }

    #[test]
    fn averages_are_of_all_and_peaks_are_the_highest() {
        let (mut one, mut other) = (Measure::default(), Measure::default());
        for value in [1, 2, 3] {
            one.add(value);
        }
        other.add(10);
        one.merge(other);
        assert_eq!((one.average(4), one.peak, Measure::default().average(0)), (4, 10, 0));
    }
}
