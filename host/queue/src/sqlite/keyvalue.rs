//! Buckets: values by key, and the numbers of each bucket.

use rusqlite::{Connection, OptionalExtension};

use super::failure::Done;
use super::lease;
use super::line::Lines;
use super::writer::Verb;
use crate::job::Lease;
use crate::keyvalue::{Bucket, Change, Changed, Entry, Quota, Values};

/// A row of `buckets`.
struct Numbers {
    number: i64,
    version: i64,
    deleted: i64,
    keys: i64,
    bytes: i64,
}

fn numbers(sql: &Connection, bucket: &Bucket) -> Done<Option<Numbers>> {
    Ok(sql
        .prepare_cached("SELECT number, version, deleted, keys, bytes FROM buckets WHERE name = ?1")?
        .query_one([bucket.as_str()], |row| {
            Ok(Numbers {
                number: row.get(0)?,
                version: row.get(1)?,
                deleted: row.get(2)?,
                keys: row.get(3)?,
                bytes: row.get(4)?,
            })
        })
        .optional()?)
}

pub(super) fn values(sql: &Connection, bucket: &Bucket, keys: &[String]) -> Done<Values> {
    let Some(numbers) = numbers(sql, bucket)? else {
        return Ok(Values { entries: vec![None; keys.len()], version: 0 });
    };
    let mut look = sql.prepare_cached("SELECT value, version FROM bucket_values WHERE bucket = ?1 AND key = ?2")?;
    let mut entries = Vec::with_capacity(keys.len());
    for key in keys {
        let entry = look.query_one((numbers.number, key), |row| {
            Ok(Entry { value: row.get(0)?, version: row.get::<_, i64>(1)?.cast_unsigned() })
        });
        entries.push(entry.optional()?);
    }
    Ok(Values { entries, version: numbers.version.cast_unsigned() })
}

pub(super) fn keys(sql: &Connection, bucket: &Bucket, after: &str, limit: u32) -> Done<Vec<String>> {
    let Some(numbers) = numbers(sql, bucket)? else {
        return Ok(Vec::new());
    };
    Ok(sql
        .prepare_cached("SELECT key FROM bucket_values WHERE bucket = ?1 AND key > ?2 ORDER BY key LIMIT ?3")?
        .query_map((numbers.number, after, limit), |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?)
}

/// A change, with what it needs of its caller.
pub(super) struct Write {
    pub bucket: Bucket,
    pub fence: Lease,
    pub quota: Quota,
    pub change: Change,
}

impl Write {
    pub(super) fn run(&self, verb: &mut Verb<'_>) -> Done<Changed> {
        if !lease::holds(verb, &mut Lines::default(), &self.fence)? {
            return Ok(Changed::Lost);
        }
        verb.sql.prepare_cached("SAVEPOINT change")?.execute([])?;
        let changed = self.apply(verb.sql)?;
        if !matches!(changed, Changed::Yes | Changed::Sum(_)) {
            verb.sql.prepare_cached("ROLLBACK TO change")?.execute([])?;
        }
        verb.sql.prepare_cached("RELEASE change")?.execute([])?;
        Ok(changed)
    }

    /// Makes the change, or as much of it as there is room for.
    fn apply(&self, sql: &Connection) -> Done<Changed> {
        sql.prepare_cached("INSERT INTO buckets (name) VALUES (?1) ON CONFLICT DO NOTHING")?
            .execute([self.bucket.as_str()])?;
        let Some(mut now) = numbers(sql, &self.bucket)? else {
            return Ok(Changed::Stale);
        };
        let (keys, bytes) = (now.keys, now.bytes);
        let mut changed = Changed::Yes;
        match &self.change {
            Change::Set(entries) => {
                for (key, value) in entries {
                    now.set(sql, key, value)?;
                }
            }
            Change::Delete(keys) => {
                for key in keys {
                    now.delete(sql, key)?;
                }
            }
            Change::Add { key, delta } => {
                let old = now.entry(sql, key)?.map_or(Some(0), |entry| whole(&entry.value));
                let Some(sum) = old.and_then(|old| old.checked_add(*delta)) else {
                    return Ok(Changed::NotANumber);
                };
                now.set(sql, key, sum.to_string().as_bytes())?;
                changed = Changed::Sum(sum);
            }
            Change::Swap { key, value, version } => {
                let stands = match now.entry(sql, key)? {
                    Some(entry) => entry.version == *version,
                    None => now.deleted.cast_unsigned() <= *version,
                };
                if !stands {
                    return Ok(Changed::Stale);
                }
                now.set(sql, key, value)?;
            }
        }
        if now.keys > keys && now.keys.cast_unsigned() > self.quota.keys {
            return Ok(Changed::TooManyKeys);
        }
        if now.bytes > bytes && now.bytes.cast_unsigned() > self.quota.bytes {
            return Ok(Changed::TooManyBytes);
        }
        sql.prepare_cached("UPDATE buckets SET version = ?2, deleted = ?3, keys = ?4, bytes = ?5 WHERE number = ?1")?
            .execute((now.number, now.version, now.deleted, now.keys, now.bytes))?;
        Ok(changed)
    }
}

impl Numbers {
    fn entry(&self, sql: &Connection, key: &str) -> Done<Option<Entry>> {
        Ok(sql
            .prepare_cached("SELECT value, version FROM bucket_values WHERE bucket = ?1 AND key = ?2")?
            .query_one((self.number, key), |row| {
                Ok(Entry { value: row.get(0)?, version: row.get::<_, i64>(1)?.cast_unsigned() })
            })
            .optional()?)
    }

    fn set(&mut self, sql: &Connection, key: &str, value: &[u8]) -> Done<()> {
        self.leave(sql, key)?;
        self.version += 1;
        self.keys += 1;
        self.bytes += size(key.len()) + size(value.len());
        sql.prepare_cached(
            "INSERT INTO bucket_values (bucket, key, version, value) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (bucket, key) DO UPDATE SET version = excluded.version, value = excluded.value",
        )?
        .execute((self.number, key, self.version, value))?;
        Ok(())
    }

    fn delete(&mut self, sql: &Connection, key: &str) -> Done<()> {
        if self.leave(sql, key)? {
            self.version += 1;
            self.deleted = self.version;
            sql.prepare_cached("DELETE FROM bucket_values WHERE bucket = ?1 AND key = ?2")?
                .execute((self.number, key))?;
        }
        Ok(())
    }

    /// Takes what is at a key out of the numbers; says whether there was anything.
    fn leave(&mut self, sql: &Connection, key: &str) -> Done<bool> {
        let old: Option<i64> = sql
            .prepare_cached("SELECT length(value) FROM bucket_values WHERE bucket = ?1 AND key = ?2")?
            .query_one((self.number, key), |row| row.get(0))
            .optional()?;
        if let Some(bytes) = old {
            self.keys -= 1;
            self.bytes -= size(key.len()) + bytes;
        }
        Ok(old.is_some())
    }
}

/// A whole number, if it is written as one is written here.
fn whole(value: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(value).ok()?;
    text.parse::<i64>().ok().filter(|number| number.to_string() == text)
}

fn size(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
