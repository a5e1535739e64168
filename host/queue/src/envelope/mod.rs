//! The stored body of a job: a JSON object whose `class` is the job's name,
//! as yii2-queue's `JsonSerializer` writes it. Bodies of its `PhpSerializer`
//! are read, never written. What a payload means is the handler's business.

mod json;
mod php;

use std::fmt;

use crate::job::MAX_BODY;

/// How deep arrays and objects may lie in each other, the outermost counted.
pub const MAX_DEPTH: usize = 128;
/// The longest name of a job, in bytes.
pub const MAX_NAME: usize = 1000;

/// A body that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The job's name: the body's `class` without a leading backslash.
    pub name: String,
    /// JSON text: the stored body itself, or the JSON equivalent of a PHP-serialized one.
    pub payload: String,
}

/// Why a payload cannot be stored, or a body not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EnvelopeError(pub String);

impl EnvelopeError {
    fn of(message: impl fmt::Display) -> Self {
        Self(message.to_string())
    }
}

/// The body to store for a payload (JSON text of an object; empty means
/// `{}`): the payload with `class` as its first key and no other byte
/// changed. A payload that has this `class` already is stored as it is.
pub fn encode(name: &str, payload: &str) -> Result<Vec<u8>, EnvelopeError> {
    let name = checked_name(name)?;
    let payload = if payload.trim_ascii().is_empty() { "{}" } else { payload };
    if payload.len() > MAX_BODY {
        return Err(EnvelopeError(format!(
            "the payload has {} bytes; at most {MAX_BODY} can be stored",
            payload.len()
        )));
    }
    let object = json::scan(payload)
        .map_err(|why| EnvelopeError(format!("the payload {why}; write an object such as {{\"task_id\":2}}")))?;
    let Some(class) = object.class else {
        return Ok(json::splice(payload, name, object.is_empty));
    };
    match json::class_name(class) {
        Ok(class) if same_name(&class, name) => Ok(payload.as_bytes().to_vec()),
        Ok(class) => Err(EnvelopeError(format!(
            "the payload's `class` is `{class}`, but the job's name is `{name}`; remove `class` from the payload"
        ))),
        Err(why) => {
            Err(EnvelopeError(format!("the payload's `class` {why}; remove it, the job's name takes its place")))
        }
    }
}

/// Reads a stored body. Nothing that a body holds makes it panic, or take
/// memory beyond a small multiple of the body's own.
pub fn decode(body: &[u8]) -> Result<Envelope, EnvelopeError> {
    if body.len() > MAX_BODY {
        return Err(EnvelopeError(format!("the body has {} bytes; at most {MAX_BODY} are read", body.len())));
    }
    if let Some(what) = foreign_encoding(body) {
        return Err(EnvelopeError(format!("the body is {what}; configure yii2-queue's JsonSerializer for this queue")));
    }
    if php::looks_serialized(body) {
        return php::decode(body);
    }
    let text = std::str::from_utf8(body).map_err(|error| {
        EnvelopeError(format!(
            "the body is neither JSON nor PHP-serialized: it is not UTF-8 at byte {}; it begins with `{}`",
            error.valid_up_to(),
            beginning(body)
        ))
    })?;
    let object = json::scan(text)
        .map_err(|why| EnvelopeError(format!("the body {why}; it begins with `{}`", beginning(body))))?;
    let class =
        object.class.ok_or_else(|| EnvelopeError::of("the body has no `class`, which would be the job's name"))?;
    let class = json::class_name(class).map_err(|why| EnvelopeError(format!("the body's `class` {why}")))?;
    Ok(Envelope { name: checked_name(&class)?.to_owned(), payload: text.to_owned() })
}

/// Whether two names are the same but for a leading backslash.
pub fn same_name(a: &str, b: &str) -> bool {
    a.strip_prefix('\\').unwrap_or(a) == b.strip_prefix('\\').unwrap_or(b)
}

/// The name without a leading backslash.
fn checked_name(name: &str) -> Result<&str, EnvelopeError> {
    let name = name.strip_prefix('\\').unwrap_or(name);
    if name.is_empty() {
        return Err(EnvelopeError::of("the job's name is empty"));
    }
    if name.len() > MAX_NAME {
        return Err(EnvelopeError(format!("the job's name has {} bytes; at most {MAX_NAME} are allowed", name.len())));
    }
    Ok(name)
}

/// An encoding that is known and not read.
fn foreign_encoding(body: &[u8]) -> Option<&'static str> {
    match body {
        [] => Some("empty"),
        [0, 0, 0, 1 | 2, ..] => Some("serialized by Igbinary, which is not read"),
        [0x1f, 0x8b, ..] => Some("compressed by gzip, which is not read"),
        _ => None,
    }
}

/// The first bytes, for a message.
fn beginning(body: &[u8]) -> String {
    body[..body.len().min(24)].escape_ascii().to_string()
}

#[cfg(test)]
mod tests;
