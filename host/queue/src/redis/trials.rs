//! Trials: one hash for each plugin, and the receipts of its counts.

use async_trait::async_trait;
use redis::{Script, ScriptInvocation};

use super::encode::check_token;
use super::{RedisStore, keys, scripts};
use crate::error::StoreError;
use crate::job::Token;
use crate::trials::{Counted, NewTrial, Terms, Trial, TrialEnd, TrialName, Trials, Tries};

#[async_trait]
impl Trials for RedisStore {
    async fn trial(&self, plugin: &TrialName) -> Result<Option<Trial>, StoreError> {
        let reply: Vec<Option<String>> = self.invoke(&self.trial_call(&scripts::TRIAL, plugin)).await?;
        if matches!(reply.get(1), Some(None)) {
            return Ok(None);
        }
        let spoiled = || {
            let place = keys::trial(plugin).next().map(|key| format!("key `{key}`")).unwrap_or_default();
            self.connection.corrupt(place, "it is no record of a trial; delete it")
        };
        read(&reply).map(Some).ok_or_else(spoiled)
    }

    async fn begin_trial(&self, plugin: &TrialName, new: &NewTrial, revision: u64) -> Result<bool, StoreError> {
        new.check()?;
        let mut call = self.trial_call(&scripts::TRIAL_CHANGE, plugin);
        let Terms { share, length, factor } = new.terms;
        call.arg("begin").arg(revision).arg(&new.from).arg(&new.to).arg(share).arg(length).arg(factor);
        self.changed(&call).await
    }

    async fn count_attempts(
        &self,
        plugin: &TrialName,
        number: u64,
        token: Token,
        counts: Counted,
    ) -> Result<bool, StoreError> {
        check_token(&token)?;
        let mut call = self.trial_call(&scripts::TRIAL_CHANGE, plugin);
        call.arg("count").arg(number).arg(token.as_str());
        for tries in [counts.old, counts.new] {
            call.arg(tries.attempts).arg(tries.failures);
        }
        self.changed(&call).await
    }

    async fn end_trial(
        &self,
        plugin: &TrialName,
        number: u64,
        revision: Option<u64>,
        end: TrialEnd,
    ) -> Result<bool, StoreError> {
        let mut call = self.trial_call(&scripts::TRIAL_CHANGE, plugin);
        let revision = revision.map(|revision| revision.to_string()).unwrap_or_default();
        call.arg("end").arg(number).arg(revision).arg(end.as_str());
        self.changed(&call).await
    }
}

impl RedisStore {
    fn trial_call<'s>(&self, script: &'s Script, plugin: &TrialName) -> ScriptInvocation<'s> {
        let mut call = script.prepare_invoke();
        for key in keys::trial(plugin) {
            call.key(key);
        }
        call.arg(self.clock.overridden().map_or_else(String::new, |now| now.to_string()));
        call
    }

    async fn changed(&self, call: &ScriptInvocation<'_>) -> Result<bool, StoreError> {
        Ok(self.invoke::<String>(call).await? == "1")
    }
}

/// A record as `trial.lua` returns it.
fn read(reply: &[Option<String>]) -> Option<Trial> {
    let text = |at: usize| reply.get(at)?.clone();
    let number = |at: usize| text(at)?.parse::<u64>().ok();
    // What was never added to is not there.
    let counted = |at: usize| reply.get(at)?.as_ref().map_or(Some(0), |digits| digits.parse().ok());
    let tries = |at: usize| Some(Tries { attempts: counted(at)?, failures: counted(at + 1)? });
    let narrow = |at: usize| u32::try_from(number(at)?).ok();
    let end = match text(13) {
        None => None,
        Some(end) => Some((TrialEnd::from_stored(&end)?, number(14)?)),
    };
    Some(Trial {
        now: number(0)?,
        number: number(1)?,
        revision: number(2)?,
        from: text(3)?,
        to: text(4)?,
        terms: Terms { share: narrow(5)?, length: number(6)?, factor: narrow(7)? },
        began_at: number(8)?,
        counts: Counted { old: tries(9)?, new: tries(11)? },
        end,
    })
}
