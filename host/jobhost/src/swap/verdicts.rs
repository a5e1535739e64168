//! What follows for the registry from the news of a trial, and who is told. The news themselves come from the store.

use jobhost_queue::{Counted, Trial, TrialEnd, Tries};

use super::attend::News;
use super::candidates::{Candidate, Candidates};
use super::rule::{LEAST_ATTEMPTS, Opening};
use super::{Swap, lines, told as asks};
use crate::canary::{Canary, Standing};
use crate::config::{show_duration, show_factor, show_share};
use crate::worker::events::{Event, TrialEvent, TrialState};

/// Tells a worker's part in a trial that it began with nothing but the new version.
const NOTHING_ELSE: &str =
    "this worker began with it and has no other version: it handles all of the plugin's jobs here";

impl Swap {
    /// Puts in force what a trial has come to.
    pub(super) fn hear(&self, plugin: &str, news: News, candidates: &mut Candidates) {
        let Some(candidate) = candidates.get_mut(plugin) else { return };
        let mut heard = Heard::Taken;
        if let News::Opened(_, trial) | News::Stands(_, trial) | News::Over(_, trial) = &news {
            candidate.trial = Some(trial.clone());
        }
        match news {
            News::Opened(Opening::Begin | Opening::Join, trial) => self.begin(candidate, &trial),
            News::Opened(Opening::RolledBack, trial) => heard = self.refuse_rolled_back(candidate, &trial),
            News::Opened(Opening::Proven, trial) => {
                let reason = format!("it was promoted before: {}", compared(trial.counts));
                heard = self.promote(candidate, &trial, reason);
                candidates.drop(plugin);
            }
            News::Opened(Opening::GoneBack, _) => {
                heard = self.put_in_force(candidate);
                candidates.drop(plugin);
            }
            News::Stands(standing, trial) => self.stands(candidate, &trial, standing),
            News::Over(TrialEnd::Promoted, trial) => {
                heard = self.promote(candidate, &trial, compared(trial.counts));
                candidates.drop(plugin);
            }
            News::Over(TrialEnd::RolledBack, trial) => heard = self.roll_back(candidate, &trial),
            News::Over(TrialEnd::Withdrawn, _) => {
                self.leave(
                    candidate,
                    "another worker has withdrawn it: its file went back there, or its terms have changed",
                );
            }
            News::Gone(Some(_)) => {
                self.leave(candidate, "another version is on trial on other workers");
            }
            News::Gone(None) => self.leave(candidate, "the store has no record of it any more"),
        }
        if heard == Heard::Refused {
            candidates.refused.insert(plugin.to_owned());
        }
    }

    /// Takes a version out of its trial, if it is on one, without a verdict.
    pub(super) fn leave(&self, candidate: &Candidate, reason: &str) {
        let registry = self.registry.load_full();
        if registry.canary(candidate.version.name()).is_some() {
            self.forget(candidate, reason);
        }
    }

    /// The same with one that may be over: nothing speaks against the version any more.
    pub(super) fn forget(&self, candidate: &Candidate, reason: &str) {
        let (name, version) = (candidate.version.name(), candidate.version.digest());
        let Some(trial) = &candidate.trial else { return };
        self.registry.store(self.registry.load().with_canary(name, None).into());
        if trial.end.is_none() {
            tracing::info!(plugin = name, version, reason, "the trial is over without a verdict");
        } else {
            tracing::info!(plugin = name, version, reason, "the version may be tried again");
        }
        self.tell(candidate, trial, TrialState::Ended, reason.to_owned());
    }

    fn begin(&self, candidate: &Candidate, trial: &Trial) {
        let (name, share) = (candidate.version.name(), trial.terms.share);
        let canary = Canary {
            version: candidate.version.clone(),
            from: trial.from.clone(),
            share,
            standing: Standing::Running,
            tally: candidate.tally.clone(),
        };
        self.registry.store(self.registry.load().with_canary(name, Some(canary)).into());
        let version = candidate.version.digest();
        let reason = if candidate.arrived {
            tracing::warn!(plugin = name, version, "the version is on trial; {NOTHING_ELSE}");
            NOTHING_ELSE.to_owned()
        } else {
            let length = show_duration(std::time::Duration::from_millis(trial.terms.length));
            let (share, factor) = (show_share(share), show_factor(trial.terms.factor));
            let reason = format!("{share} of the jobs for {length}, then all if they fail at most {factor} as often");
            tracing::info!(plugin = name, version, reason, "a new version is on trial");
            reason
        };
        if !candidate.more.is_empty() {
            tracing::warn!(plugin = name, version, "the version on trial {}", asks(&candidate.more));
        }
        self.tell(candidate, trial, TrialState::Begun, reason);
    }

