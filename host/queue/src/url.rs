//! A store's address, and opening it.

use std::sync::Arc;

use crate::clock::Clock;
use crate::error::StoreError;
use crate::store::Store;

/// How to open a store.
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    /// Do not create what is not there: [`StoreError::Absent`] instead.
    pub only_look: bool,
    /// The time to go by.
    pub clock: Clock,
}

/// A store's address, checked but not opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreUrl {
    /// `redis://[user:password@]host[:port][/database]`, `rediss://` is not
    /// supported, `redis+unix:///path[?db=n]` is.
    Redis(String),
    /// `sqlite:path`, with `?synchronous=normal` to trade the last commits
    /// before a power cut for speed.
    Sqlite(String),
}

impl StoreUrl {
    /// Reads an address; the error names the schemes there are.
    pub fn parse(text: &str) -> Result<Self, StoreError> {
        match text.split_once(':') {
            Some(("redis" | "redis+unix" | "unix", _)) => Ok(Self::Redis(text.to_owned())),
            Some(("sqlite", _)) => Ok(Self::Sqlite(text.to_owned())),
            _ => Err(StoreError::Invalid(format!(
                "`{text}` is not the address of a store; use redis://host:port/database or sqlite:path"
            ))),
        }
    }
}

/// Opens the store at `url`. A Redis server must answer; a SQLite file is
/// created unless `options.only_look`.
pub async fn open(url: &str, options: OpenOptions) -> Result<Arc<dyn Store>, StoreError> {
    match StoreUrl::parse(url)? {
        StoreUrl::Redis(url) => Ok(Arc::new(crate::redis::RedisStore::open(&url, options.clock).await?)),
        StoreUrl::Sqlite(url) => Ok(Arc::new(crate::sqlite::SqliteStore::open(&url, &options).await?)),
    }
}
