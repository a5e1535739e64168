//! The contract of a store's buckets: values that jobs keep beside the queues. What both stores promise of them is here,
//! as tests in `conformance`; what a plugin may do with them is elsewhere.

use std::fmt;

use async_trait::async_trait;

use crate::error::StoreError;
use crate::job::Lease;

/// Bytes of the longest key.
pub const MAX_KEY: usize = 512;
/// Bytes of the longest value.
pub const MAX_VALUE: usize = 16 << 20;
/// The most keys of one call.
pub const MAX_KEYS: usize = 1_000;
/// Bytes of keys and values together that one change writes.
pub const MAX_WRITTEN: usize = 16 << 20;

/// Values by key, in buckets outside of every channel.
///
/// Each call takes effect whole or not at all, and what it wrote is seen by every call that begins after it. After an
/// error that [`StoreError::is_transient`] calls transient, a change may have been made or not.
#[async_trait]
pub trait KeyValue: Send + Sync + 'static {
    /// The values of up to 1,000 keys, in their order, and the bucket's version, all of one moment.
    async fn values(&self, bucket: &Bucket, keys: &[String]) -> Result<Values, StoreError>;

    /// Up to `limit` keys, at most 1,000, in the order of their bytes, from the first one after `after`. A key that is
    /// there all the while is listed once by whoever hands each page's last key to the next call.
    async fn keys(&self, bucket: &Bucket, after: Option<&str>, limit: u32) -> Result<Vec<String>, StoreError>;

    /// Changes a bucket if the fence's lease still holds.
    async fn change(
        &self,
        bucket: &Bucket,
        fence: &Lease,
        quota: Quota,
        change: &Change,
    ) -> Result<Changed, StoreError>;
}

/// The name of a bucket.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Bucket(String);

impl Bucket {
    /// 1 to 100 ASCII letters, digits, `_` and `-`. A dot is not among them: yii2-queue's `clear` deletes by patterns
    /// that have one.
    pub fn new(name: &str) -> Result<Self, StoreError> {
        let right = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
        if !name.is_empty() && name.len() <= 100 && name.chars().all(right) {
            return Ok(Self(name.to_owned()));
        }
        let shown: String = name.escape_debug().take(120).collect();
        Err(StoreError::Invalid(format!("`{shown}` cannot be a bucket; use up to 100 ASCII letters, digits and _ -")))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a bucket may hold. It is checked by who writes, so that a bucket can be over a quota that was lowered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Keys.
    pub keys: u64,
    /// Bytes of all keys and values.
    pub bytes: u64,
}

/// The answer to a look at a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Values {
    /// For each key what is there.
    pub entries: Vec<Option<Entry>>,
    /// The version that the bucket's latest write had; 0 before the first.
    pub version: u64,
}

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The value.
    pub value: Vec<u8>,
    /// Given by the write that stored it. No other write to the bucket ever has the same, and later ones have higher ones.
    pub version: u64,
}

/// A change of one bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Stores values, in order.
    Set(Vec<(String, Vec<u8>)>),
    /// Drops keys; one that is not there is no error.
    Delete(Vec<String>),
    /// Adds to the number at a key, which is 0 where nothing is there. Numbers are decimal text.
    Add {
        /// The key.
        key: String,
        /// What to add.
        delta: i64,
    },
    /// Stores a value if nobody has written the key since the look that saw `version`: the entry's own, or the bucket's
    /// where there was no entry. A key that was absent counts as written if any key of the bucket was dropped since.
    Swap {
        /// The key.
        key: String,
        /// The value.
        value: Vec<u8>,
        /// What was seen.
        version: u64,
    },
}

/// The answer to a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    /// It is so.
    Yes,
    /// The number is this now.
    Sum(i64),
    /// Somebody wrote the key since. Nothing was changed.
    Stale,
    /// What is at the key is not a whole number of 64 bits as it is written, or the sum would be none. Nothing was changed.
    NotANumber,
    /// The bucket would have more keys than its quota. Nothing was changed.
    TooManyKeys,
    /// The bucket would have more bytes than its quota. Nothing was changed.
    TooManyBytes,
    /// The fence's lease is lost. Nothing was changed.
    Lost,
}

/// Whether a look at these keys is within the limits.
pub(crate) fn check_keys<'k>(keys: impl ExactSizeIterator<Item = &'k String>) -> Result<(), StoreError> {
    if keys.len() > MAX_KEYS {
        return Err(StoreError::Invalid(format!(
            "{} keys at once are too many; a call takes {MAX_KEYS}: make several",
            keys.len()
        )));
    }
    keys.into_iter().try_for_each(|key| check_key(key))
}

/// Whether a list may have this length.
pub(crate) fn check_limit(limit: u32) -> Result<(), StoreError> {
    if (1..=MAX_KEYS).contains(&(limit as usize)) {
        return Ok(());
    }
    Err(StoreError::Invalid(format!("a list of {limit} keys cannot be had; ask for 1 to {MAX_KEYS}")))
}

impl Change {
    /// Whether it is within the limits.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        match self {
            Self::Set(entries) => {
                check_keys(entries.iter().map(|(key, _)| key).collect::<Vec<_>>().into_iter())?;
                entries.iter().try_for_each(|(_, value)| check_value(value))?;
                let written: usize = entries.iter().map(|(key, value)| key.len() + value.len()).sum();
                if written > MAX_WRITTEN {
                    return Err(StoreError::Invalid(format!(
                        "{written} bytes at once are too many; a call writes {MAX_WRITTEN}: make several"
                    )));
                }
                Ok(())
            }
            Self::Delete(keys) => check_keys(keys.iter()),
            Self::Add { key, .. } => check_key(key),
            Self::Swap { key, value, .. } => check_key(key).and_then(|()| check_value(value)),
        }
    }
}

fn check_key(key: &str) -> Result<(), StoreError> {
    if (1..=MAX_KEY).contains(&key.len()) {
        return Ok(());
    }
    Err(StoreError::Invalid(format!("a key of {} bytes; it has 1 to {MAX_KEY}", key.len())))
}

fn check_value(value: &[u8]) -> Result<(), StoreError> {
    if value.len() <= MAX_VALUE {
        return Ok(());
    }
    Err(StoreError::Invalid(format!("a value of {} bytes; it has at most {MAX_VALUE}", value.len())))
}
