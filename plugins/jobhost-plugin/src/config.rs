//! Settings that the operator wrote for this plugin: `config = { base-url = "https://cdn.example.com" }`.

use std::fmt;

use crate::bindings::imports::wasi::config::store as host;
use crate::error::JobError;

/// The setting of this name; `None` where the operator wrote none.
pub fn get(key: &str) -> Result<Option<String>, Error> {
    host::get(key).map_err(Error::from_wit)
}

/// The same of one that the plugin cannot do without: a permanent failure `not-configured` where there is none.
pub fn required(key: &str) -> Result<String, JobError> {
    get(key)?.ok_or_else(|| {
        let message =
            format!("there is no setting `{key}`; add `config = {{ {key:?} = \"…\" }}` to the plugin's grants");
        JobError::permanent("not-configured", message)
    })
}

/// All settings, by name.
pub fn all() -> Result<Vec<(String, String)>, Error> {
    host::get_all().map_err(Error::from_wit)
}

/// Why a setting could not be asked for. This host's can always be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(String);

impl Error {
    fn from_wit(error: host::Error) -> Self {
        match error {
            host::Error::Upstream(why) | host::Error::Io(why) => Self(why),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the plugin's settings cannot be read: {}", self.0)
    }
}

impl std::error::Error for Error {}
