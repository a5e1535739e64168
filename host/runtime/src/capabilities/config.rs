//! Settings that the operator writes for a plugin, which finds them in `wasi:config/store`.

use std::collections::BTreeMap;

use super::{few, named, refused, short};
use crate::bindings::config;
use crate::host::State;
use crate::load_error::Problem;

/// Whether this can be granted.
pub(super) fn check(values: &BTreeMap<String, String>) -> Result<(), Problem> {
    few("config", values.len())?;
    for (key, value) in values {
        named(key).and_then(|()| short(value)).map_err(|why| refused("config", key, why))?;
    }
    Ok(())
}

impl config::Host for State {
    async fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<String>, config::Error>> {
        Ok(Ok(self.granted().config.get(&key).cloned()))
    }

    async fn get_all(&mut self) -> wasmtime::Result<Result<Vec<(String, String)>, config::Error>> {
        let all = self.granted().config.iter();
        Ok(Ok(all.map(|(key, value)| (key.clone(), value.clone())).collect()))
    }
}
