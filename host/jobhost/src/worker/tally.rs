//! What the plugins of a worker did, by version: for people to look at. Counted is what a plugin did itself, whatever
//! became of the job. It hears of swaps as everybody does, and decides nothing.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use arc_swap::ArcSwap;
use jobhost_queue::workers::{PluginRecord, RefusedFile, VersionRecord, VersionState};
use jobhost_runtime::{Finished, Outcome, Plugin};

use super::decide::millis;
use super::events::{Event, Listener, TrialState};
use crate::registry::Registry;
use crate::swap::was_rolled_back;

/// How many versions that were replaced and run nothing any more are kept of a plugin.
const REPLACED_KEPT: usize = 2;

/// The counts of one worker.
pub struct Tally {
    registry: Arc<ArcSwap<Registry>>,
    plugins: Mutex<Plugins>,
}

/// By configured name.
#[derive(Default)]
struct Plugins(BTreeMap<String, Counted>);

#[derive(Default)]
struct Counted {
    versions: Vec<Version>,
    refused: Option<(String, Instant)>,
}

struct Version {
    record: VersionRecord,
    since: Instant,
}

impl Tally {
    /// Nothing is counted yet; what is in force is so from now on.
    pub fn new(registry: Arc<ArcSwap<Registry>>) -> Self {
        let tally = Self { registry, plugins: Mutex::default() };
        tally.follow();
        tally
    }

    /// An attempt or a hook's call begins with this version.
    pub(crate) fn begin(self: &Arc<Self>, plugin: &Plugin) -> Running {
        let running =
            Running { tally: Arc::clone(self), plugin: plugin.name().to_owned(), digest: plugin.digest().to_owned() };
        running.of_its_version(|version| version.running = version.running.saturating_add(1));
        running
    }

    /// All of it at this time.
    pub(crate) fn report(&self, now: Instant) -> Vec<PluginRecord> {
        self.lock().report(now)
    }

    /// Takes note of what is in force.
    fn follow(&self) {
        let registry = self.registry.load();
        let (in_force, on_trial) = (registry.plugins().iter(), registry.on_trial());
        let standing = in_force.map(|plugin| (plugin, VersionState::InForce));
        let standing = standing.chain(on_trial.map(|plugin| (plugin, VersionState::OnTrial)));
        let of = |(plugin, state): (&Plugin, _)| (plugin.name().to_owned(), plugin.digest().to_owned(), state);
        let standing: Vec<_> = standing.map(of).collect();
        self.lock().follow(&standing, Instant::now());
    }

    fn lock(&self) -> MutexGuard<'_, Plugins> {
        self.plugins.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener for Tally {
    fn hear(&self, event: &Event) {
        match event {
            Event::Swapped { .. } => self.follow(),
            Event::FileRestored { plugin, .. } => self.lock().of(plugin).refused = None,
            Event::Trial(trial) => {
                self.follow();
                // Where it is in force all the same, no other stays in its place.
                if trial.state == TrialState::RolledBack && trial.in_force != trial.to {
                    let reason = was_rolled_back(&trial.reason);
                    self.lock().of(&trial.plugin).refused = Some((reason, Instant::now()));
                }
            }
            Event::Reloaded { .. } => {
                self.follow();
                self.lock().0.values_mut().for_each(|plugin| plugin.refused = None);
            }
            Event::SwapRefused { plugin, reason, .. } => {
                self.lock().of(plugin).refused = Some((reason.clone(), Instant::now()));
            }
            _ => {}
        }
    }
}

/// An attempt or a hook's call that is under way until this is dropped.
pub(crate) struct Running {
    tally: Arc<Tally>,
    plugin: String,
    digest: String,
}

impl Running {
    /// The plugin has ended. What the worker cut short, for a stop or a lost lease, or could not begin, is no execution.
    pub(crate) fn ended<T, E>(&self, finished: &Finished<Result<T, E>>) {
        let failed = match &finished.outcome {
            Outcome::Returned(answer) => answer.is_err(),
            Outcome::Faulted(_) => true,
            Outcome::Cancelled | Outcome::Unavailable(_) => return,
        };
        let usage = &finished.usage;
        self.of_its_version(|version| {
            version.executions += 1;
            version.failures += u64::from(failed);
            version.duration_us.add(u64::try_from(usage.duration.as_micros()).unwrap_or(u64::MAX));
            version.peak_memory_bytes.add(usage.peak_memory);
            version.fuel.add(usage.fuel.unwrap_or(0));
        });
    }

    fn of_its_version(&self, change: impl FnOnce(&mut VersionRecord)) {
        change(&mut self.tally.lock().of(&self.plugin).version(&self.digest).record);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.of_its_version(|version| version.running = version.running.saturating_sub(1));
        self.tally.lock().tidy(Instant::now());
    }
}

impl Plugins {
    fn of(&mut self, name: &str) -> &mut Counted {
        self.0.entry(name.to_owned()).or_default()
    }

