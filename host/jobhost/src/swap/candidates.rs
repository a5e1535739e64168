//! The versions that are on trial here, or were, or wait for the store's word: each with the task that attends to it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jobhost_queue::{Store, Terms, Trial, TrialEnd, TrialName};
use jobhost_runtime::Plugin;
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

use super::attend::{Attendance, News, withdraw};
use super::upgrade::More;
use crate::canary::Tally;

/// How long the last counts may take when the worker stops.
const LAST_COUNTS: Duration = Duration::from_secs(1);

/// A version that is not simply in force.
pub(super) struct Candidate {
    pub(super) version: Plugin,
    /// What it asks for that the version in force does not.
    pub(super) more: Vec<More>,
    pub(super) tally: Arc<Tally>,
    /// Whether the worker began with it, so that it has no other.
    pub(super) arrived: bool,
    /// The latest trial of it, as the store told of it last.
    pub(super) trial: Option<Trial>,
    /// Tells its news from those of an earlier candidate.
    generation: u64,
    attending: AbortHandle,
}

impl Candidate {
    /// The trial after which it was rolled back, unless it is in force all the same.
    pub(super) fn rolled_back(&self) -> Option<&Trial> {
        let rolled_back = |trial: &&Trial| trial.end.is_some_and(|(end, _)| end == TrialEnd::RolledBack);
        self.trial.as_ref().filter(rolled_back).filter(|_| !self.arrived)
    }

    /// Whether it is on a trial that was not begun by these terms and has not ended.
    pub(super) fn goes_by_others(&self, terms: Option<Terms>) -> bool {
        let trial = self.trial.as_ref().filter(|_| !self.arrived);
        trial.is_some_and(|trial| trial.end.is_none() && Some(trial.terms) != terms)
    }
}

/// The candidates, at most one for each plugin.
pub(super) struct Candidates {
    store: Arc<dyn Store>,
    all: HashMap<String, Candidate>,
    /// Plugins whose files were refused for what became of a trial, until they can be used.
    pub(super) refused: HashSet<String>,
    /// The latest trial of each plugin that was withdrawn here.
    withdrawn: HashMap<String, u64>,
    generation: u64,
    tasks: JoinSet<()>,
    stop: watch::Sender<bool>,
    tell: mpsc::UnboundedSender<(String, u64, News)>,
    told: mpsc::UnboundedReceiver<(String, u64, News)>,
}

impl Candidates {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        let (tell, told) = mpsc::unbounded_channel();
        Self {
            store,
            all: HashMap::new(),
            refused: HashSet::new(),
            withdrawn: HashMap::new(),
            generation: 0,
            tasks: JoinSet::new(),
            stop: watch::channel(false).0,
            tell,
            told,
        }
    }

    pub(super) fn get(&self, plugin: &str) -> Option<&Candidate> {
        self.all.get(plugin)
    }

    pub(super) fn get_mut(&mut self, plugin: &str) -> Option<&mut Candidate> {
        self.all.get_mut(plugin)
    }

    /// The plugins that have one.
    pub(super) fn plugins(&self) -> Vec<String> {
        self.all.keys().cloned().collect()
    }

    /// Asks the store about a version that would replace the one with digest `from`. Without `terms` it is what the
    /// worker began with, and the store is only asked whether it is or was on trial.
    pub(super) fn add(&mut self, version: Plugin, from: &str, terms: Option<Terms>, more: Vec<More>) {
        let plugin = version.name().to_owned();
        self.drop(&plugin);
        // Names of plugins are such names.
        let Ok(name) = TrialName::new(&plugin) else { return };
        self.generation += 1;
        let (generation, tell, tally) = (self.generation, self.tell.clone(), Arc::<Tally>::default());
        let attendance = Attendance {
            store: Arc::clone(&self.store),
            plugin: name,
            from: from.to_owned(),
            to: version.digest().to_owned(),
            withdrawn: self.withdrawn.get(&plugin).copied(),
            terms,
            tally: Arc::clone(&tally),
            stop: self.stop.subscribe(),
        };
        let of = plugin.clone();
        let attending = self.tasks.spawn(attendance.attend(move |news| {
            // Nobody hears it any more when the worker stops.
            let _ = tell.send((of.clone(), generation, news));
        }));
        let candidate =
            Candidate { version, more, tally, arrived: terms.is_none(), trial: None, generation, attending };
        self.all.insert(plugin, candidate);
    }

    /// Attends no longer.
    pub(super) fn drop(&mut self, plugin: &str) -> Option<Candidate> {
        let candidate = self.all.remove(plugin)?;
        candidate.attending.abort();
        Some(candidate)
    }

    /// The same, and ends the trial for all workers.
    pub(super) fn withdraw(&mut self, plugin: &str) -> Option<Candidate> {
        let candidate = self.drop(plugin)?;
        if let (Some(trial), Ok(name)) = (&candidate.trial, TrialName::new(plugin)) {
            self.withdrawn.insert(plugin.to_owned(), trial.number);
            self.tasks.spawn(withdraw(Arc::clone(&self.store), name, trial.number, self.stop.subscribe()));
        }
        Some(candidate)
    }

    /// The next news of a candidate that there still is. It may be dropped at any await.
    pub(super) async fn news(&mut self) -> (String, News) {
        loop {
            tokio::select! {
                Some((plugin, generation, news)) = self.told.recv() => {
                    if self.all.get(&plugin).is_some_and(|candidate| candidate.generation == generation) {
                        return (plugin, news);
                    }
                }
                Some(Err(ended)) = self.tasks.join_next() => {
                    if ended.is_panic() {
                        tracing::error!(error = %ended, "nobody attends to a plugin's trial any more, which is a bug; restart the worker");
                    }
                }
                // `told` never ends, as one sender is here.
                else => std::future::pending().await,
            }
        }
    }

    /// Brings what was counted last, if the store takes it soon.
    pub(super) async fn end(mut self) {
        self.stop.send_replace(true);
        let all = async { while self.tasks.join_next().await.is_some() {} };
        let _ = timeout(LAST_COUNTS, all).await;
    }
}
