//! The registry of workers: a row for each.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension};

use super::SqliteStore;
use super::failure::Done;
use super::lease::span;
use super::receipt::millis;
use super::writer::Verb;
use crate::clock::UnixMillis;
use crate::error::StoreError;
use crate::workers::{MAX_WORKERS, Roster, SILENT_AFTER, SILENT_KEPT, WorkerRecord, Workers, check_id, decode};

/// The most that one call drops.
const CHUNK: i64 = 100;
#[expect(clippy::cast_possible_wrap, reason = "it is a thousand")]
const MOST: i64 = MAX_WORKERS as i64;

#[async_trait]
impl Workers for SqliteStore {
    async fn announce(&self, worker: &WorkerRecord) -> Result<(), StoreError> {
        let (id, record) = (worker.id.clone(), worker.encode()?);
        self.writer.run(move |verb| announce(verb, &id, &record)).await
    }

    async fn withdraw(&self, id: &str) -> Result<(), StoreError> {
        check_id(id)?;
        let id = id.to_owned();
        self.writer
            .run(move |verb| {
                verb.sql.prepare_cached("DELETE FROM workers WHERE id = ?1")?.execute([id])?;
                Ok(())
            })
            .await
    }

    async fn workers(&self) -> Result<Roster, StoreError> {
        let now = self.place.now();
        self.readers.read(move |sql| list(sql, now)).await
    }
}

fn announce(verb: &Verb<'_>, id: &str, record: &str) -> Done<()> {
    let now = millis(verb.now);
    // Those that an earlier, faster clock wrote would live until it is caught up.
    verb.sql.prepare_cached("UPDATE workers SET seen_at = ?1 WHERE seen_at > ?1")?.execute([now])?;
    verb.sql
        .prepare_cached(
            "INSERT INTO workers (id, seen_at, record) VALUES (?1, ?2, ?3)
             ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at, record = excluded.record",
        )?
        .execute((id, now, record))?;
    let too_many = verb
        .sql
        .prepare_cached("SELECT 1 FROM workers WHERE seen_at <= ?1 ORDER BY seen_at DESC LIMIT 1 OFFSET ?2")?
        .query_one((now, MOST), |_| Ok(()))
        .optional()?
        .is_some();
    let kept = if too_many { SILENT_AFTER } else { SILENT_KEPT };
    verb.sql
        .prepare_cached(
            "DELETE FROM workers WHERE id IN (SELECT id FROM workers WHERE seen_at < ?1 ORDER BY seen_at LIMIT ?2)",
        )?
        .execute((now.saturating_sub(span(kept)), CHUNK))?;
    Ok(())
}

fn list(sql: &Connection, now: UnixMillis) -> Done<Roster> {
    let mut look = sql
        .prepare_cached("SELECT id, seen_at, record FROM workers WHERE seen_at >= ?1 ORDER BY seen_at DESC LIMIT ?2")?;
    let since = millis(now).saturating_sub(span(SILENT_KEPT));
    let mut found = look
        .query_map((since, MOST + 1), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<rusqlite::Result<Vec<(String, i64, String)>>>()?;
    let more = found.len() > MAX_WORKERS;
    found.truncate(MAX_WORKERS);
    let seen = |(id, at, record): (String, i64, String)| decode(&id, &record, at.try_into().unwrap_or_default(), now);
    Ok(Roster { workers: found.into_iter().filter_map(seen).collect(), more })
}
