//! What the plugins of several workers did, by version. Silent workers are for the caller to leave out.

use std::collections::BTreeMap;

use jobhost_queue::UnixMillis;
use jobhost_queue::workers::{Measure, PluginRecord, SeenWorker, VersionState};

/// One plugin on all workers.
#[derive(Debug, Default)]
pub(super) struct PluginSum {
    /// Its configured name.
    pub(super) name: String,
    /// Those in force first, then those that drain, each the most recent first.
    pub(super) versions: Vec<VersionSum>,
    /// Files that are refused, by reason.
    pub(super) refused: Vec<Refusal>,
}

/// One version of it.
#[derive(Debug)]
pub(super) struct VersionSum {
    pub(super) digest: String,
    /// Where it stands, and on which workers (`host:pid`).
    pub(super) states: BTreeMap<VersionState, Vec<String>>,
    /// Since when the first worker has it where the foremost of these have it.
    pub(super) since_at: UnixMillis,
    pub(super) running: u64,
    pub(super) executions: u64,
    pub(super) failures: u64,
    pub(super) duration_us: Measure,
    pub(super) peak_memory_bytes: Measure,
    pub(super) fuel: Measure,
}

/// A file that cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) reason: String,
    pub(super) since_at: UnixMillis,
    /// Where (`host:pid`).
    pub(super) workers: Vec<String>,
}

impl PluginSum {
    /// The digests in force with their workers: more than one if workers disagree.
    pub(super) fn in_force(&self) -> Vec<(&str, &[String])> {
        let of = |version: &'_ VersionSum| version.states.contains_key(&VersionState::InForce);
        let versions = self.versions.iter().filter(|version| of(version));
        versions.map(|version| (version.digest.as_str(), &version.states[&VersionState::InForce][..])).collect()
    }

    fn add(&mut self, worker: &SeenWorker, plugin: &PluginRecord) {
        let who = format!("{}:{}", worker.record.host, worker.record.pid);
        for version in &plugin.versions {
            let since_at = worker.at(version.age_ms);
            let at = self.versions.iter().position(|sum| sum.digest == version.digest).unwrap_or_else(|| {
                self.versions.push(VersionSum::new(&version.digest));
                self.versions.len() - 1
            });
            let sum = &mut self.versions[at];
            match sum.foremost() {
                Some(foremost) if foremost < version.state => {}
                Some(foremost) if foremost == version.state => sum.since_at = sum.since_at.min(since_at),
                _ => sum.since_at = since_at,
            }
            sum.states.entry(version.state).or_default().push(who.clone());
            sum.running += u64::from(version.running);
            sum.executions = sum.executions.saturating_add(version.executions);
            sum.failures = sum.failures.saturating_add(version.failures);
            sum.duration_us.merge(version.duration_us);
            sum.peak_memory_bytes.merge(version.peak_memory_bytes);
            sum.fuel.merge(version.fuel);
        }
        if let Some(refused) = &plugin.refused {
            let since_at = worker.at(refused.age_ms);
            if let Some(known) = self.refused.iter_mut().find(|known| known.reason == refused.reason) {
                known.since_at = known.since_at.min(since_at);
                known.workers.push(who);
            } else {
                let (reason, workers) = (refused.reason.clone(), vec![who]);
                self.refused.push(Refusal { reason, since_at, workers });
            }
        }
    }
}

impl VersionSum {
    fn new(digest: &str) -> Self {
        Self {
            digest: digest.to_owned(),
            states: BTreeMap::new(),
            since_at: 0,
            running: 0,
            executions: 0,
            failures: 0,
            duration_us: Measure::default(),
            peak_memory_bytes: Measure::default(),
            fuel: Measure::default(),
        }
    }

    fn foremost(&self) -> Option<VersionState> {
        self.states.keys().next().copied()
    }
}

