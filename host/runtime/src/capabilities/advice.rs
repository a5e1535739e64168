//! The line of configuration that would allow what was refused.

use serde_json::Value;

/// What to do to grant `line` to a plugin.
pub(crate) fn add(plugin: &str, line: &str) -> String {
    format!("to allow it, add `{line}` under `[plugins.{}.grants]`", key(plugin))
}

/// A key of TOML, quoted where it has to be.
pub(crate) fn key(name: &str) -> String {
    let bare = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_');
    if !name.is_empty() && name.chars().all(bare) { name.to_owned() } else { quoted(name) }
}

/// A string of TOML. JSON's escapes are a subset of TOML's.
pub(crate) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}
