//! What calls with a token were answered, so that a repeat is answered alike.

use rusqlite::OptionalExtension;
use serde::{Deserialize, Serialize};

use super::failure::Done;
use super::writer::Verb;
use crate::error::StoreError;
use crate::job::{JobId, Token};
use crate::store::{RECEIPT_KEPT, Settled};

/// An answer as it is kept.
#[derive(Serialize, Deserialize)]
pub(super) enum Answer {
    Pushed(Vec<u64>),
    /// The ids; the jobs themselves are read again.
    Reserved(Vec<u64>),
    Settled(Vec<SettledOne>),
    Retried(Vec<Option<u64>>),
    Counted(bool),
}

#[derive(Serialize, Deserialize)]
pub(super) enum SettledOne {
    Yes(Vec<u64>),
    Lost,
    Refused(String),
}

/// What the first call with this token was answered.
pub(super) fn find(verb: &Verb<'_>, token: &Token) -> Done<Option<Answer>> {
    let kept: Option<String> = verb
        .sql
        .prepare_cached("SELECT answer FROM receipts WHERE token = ?1")?
        .query_one([token.as_str()], |row| row.get(0))
        .optional()?;
    kept.map(|text| serde_json::from_str(&text).map_err(|error| unreadable(token, &error).into())).transpose()
}

pub(super) fn keep(verb: &Verb<'_>, token: &Token, answer: &Answer) -> Done<()> {
    let answer = serde_json::to_string(answer).map_err(StoreError::invalid)?;
    verb.sql.prepare_cached("INSERT INTO receipts (token, at, answer) VALUES (?1, ?2, ?3)")?.execute((
        token.as_str(),
        millis(verb.now),
        answer,
    ))?;
    Ok(())
}

/// Drops up to `limit` receipts that nobody asks for any more; returns how many.
pub(super) fn prune(verb: &Verb<'_>, limit: i64) -> Done<usize> {
    let kept = u64::try_from(RECEIPT_KEPT.as_millis()).unwrap_or(u64::MAX);
    Ok(verb
        .sql
        .prepare_cached(
            "DELETE FROM receipts WHERE number IN
             (SELECT number FROM receipts ORDER BY number LIMIT ?2) AND (at < ?1 OR at > ?3)",
        )?
        .execute((
            millis(verb.now.saturating_sub(kept)),
            limit,
            // Of a clock that was wrong: they would keep their place for years.
            millis(verb.now.saturating_add(kept)),
        ))?)
}

/// The token was used for a call of another kind.
pub(super) fn of_another_call(token: &Token) -> StoreError {
    StoreError::Invalid(format!("token {} was used for another call; take a fresh one for each", token.as_str()))
}

fn unreadable(token: &Token, error: &serde_json::Error) -> StoreError {
    StoreError::Invalid(format!("the receipt of token {} cannot be read: {error}", token.as_str()))
}

pub(super) fn numbers(ids: &[JobId]) -> Vec<u64> {
    ids.iter().map(|id| id.0).collect()
}

pub(super) fn ids(numbers: Vec<u64>) -> Vec<JobId> {
    numbers.into_iter().map(JobId).collect()
}

impl From<&Settled> for SettledOne {
    fn from(settled: &Settled) -> Self {
        match settled {
            Settled::Yes(ids) => Self::Yes(numbers(ids)),
            Settled::Lost => Self::Lost,
            Settled::Refused(why) => Self::Refused(why.clone()),
        }
    }
}

impl From<SettledOne> for Settled {
    fn from(one: SettledOne) -> Self {
        match one {
            SettledOne::Yes(numbers) => Self::Yes(ids(numbers)),
            SettledOne::Lost => Self::Lost,
            SettledOne::Refused(why) => Self::Refused(why),
        }
    }
}

/// A time as SQLite keeps it.
pub(super) fn millis(time: u64) -> i64 {
    i64::try_from(time).unwrap_or(i64::MAX)
}
