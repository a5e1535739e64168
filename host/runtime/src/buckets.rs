//! What the runtime asks of whoever keeps the buckets. Which of them a guest may use is decided before.

use async_trait::async_trait;

/// The buckets of a store, for one call of a guest. Errors are texts that the guest gets to see.
#[async_trait]
pub trait Buckets: Send + Sync {
    /// What is at these keys, in their order, and the bucket's version, all of one moment.
    async fn values(&self, bucket: &str, keys: Vec<String>) -> Result<BucketValues, String>;

    /// Up to `limit` keys, in the order of their bytes, from the first one after `after`.
    async fn keys(&self, bucket: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>, String>;

    /// Changes a bucket, wholly or not at all, if the attempt may still do so. `most` are the keys and bytes that the bucket
    /// may have.
    async fn change(&self, bucket: &str, most: (u64, u64), change: BucketChange) -> Result<BucketChanged, String>;
}

/// The answer to a look at a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketValues {
    /// For each key what is there.
    pub entries: Vec<Option<BucketValue>>,
    /// The version of the bucket's latest write.
    pub version: u64,
}

/// A value and the version that its write had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketValue {
    /// The value.
    pub value: Vec<u8>,
    /// Of no other write to the bucket.
    pub version: u64,
}

/// A change of one bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BucketChange {
    /// Stores values.
    Set(Vec<(String, Vec<u8>)>),
    /// Drops keys.
    Delete(Vec<String>),
    /// Adds to the number at a key.
    Add {
        /// The key.
        key: String,
        /// What to add.
        delta: i64,
    },
    /// Stores a value if nobody wrote the key since the look that saw this version.
    Swap {
        /// The key.
        key: String,
        /// The value.
        value: Vec<u8>,
        /// Of the value that was there, or else of the bucket.
        version: u64,
    },
}

/// The answer to a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BucketChanged {
    /// It is so.
    Done,
    /// The number is this now.
    Sum(i64),
    /// Somebody wrote the key since; nothing was changed.
    Stale,
}
