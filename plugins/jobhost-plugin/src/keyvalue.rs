//! Values that jobs keep in the job store, beside the queues. They need a grant for the bucket:
//! `keyvalue = [{ bucket = "tasks", mode = "rw" }]`. Values are JSON, so that a number that is incremented is one, too.
//!
//! ```no_run
//! use jobhost_plugin::keyvalue::{Bucket, Error};
//!
//! # fn seen() -> Result<(), Error> {
//! let bucket = Bucket::open("tasks")?;
//! let names = bucket.update("names", |names: Option<Vec<String>>| {
//!     let mut names = names.unwrap_or_default();
//!     names.push("Ada".to_owned());
//!     Ok::<_, Error>(names)
//! })?;
//! bucket.increment("changes", 1)?;
//! # Ok(())
//! # }
//! ```
//!
//! A change is made at once, whatever becomes of the attempt, as long as the attempt holds its job: an attempt that comes
//! after one that was lost finds what that one wrote.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::imports::wasi::keyvalue::{atomics, store};

/// A bucket of the job store.
#[derive(Debug)]
pub struct Bucket {
    handle: store::Bucket,
}

impl Bucket {
    /// The bucket that the operator has granted by this name.
    pub fn open(name: &str) -> Result<Self, Error> {
        store::open(name).map(|handle| Self { handle }).map_err(|error| match error {
            store::Error::Other(why) => Error::Failed(why),
            _ => Error::Denied(format!("the bucket `{name}` is not granted")),
        })
    }

    /// The value at a key; `None` where nothing is.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Error> {
        self.handle.get(key).map_err(Error::from_wit)?.map(|bytes| read(key, &bytes)).transpose()
    }

    /// Stores a value, in the place of any that is there.
    pub fn set<T: Serialize + ?Sized>(&self, key: &str, value: &T) -> Result<(), Error> {
        self.handle.set(key, &written(key, value)?).map_err(Error::from_wit)
    }

    /// Drops a key, if it is there.
    pub fn delete(&self, key: &str) -> Result<(), Error> {
        self.handle.delete(key).map_err(Error::from_wit)
    }

    /// Whether something is at a key.
    pub fn exists(&self, key: &str) -> Result<bool, Error> {
        self.handle.exists(key).map_err(Error::from_wit)
    }

    /// All keys, in the order of their bytes. Each counts against the limit `bucket-keys`.
    pub fn keys(&self) -> Result<Vec<String>, Error> {
        let (mut keys, mut cursor) = (Vec::new(), None);
        loop {
            let page = self.handle.list_keys(cursor.as_deref()).map_err(Error::from_wit)?;
            keys.extend(page.keys);
            cursor = page.cursor;
            if cursor.is_none() {
                return Ok(keys);
            }
        }
    }

    /// Adds to the whole number at a key, which is 0 where nothing is, in one step. Returns the sum. An attempt that is
    /// repeated adds again; where that must not be, let [`update`](Self::update) keep who was counted.
    pub fn increment(&self, key: &str, by: i64) -> Result<i64, Error> {
        atomics::increment(&self.handle, key, by).map_err(Error::from_wit)
    }

    /// Changes the value at a key to what `change` makes of it, in one step: where somebody else has changed it meanwhile,
    /// `change` is asked again, about the newer one. Returns what is there now. A value that stays the same is not written,
    /// and neither is anything if `change` fails.
    ///
    /// There is no limit of repetitions: each means that another one's change was made. The time to run ends them.
    pub fn update<T, E>(&self, key: &str, mut change: impl FnMut(Option<T>) -> Result<T, E>) -> Result<T, E>
    where
        T: DeserializeOwned + Serialize,
        E: From<Error>,
    {
        let mut cas = atomics::Cas::new(&self.handle, key).map_err(Error::from_wit)?;
        loop {
            let before = cas.current().map_err(Error::from_wit)?;
            let value = change(before.as_deref().map(|bytes| read(key, bytes)).transpose()?)?;
            let after = written(key, &value)?;
            if before.as_ref() == Some(&after) {
                return Ok(value);
            }
            match atomics::swap(cas, &after) {
                Ok(()) => return Ok(value),
                Err(atomics::CasError::CasFailed(newer)) => cas = newer,
                Err(atomics::CasError::StoreError(error)) => return Err(Error::from_wit(error).into()),
            }
        }
    }
}

fn read<T: DeserializeOwned>(key: &str, bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|error| Error::Value(format!("the value at `{key}` cannot be read: {error}")))
}

fn written<T: Serialize + ?Sized>(key: &str, value: &T) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(value).map_err(|error| Error::Value(format!("the value for `{key}` is no JSON: {error}")))
}

/// Why a value was not had or not stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The operator has not granted the bucket, or only its reading; the host's log says what would.
    Denied(String),
    /// What is there is not what was expected, or what was to be stored is no JSON.
    Value(String),
    /// The store does not answer, the attempt has lost its job, or a limit is reached.
    Failed(String),
}

impl Error {
    fn from_wit(error: store::Error) -> Self {
        match error {
            store::Error::NoSuchStore => Self::Denied("there is no such bucket".to_owned()),
            store::Error::AccessDenied => Self::Denied("the bucket may not be written".to_owned()),
            store::Error::Other(why) => Self::Failed(why),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(what) => write!(f, "{what}; the host's log says what would allow it"),
            Self::Value(what) => f.write_str(what),
            Self::Failed(why) => write!(f, "the bucket: {why}"),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_json_and_a_number_is_what_increment_writes() {
        assert_eq!(written("k", &-7_i64).unwrap(), b"-7");
        assert_eq!(read::<i64>("k", b"-7"), Ok(-7));
        assert_eq!(read::<Vec<String>>("k", &written("k", &["a"]).unwrap()).unwrap(), ["a"]);
    }

    #[test]
    fn a_value_that_cannot_be_read_is_named_by_its_key() {
        let error = read::<u32>("task/7", b"\"x\"").unwrap_err().to_string();
        assert!(error.starts_with("the value at `task/7` cannot be read: invalid type"), "{error}");
    }
}