/// What these workers say together, by the plugins' names.
pub(super) fn sums<'w>(workers: impl Iterator<Item = &'w SeenWorker>) -> Vec<PluginSum> {
    let mut plugins: BTreeMap<&str, PluginSum> = BTreeMap::new();
    for worker in workers {
        for plugin in &worker.record.plugins {
            plugins.entry(&plugin.name).or_default().add(worker, plugin);
        }
    }
    let named = plugins.into_iter().map(|(name, mut sum)| {
        name.clone_into(&mut sum.name);
        sum.versions.sort_by(|one, other| {
            one.foremost().cmp(&other.foremost()).then_with(|| other.since_at.cmp(&one.since_at))
        });
        sum
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jobhost_queue::WorkerRecord;
    use jobhost_queue::workers::{RefusedFile, VersionRecord};

    use super::*;

    const NOW: u64 = 1_000_000;

    fn version(digest: &str, state: VersionState, age_ms: u64, costs: &[u64]) -> VersionRecord {
        let mut record = VersionRecord { digest: digest.into(), state, age_ms, running: 1, ..VersionRecord::default() };
        for cost in costs {
            record.executions += 1;
            record.failures += cost % 2;
            record.duration_us.add(*cost);
            record.peak_memory_bytes.add(cost * 10);
        }
        record
    }

    fn worker(pid: u32, versions: Vec<VersionRecord>, refused: Option<(&str, u64)>) -> SeenWorker {
        let refused = refused.map(|(reason, age_ms)| RefusedFile { reason: reason.into(), age_ms });
        let plugins = vec![PluginRecord { name: "p".into(), versions, refused }];
        let record = WorkerRecord { host: "h".into(), pid, plugins, ..WorkerRecord::default() };
        SeenWorker { record, seen_at: NOW, age: Duration::ZERO }
    }

    #[test]
    fn counts_are_added_averages_are_weighted_and_peaks_are_the_highest() {
        use VersionState::InForce;
        // Two cheap executions on one worker, one dear one on the other: the average is not that of averages.
        let workers = [
            worker(1, vec![version("a", InForce, 10, &[2, 4])], None),
            worker(2, vec![version("a", InForce, 30, &[99])], None),
        ];
        let sum = &sums(workers.iter())[0];
        assert_eq!((sum.name.as_str(), sum.versions.len()), ("p", 1));
        let version = &sum.versions[0];
        assert_eq!((version.running, version.executions, version.failures), (2, 3, 1));
        assert_eq!((version.duration_us.average(version.executions), version.duration_us.peak), (35, 99));
        assert_eq!((version.peak_memory_bytes.average(3), version.peak_memory_bytes.peak), (350, 990));
        assert_eq!(version.since_at, NOW - 30);
        assert_eq!(sum.in_force(), [("a", &["h:1".to_owned(), "h:2".to_owned()][..])]);
    }

    #[test]
    fn a_version_that_stands_differently_on_workers_is_one_line_and_in_force_since_the_first_has_it() {
        use VersionState::{Draining, InForce, Replaced};
        let workers = [
            worker(1, vec![version("new", InForce, 5, &[]), version("old", Draining, 5, &[1])], None),
            worker(2, vec![version("old", InForce, 900, &[1]), version("older", Replaced, 900, &[])], None),
            worker(3, vec![version("old", InForce, 800, &[])], None),
        ];
        let sum = &sums(workers.iter())[0];
        let order: Vec<_> = sum.versions.iter().map(|version| (version.digest.as_str(), version.since_at)).collect();
        assert_eq!(order, [("new", NOW - 5), ("old", NOW - 900), ("older", NOW - 900)]);
        let states: Vec<_> = sum.versions[1].states.iter().map(|(state, workers)| (*state, workers.len())).collect();
        assert_eq!(states, [(InForce, 2), (Draining, 1)]);
        let in_force: Vec<_> = sum.in_force().iter().map(|(digest, workers)| (*digest, workers.len())).collect();
        assert_eq!(in_force, [("new", 1), ("old", 2)], "the workers disagree");
    }

    #[test]
    fn refusals_of_one_reason_are_one_and_plugins_come_in_order_of_their_names() {
        let mut workers = [
            worker(1, Vec::new(), Some(("half of it", 10))),
            worker(2, Vec::new(), Some(("half of it", 50))),
            worker(3, Vec::new(), Some(("not a component", 1))),
            worker(4, Vec::new(), None),
        ];
        workers[3].record.plugins[0].name = "a".into();
        let sums = sums(workers.iter());
        assert_eq!(sums.iter().map(|sum| sum.name.as_str()).collect::<Vec<_>>(), ["a", "p"]);
        let both = vec!["h:1".to_owned(), "h:2".to_owned()];
        assert_eq!(sums[1].refused[0], Refusal { reason: "half of it".into(), since_at: NOW - 50, workers: both });
        assert_eq!(sums[1].refused.len(), 2);
    }
}
