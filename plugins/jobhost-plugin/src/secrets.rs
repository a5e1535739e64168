//! Secrets that the operator has granted: `secrets = { API_TOKEN = { env = "API_TOKEN" } }`. In what a plugin logs,
//! prints or answers the host puts a secret's name in the place of its value; what is sent to others is not looked at.

use std::fmt;

use crate::bindings::imports::jobhost::plugin::secrets as host;

/// The text of a secret.
pub fn get(name: &str) -> Result<String, Error> {
    host::get(name).map_err(|error| match error {
        host::SecretError::Denied(_) => Error::Denied(name.to_owned()),
        host::SecretError::Unavailable(why) => Error::Unavailable(why),
    })
}

/// Why there is no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The operator has not granted the secret of this name; the host's log says what would.
    Denied(String),
    /// It cannot be had now, and why.
    Unavailable(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(name) => {
                write!(f, "the secret `{name}` is not granted; the host's log says what would allow it")
            }
            Self::Unavailable(why) => write!(f, "the secret cannot be had: {why}"),
        }
    }
}

impl std::error::Error for Error {}