    /// These names and digests are in force, and no others.
    /// Each version that handles jobs is given by its plugin, its digest and how it does.
    fn follow(&mut self, standing: &[(String, String, VersionState)], now: Instant) {
        for (name, digest, state) in standing {
            self.of(name).version(digest).is(*state, now);
        }
        for (name, plugin) in &mut self.0 {
            for version in &mut plugin.versions {
                if !standing.iter().any(|(of, digest, _)| of == name && *digest == version.record.digest) {
                    version.is(VersionState::Draining, now);
                }
            }
        }
        self.tidy(now);
    }

    /// Drops what is neither in force nor runs anything, but for the last versions of a plugin.
    fn tidy(&mut self, now: Instant) {
        self.0.retain(|_, plugin| {
            plugin.retire(now);
            plugin.versions.iter().any(|version| version.record.state < VersionState::Replaced)
        });
    }

    fn report(&self, now: Instant) -> Vec<PluginRecord> {
        let age = |since: Instant| millis(now.saturating_duration_since(since));
        let of = |(name, plugin): (&String, &Counted)| {
            let version = |it: &Version| VersionRecord { age_ms: age(it.since), ..it.record.clone() };
            let mut versions: Vec<_> = plugin.versions.iter().collect();
            versions.sort_by_key(|version| (version.record.state, Reverse(version.since)));
            let versions = versions.into_iter().map(version).collect();
            let refused = plugin.refused.as_ref();
            let refused = refused.map(|(reason, since)| RefusedFile { reason: reason.clone(), age_ms: age(*since) });
            PluginRecord { name: name.clone(), versions, refused }
        };
        self.0.iter().map(of).collect()
    }
}

impl Counted {
    /// The version, whose counts begin now if it is new. A swap is heard of a moment after it was made.
    fn version(&mut self, digest: &str) -> &mut Version {
        let at = self.versions.iter().position(|version| version.record.digest == digest).unwrap_or_else(|| {
            let state = VersionState::Draining;
            let record = VersionRecord { digest: digest.to_owned(), state, ..VersionRecord::default() };
            self.versions.push(Version { record, since: Instant::now() });
            self.versions.len() - 1
        });
        &mut self.versions[at]
    }