    fn stands(&self, candidate: &Candidate, trial: &Trial, standing: Standing) {
        let name = candidate.version.name();
        let registry = self.registry.load_full();
        if let Some(canary) = registry.canary(name) {
            let canary = Canary { standing, ..Canary::clone(canary) };
            self.registry.store(registry.with_canary(name, Some(canary)).into());
        }
        let few =
            format!("{} of {LEAST_ATTEMPTS} attempts without which there is no verdict", trial.counts.new.attempts);
        let state = match standing {
            Standing::Running => return,
            Standing::Extended => TrialState::Extended,
            Standing::Held => {
                tracing::warn!(
                    plugin = name,
                    version = candidate.version.digest(),
                    reason = few,
                    "the trial is held: the new version keeps its share until it has enough attempts; raise `canary`, or remove it to put the version in force, and send SIGHUP"
                );
                TrialState::Held
            }
        };
        self.tell(candidate, trial, state, few);
    }

    fn promote(&self, candidate: &Candidate, trial: &Trial, reason: String) -> Heard {
        let (name, version) = (candidate.version.name(), candidate.version.digest());
        tracing::info!(plugin = name, version, reason, "the version on trial is promoted");
        if candidate.arrived {
            self.registry.store(self.registry.load().with_canary(name, None).into());
        } else if self.put_in_force(candidate) == Heard::Refused {
            return Heard::Refused;
        }
        self.tell(candidate, trial, TrialState::Promoted, reason);
        Heard::Taken
    }

    fn put_in_force(&self, candidate: &Candidate) -> Heard {
        let name = candidate.version.name();
        let from = self.in_force(name);
        let registry = self.registry.load_full();
        match registry.with(&self.config, &candidate.version) {
            Ok(registry) => {
                self.registry.store(registry.into());
                self.tell_of_swap(&candidate.version, from, candidate.more.clone());
                Heard::Taken
            }
            // The configuration may be another than when the trial began.
            Err(problems) => {
                self.registry.store(registry.with_canary(name, None).into());
                self.refuse(name, &lines(&problems));
                Heard::Refused
            }
        }
    }

    fn roll_back(&self, candidate: &Candidate, trial: &Trial) -> Heard {
        let (name, version) = (candidate.version.name(), candidate.version.digest());
        self.registry.store(self.registry.load().with_canary(name, None).into());
        let mut reason = compared(trial.counts);
        if candidate.arrived {
            reason = format!("{reason}; {NOTHING_ELSE}; put another file in its place");
        }
        tracing::error!(
            plugin = name,
            version,
            reason,
            "the version on trial is rolled back, and not tried again until its file changes"
        );
        self.tell(candidate, trial, TrialState::RolledBack, reason);
        if candidate.arrived { Heard::Taken } else { Heard::Refused }
    }

    /// A version that was rolled back before this worker met it.
    fn refuse_rolled_back(&self, candidate: &Candidate, trial: &Trial) -> Heard {
        let name = candidate.version.name();
        if candidate.arrived {
            let compared = compared(trial.counts);
            let reason =
                format!("this version was rolled back: {compared}; {NOTHING_ELSE}; put another file in its place");
            tracing::error!(
                plugin = name,
                version = candidate.version.digest(),
                reason,
                "a version that was rolled back is in force"
            );
            self.tell(candidate, trial, TrialState::RolledBack, reason);
            return Heard::Taken;
        }
        self.refuse(name, &was_rolled_back(&compared(trial.counts)));
        Heard::Refused
    }

    fn tell(&self, candidate: &Candidate, trial: &Trial, state: TrialState, reason: String) {
        let name = candidate.version.name();
        let more = if state == TrialState::Begun { candidate.more.clone() } else { Vec::new() };
        let event = TrialEvent {
            plugin: name.to_owned(),
            state,
            from: trial.from.clone(),
            to: trial.to.clone(),
            in_force: self.in_force(name),
            share: trial.terms.share,
            counts: trial.counts,
            reason,
            more,
        };
        self.events.tell(&Event::Trial(Box::new(event)));
    }
}

/// What follows from the news for the version's file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Heard {
    /// It may be used.
    Taken,
    /// It is refused from now on.
    Refused,
}

/// Why a version is refused that was rolled back, by how it did.
pub(crate) fn was_rolled_back(compared: &str) -> String {
    format!("this version was rolled back: {compared}; it is not tried again until its file changes")
}

/// Both versions, for people.
pub(super) fn compared(counts: Counted) -> String {
    let of = |tries: Tries| format!("{} of {} attempts failed", tries.failures, tries.attempts);
    format!("{}, and {} on the version before", of(counts.new), of(counts.old))
}
