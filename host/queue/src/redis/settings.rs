//! What of a Redis server's own settings endangers jobs. It changes none of them.

use super::connection::{Connection, fact};
use crate::error::StoreError;

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
async fn has(connection: &Connection, setting: &str, value: &str) -> Result<bool, StoreError> {
    let mut command = redis::cmd("CONFIG");
    command.arg("GET").arg(setting);
    match connection.query::<Vec<String>>(&command).await {
        Ok(pair) => Ok(pair.get(1).is_some_and(|found| found == value)),
        Err(StoreError::Unavailable { store, reason }) => Err(StoreError::Unavailable { store, reason }),
        Err(_) => Ok(false),
    }
}
