//! Attends to one plugin's trial for one worker: brings its counts to the store, looks how the trial stands, and ends it
//! by the rule. What follows for the registry is done by who hears of it. While the store is away counts are kept and
//! nothing is decided.

use std::sync::Arc;
use std::time::Duration;

use jobhost_queue::{Counted, NewTrial, Store, StoreError, Terms, Token, Trial, TrialEnd, TrialName};
use tokio::sync::watch;
use tokio::time::sleep;

use super::rule::{Judgement, Opening, judge, opening};
use crate::canary::{Standing, Tally};

/// How often a trial is looked at, and this worker's attempts are brought to the store.
const EVERY: Duration = Duration::from_secs(1);
/// How often it is looked whether a version goes on trial that is not.
const IDLE: Duration = Duration::from_secs(5);

/// What a worker learns of a trial.
pub(super) enum News {
    /// What the store says of the version. With `Begin` and `Join` it is on trial from now on.
    Opened(Opening, Trial),
    /// It goes on in another way.
    Stands(Standing, Trial),
    /// It is over.
    Over(TrialEnd, Trial),
    /// The store has no record of it any more, but perhaps of another version's.
    Gone(Option<Trial>),
}

/// Whether this worker begins a trial where there is none of the version.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// Also in place of another that goes on: the version came later.
    Now,
    /// Once it is in nobody's way. Its trial went without a verdict.
    Later,
    /// No more, or never: it only joins others.
    Past,
}

/// What can follow a trial.
enum After {
    /// Nothing.
    Nothing,
    /// Another trial, if its file changes elsewhere.
    Verdict,
    /// The same again: there was no verdict.
    Another,
}

/// A version and its part in a trial.
pub(super) struct Attendance {
    pub(super) store: Arc<dyn Store>,
    pub(super) plugin: TrialName,
    /// The version in force.
    pub(super) from: String,
    /// The version in question.
    pub(super) to: String,
    /// A trial that this worker withdraws, if the store has not heard of it yet.
    pub(super) withdrawn: Option<u64>,
    /// For a trial that begins here; none where the worker began with the version, so that it only joins.
    pub(super) terms: Option<Terms>,
    pub(super) tally: Arc<Tally>,
    /// Turns true when the worker stops: then what is counted is brought once more.
    pub(super) stop: watch::Receiver<bool>,
}

impl Attendance {
    /// Attends for as long as the version may be on trial, in one trial after the other if need be.
    pub(super) async fn attend(mut self, tell: impl Fn(News)) {
        let mut complaint = Complaint::default();
        let mut turn = if self.terms.is_some() { Turn::Now } else { Turn::Past };
        let mut known = 0;
        while !*self.stop.borrow() {
            match self.open(turn, known).await {
                Ok(Some((opening, trial))) => {
                    complaint.is_over();
                    turn = Turn::Past;
                    known = trial.number;
                    let goes_on = matches!(opening, Opening::Begin | Opening::Join);
                    // What is left of an earlier trial.
                    self.tally.take();
                    tell(News::Opened(opening, trial));
                    if matches!(opening, Opening::Proven | Opening::GoneBack) {
                        return;
                    }
                    if goes_on {
                        match self.see_through(known, &mut complaint, &tell).await {
                            After::Nothing => return,
                            After::Verdict => {}
                            After::Another => {
                                // Where the store has lost everything, numbers begin anew.
                                known = 0;
                                turn = if self.terms.is_some() { Turn::Later } else { Turn::Past };
                            }
                        }
                    }
                }
                Ok(None) => complaint.is_over(),
                // Nothing waits for it.
                Err(error) if turn == Turn::Past && error.is_transient() => {}
                Err(error) => complaint.tell(&self.plugin, &error),
            }
            self.pause(if turn == Turn::Past { IDLE } else { EVERY }).await;
        }
    }