    /// Calls those replaced that run nothing any more, and drops all but the last of them.
    fn retire(&mut self, now: Instant) {
        for version in &mut self.versions {
            if version.record.state == VersionState::Draining && version.record.running == 0 {
                version.is(VersionState::Replaced, now);
            }
        }
        let replaced = |version: &&Version| version.record.state == VersionState::Replaced;
        while self.versions.iter().filter(replaced).count() > REPLACED_KEPT {
            let oldest = self.versions.iter().filter(replaced).map(|version| version.since).min();
            let at = self.versions.iter().position(|version| replaced(&version) && Some(version.since) == oldest);
            at.map(|at| self.versions.remove(at));
        }
    }
}

impl Version {
    fn is(&mut self, state: VersionState, now: Instant) {
        // One that is replaced drains no more.
        let settled = self.record.state == VersionState::Replaced && state == VersionState::Draining;
        if self.record.state != state && !settled {
            (self.record.state, self.since) = (state, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jobhost_queue::workers::Measure;
    use jobhost_runtime::Usage;

    use super::*;
    use crate::config::{Config, Request, load};
    use crate::registry::Wanted;

    /// A tally of a worker without plugins, and a folder that it needs.
    async fn tally() -> Arc<Tally> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("jobhost.toml");
        std::fs::write(&file, "").unwrap();
        let config: Config = load(&Request { config: Some(file), ..Request::default() }).unwrap();
        let registry = Registry::load(&config, None, Wanted::All).await.unwrap();
        Arc::new(Tally::new(Arc::new(ArcSwap::from_pointee(registry))))
    }

    fn begin(tally: &Arc<Tally>, plugin: &str, digest: &str) -> Running {
        let running = Running { tally: Arc::clone(tally), plugin: plugin.to_owned(), digest: digest.to_owned() };
        running.of_its_version(|version| version.running += 1);
        running
    }

    fn finished(outcome: Outcome<Result<(), ()>>, micros: u64, memory: u64) -> Finished<Result<(), ()>> {
        let usage = Usage { duration: Duration::from_micros(micros), peak_memory: memory, ..Usage::default() };
        Finished { outcome, usage }
    }

    /// Of each version its digest, state, and how many run.
    fn versions(tally: &Tally, plugin: &str) -> Vec<(String, VersionState, u32)> {
        let report = tally.report(Instant::now());
        let found = report.into_iter().filter(|record| record.name == plugin).flat_map(|record| record.versions);
        found.map(|version| (version.digest, version.state, version.running)).collect()
    }

    fn in_force(tally: &Tally, what: &[(&str, &str)]) {
        let standing =
            |(plugin, digest): &(&str, &str)| ((*plugin).to_owned(), (*digest).to_owned(), VersionState::InForce);
        tally.lock().follow(&what.iter().map(standing).collect::<Vec<_>>(), Instant::now());
    }

    #[tokio::test]
    async fn what_ends_by_itself_is_an_execution_and_what_the_worker_cut_short_is_none() {
        let tally = tally().await;
        in_force(&tally, &[("p", "one")]);
        let outcomes = [
            Outcome::Returned(Ok(())),
            Outcome::Returned(Err(())),
            Outcome::Cancelled,
            Outcome::Unavailable("no room".into()),
        ];
        for (outcome, micros) in outcomes.into_iter().zip([10, 30, 500, 500]) {
            begin(&tally, "p", "one").ended(&finished(outcome, micros, micros * 2));
        }
        let version = tally.report(Instant::now()).remove(0).versions.remove(0);
        assert_eq!((version.executions, version.failures, version.running), (2, 1, 0));
        assert_eq!(version.duration_us, Measure { total: 40, peak: 30 });
        assert_eq!(version.peak_memory_bytes, Measure { total: 80, peak: 60 });
    }

    #[tokio::test]
    async fn a_version_drains_until_its_last_attempt_ends_and_the_last_few_stay_known() {
        use VersionState::{Draining, InForce, Replaced};
        let tally = tally().await;
        in_force(&tally, &[("p", "a")]);
        let (first, second) = (begin(&tally, "p", "a"), begin(&tally, "p", "a"));
        in_force(&tally, &[("p", "b")]);
        assert_eq!(versions(&tally, "p"), [("b".into(), InForce, 0), ("a".into(), Draining, 2)]);
        drop(first);
        assert_eq!(versions(&tally, "p")[1], ("a".into(), Draining, 1));
        drop(second);
        assert_eq!(versions(&tally, "p")[1], ("a".into(), Replaced, 0));
        for digest in ["c", "d", "e"] {
            in_force(&tally, &[("p", digest)]);
        }
        let kept: Vec<_> = versions(&tally, "p").into_iter().map(|(digest, state, _)| (digest, state)).collect();
        assert_eq!(kept, [("e".into(), InForce), ("d".into(), Replaced), ("c".into(), Replaced)]);
    }

    #[tokio::test]
    async fn a_version_that_comes_back_goes_on_with_its_counts_and_is_in_force_since_then() {
        let tally = tally().await;
        in_force(&tally, &[("p", "a")]);
        begin(&tally, "p", "a").ended(&finished(Outcome::Returned(Ok(())), 1, 1));
        in_force(&tally, &[("p", "b")]);
        let back = Instant::now() + Duration::from_mins(1);
        tally.lock().follow(&[("p".to_owned(), "a".to_owned(), VersionState::InForce)], back);
        let report = tally.report(back + Duration::from_secs(2)).remove(0);
        let version = &report.versions[0];
        assert_eq!((version.digest.as_str(), version.executions, version.age_ms), ("a", 1, 2_000));
    }

    #[tokio::test]
    async fn a_plugin_that_is_configured_no_more_goes_with_its_last_attempt() {
        let tally = tally().await;
        in_force(&tally, &[("p", "a"), ("q", "x")]);
        let running = begin(&tally, "p", "a");
        in_force(&tally, &[("q", "x")]);
        assert_eq!(versions(&tally, "p"), [("a".into(), VersionState::Draining, 1)]);
        drop(running);
        assert!(versions(&tally, "p").is_empty());
        assert_eq!(versions(&tally, "q").len(), 1);
    }

    #[tokio::test]
    async fn a_refusal_is_known_until_the_file_can_be_used() {
        let tally = tally().await;
        let refused = |tally: &Tally| tally.report(Instant::now()).remove(0).refused.map(|refused| refused.reason);
        let (plugin, digest) = ("p".to_owned(), "a".to_owned());
        in_force(&tally, &[("p", "a")]);
        tally.hear(&Event::SwapRefused { plugin: plugin.clone(), stays: digest.clone(), reason: "half".into() });
        begin(&tally, "p", "a").ended(&finished(Outcome::Returned(Ok(())), 1, 1));
        tally.hear(&Event::WorkerStarted);
        assert_eq!(refused(&tally).as_deref(), Some("half"));
        tally.hear(&Event::FileRestored { plugin, digest });
        assert_eq!(refused(&tally), None);
    }
}
