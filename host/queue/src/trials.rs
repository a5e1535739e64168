//! The contract of trials: a plugin's new version has a share of the jobs first, and the attempts of all workers are
//! counted in one place, so that all come to the same end. What both stores promise of it is here, as tests in
//! `conformance`; when a trial ends, and how, is decided elsewhere.

use std::fmt;

use async_trait::async_trait;

use crate::clock::UnixMillis;
use crate::error::StoreError;
use crate::job::Token;

/// Bytes of the longest name of a plugin.
const MAX_NAME: usize = 100;
/// Bytes of the longest name of a version.
const MAX_DIGEST: usize = 200;

/// Trials of plugins, outside of every channel. The store keeps the latest one of each plugin.
///
/// Each call takes effect whole or not at all, and what it wrote is seen by every call that begins after it.
#[async_trait]
pub trait Trials: Send + Sync + 'static {
    /// The plugin's latest trial, ended or not.
    async fn trial(&self, plugin: &TrialName) -> Result<Option<Trial>, StoreError>;

    /// Begins a trial in place of the latest one, unless that has changed since the look that saw `revision` (0 where
    /// there was none). Answers whether it did. After a lost answer, look.
    async fn begin_trial(&self, plugin: &TrialName, new: &NewTrial, revision: u64) -> Result<bool, StoreError>;

    /// Adds attempts to the trial with this number, if it is the latest and has not ended; answers whether it did.
    async fn count_attempts(
        &self,
        plugin: &TrialName,
        number: u64,
        token: Token,
        counts: Counted,
    ) -> Result<bool, StoreError>;

    /// Ends the trial with this number if nothing has changed since the look that saw `revision`, or, without one,
    /// however often it has changed or ended. Answers whether it did. After a lost answer, look.
    async fn end_trial(
        &self,
        plugin: &TrialName,
        number: u64,
        revision: Option<u64>,
        end: TrialEnd,
    ) -> Result<bool, StoreError>;
}

/// The plugin whose trials are meant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TrialName(String);

impl TrialName {
    /// 1 to 100 ASCII letters, digits, `.`, `_` and `-`.
    pub fn new(name: &str) -> Result<Self, StoreError> {
        let right = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if !name.is_empty() && name.len() <= MAX_NAME && name.chars().all(right) {
            return Ok(Self(name.to_owned()));
        }
        let shown: String = name.escape_debug().take(120).collect();
        Err(StoreError::Invalid(format!("`{shown}` names no plugin; use up to 100 ASCII letters, digits and . _ -")))
    }

    /// The plugin's name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TrialName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A trial that is to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTrial {
    /// The version that was in force, up to 200 bytes of ASCII without spaces.
    pub from: String,
    /// The version on trial, likewise.
    pub to: String,
    /// By what it goes.
    pub terms: Terms,
}

/// What a trial goes by, for everybody who takes part in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The share of the jobs that the new version has, in millionths: 1 to 1,000,000.
    pub share: u32,
    /// How long it lasts, in milliseconds.
    pub length: u64,
    /// How many times the failures of the old version the new one may have, in thousandths.
    pub factor: u32,
}

/// A trial as the store has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// No other trial of the plugin has it; later ones have higher ones.
    pub number: u64,
    /// Higher after every change.
    pub revision: u64,
    /// The version that was in force.
    pub from: String,
    /// The version on trial.
    pub to: String,
    /// By what it goes.
    pub terms: Terms,
    /// When it began, by the store's time.
    pub began_at: UnixMillis,
    /// The store's time at this look.
    pub now: UnixMillis,
    /// What was counted so far.
    pub counts: Counted,
    /// How it ended, and when; none while it runs.
    pub end: Option<(TrialEnd, UnixMillis)>,
}

/// Attempts of both versions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counted {
    /// Of the version that was in force.
    pub old: Tries,
    /// Of the one on trial.
    pub new: Tries,
}

/// Attempts of one version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Tries {
    /// All that count.
    pub attempts: u64,
    /// Those of them that failed.
    pub failures: u64,
}

/// How a trial ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrialEnd {
    /// The new version is in force.
    Promoted,
    /// It failed too often: the old one stays.
    RolledBack,
    /// Its file is gone, and nothing speaks against trying it again.
    Withdrawn,
}

impl TrialEnd {
    /// As it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Promoted => "promoted",
            Self::RolledBack => "rolled-back",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// What [`Self::as_str`] gave.
    pub(crate) fn from_stored(text: &str) -> Option<Self> {
        [Self::Promoted, Self::RolledBack, Self::Withdrawn].into_iter().find(|end| end.as_str() == text)
    }
}

impl NewTrial {
    /// Whether it can be stored.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        for digest in [&self.from, &self.to] {
            if digest.is_empty() || digest.len() > MAX_DIGEST || !digest.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(StoreError::Invalid(format!(
                    "`{}` cannot be a version; it has 1 to {MAX_DIGEST} ASCII characters and no space",
                    digest.escape_debug().take(120).collect::<String>()
                )));
            }
        }
        if (1..=1_000_000).contains(&self.terms.share) {
            return Ok(());
        }
        Err(StoreError::Invalid(format!("a share of {} millionths; it has 1 to 1000000", self.terms.share)))
    }
}

impl Counted {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
