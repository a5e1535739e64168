//! The grants of a sample: JSON with the keys that `[plugins.NAME.grants]` has in the configuration, read by the same rules.

use std::path::Path;

use jobhost_runtime::Grants;
use serde_json::{Map, Value};

use crate::config::read_lone_grants;

/// Reads them; paths in them are relative to `folder`. The errors are for the user.
pub(super) fn read(json: &str, folder: &Path) -> Result<Grants, Vec<String>> {
    let one = |why: String| vec![why];
    let grants: Map<String, Value> = serde_json::from_str(json).map_err(|error| one(format!("grants: {error}")))?;
    let entries = grants.iter().map(|(key, value)| Ok((key.clone(), plain(value)?)));
    read_lone_grants(entries.collect::<Result<_, String>>().map_err(one)?, folder)
}

/// The same as TOML can have it.
fn plain(value: &Value) -> Result<toml::Value, String> {
    Ok(match value {
        Value::Null => return Err("grants: null grants nothing; leave the key out".to_owned()),
        Value::Bool(truth) => (*truth).into(),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => whole.into(),
            (None, Some(float)) => float.into(),
            (None, None) => return Err(format!("grants: the number {number} is too large")),
        },
        Value::String(text) => text.as_str().into(),
        Value::Array(items) => toml::Value::Array(items.iter().map(plain).collect::<Result<_, _>>()?),
        Value::Object(entries) => {
            let entries = entries.iter().map(|(key, value)| Ok((key.clone(), plain(value)?)));
            toml::Value::Table(entries.collect::<Result<_, String>>()?)
        }
    })
}
