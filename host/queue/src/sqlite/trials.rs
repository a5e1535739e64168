//! The latest trial of each plugin, and what was counted in it.

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row};

use super::failure::Done;
use super::receipt::{self, Answer, millis};
use super::writer::Verb;
use crate::clock::UnixMillis;
use crate::error::StoreError;
use crate::job::Token;
use crate::trials::{Counted, NewTrial, Terms, Trial, TrialEnd, TrialName, Tries};

pub(super) fn latest(sql: &Connection, plugin: &TrialName, now: UnixMillis) -> Done<Option<Trial>> {
    Ok(sql
        .prepare_cached(
            "SELECT number, revision, old, new, share, length, factor, began_at, old_attempts, old_failures,
             new_attempts, new_failures, ended, ended_at FROM trials WHERE plugin = ?1",
        )?
        .query_one([plugin.as_str()], |row| trial(row, now))
        .optional()?)
}

fn trial(row: &Row<'_>, now: UnixMillis) -> rusqlite::Result<Trial> {
    let number = |column| row.get::<_, i64>(column).map(i64::unsigned_abs);
    let tries = |column| Ok::<_, rusqlite::Error>(Tries { attempts: number(column)?, failures: number(column + 1)? });
    let end = match row.get_ref(12)?.as_str_or_null()? {
        None => None,
        Some(text) => {
            let end = TrialEnd::from_stored(text).ok_or_else(|| {
                let error = StoreError::invalid(format!("`{text}` is no end of a trial"));
                rusqlite::Error::FromSqlConversionFailure(12, Type::Text, Box::new(error))
            })?;
            Some((end, number(13)?))
        }
    };
    Ok(Trial {
        number: number(0)?,
        revision: number(1)?,
        from: row.get(2)?,
        to: row.get(3)?,
        terms: Terms { share: row.get(4)?, length: number(5)?, factor: row.get(6)? },
        began_at: number(7)?,
        now,
        counts: Counted { old: tries(8)?, new: tries(10)? },
        end,
    })
}

pub(super) fn begin(verb: &Verb<'_>, plugin: &TrialName, new: &NewTrial, revision: u64) -> Done<bool> {
    let found = latest(verb.sql, plugin, verb.now)?.map_or(0, |trial| trial.revision);
    if found != revision {
        return Ok(false);
    }
    verb.sql
        .prepare_cached(
            "INSERT OR REPLACE INTO trials (plugin, number, revision, old, new, share, length, factor, began_at)
             VALUES (?1, ?2, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute((
            plugin.as_str(),
            millis(revision + 1),
            &new.from,
            &new.to,
            new.terms.share,
            millis(new.terms.length),
            new.terms.factor,
            millis(verb.now),
        ))?;
    Ok(true)
}

pub(super) fn count(verb: &Verb<'_>, plugin: &TrialName, number: u64, token: &Token, counts: Counted) -> Done<bool> {
    match receipt::find(verb, token)? {
        Some(Answer::Counted(counted)) => return Ok(counted),
        Some(_) => return Err(receipt::of_another_call(token).into()),
        None => {}
    }
    let changed = verb
        .sql
        .prepare_cached(
            "UPDATE trials SET revision = revision + 1,
             old_attempts = old_attempts + ?3, old_failures = old_failures + ?4,
             new_attempts = new_attempts + ?5, new_failures = new_failures + ?6
             WHERE plugin = ?1 AND number = ?2 AND ended IS NULL",
        )?
        .execute((
            plugin.as_str(),
            millis(number),
            millis(counts.old.attempts),
            millis(counts.old.failures),
            millis(counts.new.attempts),
            millis(counts.new.failures),
        ))?;
    receipt::keep(verb, token, &Answer::Counted(changed == 1))?;
    Ok(changed == 1)
}

pub(super) fn end(
    verb: &Verb<'_>,
    plugin: &TrialName,
    number: u64,
    revision: Option<u64>,
    end: TrialEnd,
) -> Done<bool> {
    let changed = verb
        .sql
        .prepare_cached(
            "UPDATE trials SET revision = revision + 1, ended = ?4, ended_at = ?5
             WHERE plugin = ?1 AND number = ?2 AND (?3 IS NULL OR revision = ?3)",
        )?
        .execute((plugin.as_str(), millis(number), revision.map(millis), end.as_str(), millis(verb.now)))?;
    Ok(changed == 1)
}
