//! What of a Redis server's own settings endangers jobs, and what it says of itself. It changes none of them.

use std::time::Duration;

use super::connection::{Connection, fact};
use crate::error::StoreError;
use crate::store::Vitals;

/// A sentence for each danger, with its remedy.
pub(super) async fn warnings(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let facts: String = connection.query(&redis::cmd("INFO")).await?;
    let mut warnings = Vec::new();
    warnings.extend(eviction(&facts, connection.address()));
    let is_off = fact(&facts, "aof_enabled") == Some("0");
    if is_off && has(connection, "appendonly", "no").await? && has(connection, "save", "").await? {
        warnings.push(format!(
            "store {} keeps nothing on disk (appendonly no, save empty), so that a restart of the server loses every job; set `appendonly yes`",
            connection.address()
        ));
    }
    Ok(warnings)
}

/// Its version, how it keeps what it was given, and what it has cost.
pub(super) async fn vitals(connection: &Connection) -> Result<Vitals, StoreError> {
    let facts: String = connection.query(&redis::cmd("INFO")).await?;
    let seconds = |name| fact(&facts, name).and_then(|seconds| seconds.parse::<f64>().ok());
    let cpu = seconds("used_cpu_user").zip(seconds("used_cpu_sys")).map(|(user, system)| user + system);
    let mut durability = "appendonly no".to_owned();
    if fact(&facts, "aof_enabled") == Some("1") {
        let often = setting(connection, "appendfsync").await?;
        durability = format!("appendonly yes, appendfsync {}", often.as_deref().unwrap_or("unknown"));
    }
    Ok(Vitals {
        engine: format!("Redis {}", fact(&facts, "redis_version").unwrap_or("of unknown version")),
        durability,
        cpu: cpu.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
    })
}

/// The `volatile-…` policies evict only keys that expire, which no key with a
/// job does.
fn eviction(facts: &str, address: &str) -> Option<String> {
    let policy = fact(facts, "maxmemory_policy").filter(|policy| policy.starts_with("allkeys"))?;
    let when = match fact(facts, "maxmemory") {
        Some("0") => "as soon as a maxmemory is set and reached",
        _ => "when its maxmemory is reached",
    };
    Some(format!("store {address} deletes jobs {when} (maxmemory-policy {policy}); set `maxmemory-policy noeviction`"))
}

/// Whether a setting has this value. INFO alone does not tell: it calls
/// the log off while the server loads it. False also where the server does
/// not tell: where CONFIG is forbidden, whoever runs the server sees to its
/// persistence, and a warning that nobody can end would hide the others.
async fn has(connection: &Connection, name: &str, value: &str) -> Result<bool, StoreError> {
    Ok(setting(connection, name).await?.is_some_and(|found| found == value))
}

/// A setting; `None` where the server does not tell.
async fn setting(connection: &Connection, name: &str) -> Result<Option<String>, StoreError> {
    let mut command = redis::cmd("CONFIG");
    command.arg("GET").arg(name);
    match connection.query::<Vec<String>>(&command).await {
        Ok(pair) => Ok(pair.into_iter().nth(1)),
        Err(StoreError::Unavailable { store, reason }) => Err(StoreError::Unavailable { store, reason }),
        Err(_) => Ok(None),
    }
}
