//! Environment variables: those that are named, and no other of the host's.

use super::{few, named, refused, short};
use crate::load_error::Problem;

/// One environment variable of a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvGrant {
    /// Its name, 1 to 200 bytes.
    pub name: String,
    /// What it is.
    pub value: EnvValue,
}

/// The value of an environment variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnvValue {
    /// This, at most 64 KiB.
    Given(String),
    /// That of the host's variable of this name when the plugin is loaded.
    Host(String),
}

impl EnvValue {
    /// The value; the error says what is wrong with it and what to do.
    pub fn read(&self) -> Result<String, String> {
        let value = match self {
            Self::Given(value) if value.contains('\0') => return Err("its value has a NUL character in it".to_owned()),
            Self::Given(value) => value.clone(),
            Self::Host(name) => of_host(name)?,
        };
        short(&value)?;
        Ok(value)
    }
}

/// A variable of the host.
pub(super) fn of_host(name: &str) -> Result<String, String> {
    named(name)?;
    std::env::var(name).map_err(|error| match error {
        std::env::VarError::NotPresent => {
            format!("the environment variable `{name}` of the host is not set; set it where jobhost is started")
        }
        std::env::VarError::NotUnicode(_) => format!("the environment variable `{name}` of the host is not UTF-8 text"),
    })
}

/// The variables with their values.
pub(super) fn read(grants: &[EnvGrant]) -> Result<Vec<(String, String)>, Problem> {
    few("env", grants.len())?;
    let read = |grant: &EnvGrant| {
        named(&grant.name)?;
        Ok((grant.name.clone(), grant.value.read()?))
    };
    grants.iter().map(|grant| read(grant).map_err(|why| refused("env", &grant.name, why))).collect()
}
