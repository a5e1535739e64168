//! JSON bodies, read without building a tree: one pass for validity and
//! `class`, one for depth. Writes text as PHP's `json_encode` does.

use std::fmt::{self, Write};

use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::MAX_DEPTH;

/// What is to be known of a JSON object.
pub(super) struct Object<'t> {
    /// The JSON text of its `class`.
    pub(super) class: Option<&'t str>,
    /// Whether it has no key at all.
    pub(super) is_empty: bool,
}

/// Checks the whole text. The error continues a sentence that begins with
/// what the text is.
pub(super) fn scan(text: &str) -> Result<Object<'_>, String> {
    let first = text.trim_start_matches([' ', '\t', '\n', '\r']).bytes().next();
    let result = if first == Some(b'{') {
        serde_json::from_str::<Object<'_>>(text)
    } else {
        match serde_json::from_str::<IgnoredAny>(text) {
            Ok(_) => {
                return Err(format!("is {}, not an object", kind(text.trim_ascii_start())));
            }
            Err(error) => Err(error),
        }
    };
    let object = result.map_err(|error| format!("is not usable JSON: {error}"))?;
    check_depth(text)?;
    Ok(object)
}

/// The text of a `class`. The error continues "`class` …".
pub(super) fn class_name(class: &str) -> Result<String, String> {
    if class.starts_with('"') {
        serde_json::from_str(class).map_err(|error| format!("is not readable: {error}"))
    } else {
        Err(format!("is {}, not a text", kind(class)))
    }
}

/// The object with `class` as its first key.
pub(super) fn splice(text: &str, name: &str, is_empty: bool) -> Vec<u8> {
    let after_brace = text.find('{').map_or(0, |brace| brace + 1);
    let mut body = String::with_capacity(text.len() + name.len() + 16);
    body.push_str(&text[..after_brace]);
    body.push_str("\"class\":");
    write_text(&mut body, name);
    if !is_empty {
        body.push(',');
    }
    body.push_str(&text[after_brace..]);
    body.into_bytes()
}

/// Writes a text in quotes as PHP's `json_encode` does by default.
pub(super) fn write_text(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '/' => out.push_str("\\/"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            ' '..='\u{7f}' => out.push(c),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push('"');
}

fn kind(json: &str) -> &'static str {
    match json.bytes().next() {
        Some(b'[') => "an array",
        Some(b'{') => "an object",
        Some(b'"') => "a text",
        Some(b'n') => "null",
        Some(b't' | b'f') => "true or false",
        _ => "a number",
    }
}

/// The parser skips values without counting how deep they go, so that this
/// has to be counted; a handler's parser may well be recursive.
fn check_depth(text: &str) -> Result<(), String> {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for (at, byte) in text.bytes().enumerate() {
        if in_text {
            in_text = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            continue;
        }
        match byte {
            b'"' => in_text = true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            let before = &text[..at];
            let line = before.matches('\n').count() + 1;
            let column = at - before.rfind('\n').map_or(0, |newline| newline + 1) + 1;
            return Err(format!("is nested deeper than {MAX_DEPTH} levels at line {line} column {column}"));
        }
    }
    Ok(())
}

impl<'t> Deserialize<'t> for Object<'t> {
    fn deserialize<D: Deserializer<'t>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor)
    }
}

struct ObjectVisitor;

impl<'t> Visitor<'t> for ObjectVisitor {
    type Value = Object<'t>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> Result<Object<'t>, A::Error> {
        let mut object = Object { class: None, is_empty: true };
        while let Some(is_class) = map.next_key_seed(IsClass)? {
            object.is_empty = false;
            if !is_class {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let class: &RawValue = map.next_value()?;
            if object.class.replace(class.get()).is_some() {
                return Err(A::Error::custom("the key `class` stands there twice"));
            }
        }
        Ok(object)
    }
}

/// Whether a key is `class`, escapes resolved, without keeping it.
struct IsClass;

impl<'t> DeserializeSeed<'t> for IsClass {
    type Value = bool;

    fn deserialize<D: Deserializer<'t>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for IsClass {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<bool, E> {
        Ok(key == "class")
    }
}