    /// What the store says of the version, if it says what is not `known` yet; begins a trial if that is to be done.
    async fn open(&self, turn: Turn, known: u64) -> Result<Option<(Opening, Trial)>, StoreError> {
        let mut latest = self.store.trial(&self.plugin).await?;
        let begins = match turn {
            Turn::Now => true,
            Turn::Later => latest.as_ref().is_none_or(is_in_nobodys_way),
            Turn::Past => false,
        };
        let withdrawn = Some(TrialEnd::Withdrawn);
        let still_there =
            |trial: &Trial| Some(trial.number) == self.withdrawn && trial.end.map(|(end, _)| end) != withdrawn;
        if let Some(trial) = latest.take_if(|trial| still_there(trial)) {
            self.store.end_trial(&self.plugin, trial.number, None, TrialEnd::Withdrawn).await?;
            latest = self.store.trial(&self.plugin).await?;
        }
        let opening = opening(latest.as_ref(), &self.from, &self.to);
        if let (Opening::Begin, true, Some(terms)) = (opening, begins, self.terms) {
            let revision = latest.map_or(0, |trial| trial.revision);
            let new = NewTrial { from: self.from.clone(), to: self.to.clone(), terms };
            if !self.store.begin_trial(&self.plugin, &new, revision).await? {
                return Ok(None);
            }
            let begun = self.store.trial(&self.plugin).await?.filter(|trial| trial.to == self.to);
            return Ok(begun.map(|trial| (Opening::Begin, trial)));
        }
        let Some(trial) = latest.filter(|trial| trial.number != known) else { return Ok(None) };
        if opening == Opening::GoneBack && begins {
            self.store.end_trial(&self.plugin, trial.number, None, TrialEnd::Withdrawn).await?;
        }
        let news = match opening {
            Opening::Join | Opening::RolledBack => true,
            // A worker that began with the version has it in force.
            Opening::Proven => self.terms.is_some(),
            Opening::GoneBack => begins,
            Opening::Begin => false,
        };
        Ok(news.then_some((opening, trial)))
    }

    /// From the beginning of a trial to its end.
    async fn see_through(&mut self, number: u64, complaint: &mut Complaint, tell: &impl Fn(News)) -> After {
        let mut standing = Standing::Running;
        let mut pending = None;
        loop {
            self.pause(EVERY).await;
            let stopping = *self.stop.borrow();
            let looked = self.look(number, &mut pending).await;
            if stopping {
                return After::Nothing;
            }
            let trial = match looked {
                Ok(trial) => trial,
                Err(error) => {
                    complaint.tell(&self.plugin, &error);
                    continue;
                }
            };
            complaint.is_over();
            let trial = match trial {
                Some(trial) if trial.number == number => trial,
                other => {
                    tell(News::Gone(other));
                    return After::Another;
                }
            };
            match (trial.end, judge(&trial)) {
                (Some((end, _)), _) => {
                    tell(News::Over(end, trial));
                    return if end == TrialEnd::Promoted { After::Nothing } else { After::Verdict };
                }
                (None, Judgement::GoesOn(now)) if now != standing => {
                    standing = now;
                    tell(News::Stands(now, trial));
                }
                _ => {}
            }
        }
    }

    /// Brings what was counted, and ends the trial if it is to end. Returns the latest, which may be another.
    async fn look(&self, number: u64, pending: &mut Option<(Token, Counted)>) -> Result<Option<Trial>, StoreError> {
        if pending.is_none() {
            *pending = Some((Token::random(), self.tally.take())).filter(|(_, counts)| !counts.is_empty());
        }
        if let Some((token, counts)) = &*pending {
            // One that has ended takes none, and needs none.
            self.store.count_attempts(&self.plugin, number, token.clone(), *counts).await?;
            *pending = None;
        }
        let trial = self.store.trial(&self.plugin).await?;
        if let Some(trial) = &trial
            && trial.number == number
            && trial.end.is_none()
            && let Judgement::Ends(end) = judge(trial)
        {
            // Where somebody has counted or ended it meanwhile, what is so now is looked at.
            self.store.end_trial(&self.plugin, number, Some(trial.revision), end).await?;
            return self.store.trial(&self.plugin).await;
        }
        Ok(trial)
    }

    async fn pause(&mut self, time: Duration) {
        tokio::select! {
            () = sleep(time) => {}
            _ = self.stop.wait_for(|stop| *stop) => {}
        }
    }
}

/// Whether a trial is over, or waits in vain for attempts: perhaps no worker has its version any more.
fn is_in_nobodys_way(trial: &Trial) -> bool {
    trial.end.is_some() || judge(trial) == Judgement::GoesOn(Standing::Held)
}

/// Ends a trial without a verdict, when the store takes it.
pub(super) async fn withdraw(store: Arc<dyn Store>, plugin: TrialName, number: u64, mut stop: watch::Receiver<bool>) {
    let mut complaint = Complaint::default();
    loop {
        match store.end_trial(&plugin, number, None, TrialEnd::Withdrawn).await {
            Ok(_) => return,
            Err(error) => complaint.tell(&plugin, &error),
        }
        tokio::select! {
            () = sleep(EVERY) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

/// What is wrong with the store, told once.
#[derive(Default)]
struct Complaint(Option<String>);

impl Complaint {
    fn tell(&mut self, plugin: &TrialName, error: &StoreError) {
        let text = error.to_string();
        if self.0.as_ref() != Some(&text) {
            tracing::warn!(%plugin, %error, "the trial waits: attempts are counted here until the store takes them");
            self.0 = Some(text);
        }
    }

    fn is_over(&mut self) {
        self.0 = None;
    }
}
