//! Bodies of PHP's `serialize`, turned into the JSON that yii2-queue's
//! `JsonSerializer` would have written. Read in two steps: the structure,
//! which bounds depth and memory, and then the writing, which refuses what
//! JSON has no form for. A hidden property is skipped whatever it holds.

use std::collections::HashSet;
use std::fmt::Write;

use super::json::write_text;
use super::{Envelope, EnvelopeError, MAX_DEPTH, checked_name};
use crate::job::MAX_BODY;

/// The most values that one body may hold. A value takes some ten times the
/// memory of its shortest form.
const MAX_VALUES: usize = 1_000_000;

/// Classes that hold PHP code.
const CLOSURES: [&str; 4] = [
    "yii\\queue\\closure\\Job",
    "Opis\\Closure\\SerializableClosure",
    "Laravel\\SerializableClosure\\SerializableClosure",
    "Laravel\\SerializableClosure\\UnsignedSerializableClosure",
];

/// Whether the body begins as `serialize` writes.
pub(super) fn looks_serialized(body: &[u8]) -> bool {
    matches!(
        body,
        [b'N', b';', ..]
            | [b'a' | b'b' | b'i' | b's' | b'S' | b'O' | b'C' | b'E' | b'r' | b'R', b':', b'0'..=b'9' | b'-', ..]
            | [b'd', b':', ..]
    )
}

/// Reads a body of which [`looks_serialized`] is true.
pub(super) fn decode(body: &[u8]) -> Result<Envelope, EnvelopeError> {
    let mut reader = Reader { body, at: 0, depth: 0, values: 0 };
    let value = reader.value()?;
    if reader.at != body.len() {
        return Err(reader.wrong("nothing more"));
    }
    let Value::Object { class, .. } = &value else {
        let what = match value {
            Value::Unusable(what) => what,
            _ => "not an object",
        };
        return Err(EnvelopeError(format!(
            "the body is PHP-serialized, but it is {what}; a job is an object of a class"
        )));
    };
    let name = checked_name(utf8(class, "the class")?)?.to_owned();
    let mut payload = String::with_capacity(body.len());
    write_value(&mut payload, &value)?;
    Ok(Envelope { name, payload })
}

/// What `serialize` wrote, borrowed from the body.
enum Value<'b> {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(&'b [u8]),
    Array(Vec<(Key<'b>, Value<'b>)>),
    Object {
        class: &'b [u8],
        properties: Vec<(Key<'b>, Value<'b>)>,
    },
    /// Well-formed, but JSON has no form for it; what it is.
    Unusable(&'static str),
}

#[derive(PartialEq, Eq, Hash)]
enum Key<'b> {
    Int(i64),
    Text(&'b [u8]),
}

struct Reader<'b> {
    body: &'b [u8],
    at: usize,
    depth: usize,
    values: usize,
}

impl<'b> Reader<'b> {
    fn value(&mut self) -> Result<Value<'b>, EnvelopeError> {
        self.values += 1;
        if self.values > MAX_VALUES {
            return Err(EnvelopeError(format!("the PHP-serialized body holds more than {MAX_VALUES} values")));
        }
        let kind = self.byte("a value")?;
        if kind == b'N' {
            self.expect(b";")?;
            return Ok(Value::Null);
        }
        self.expect(b":")?;
        match kind {
            b'b' => match self.until(b';', "0 or 1")? {
                b"0" => Ok(Value::Bool(false)),
                b"1" => Ok(Value::Bool(true)),
                _ => Err(self.wrong("0 or 1 before this")),
            },
            b'i' => Ok(Value::Int(self.int()?)),
            b'd' => self.float(),
            b's' => {
                let text = self.text()?;
                self.expect(b";")?;
                Ok(Value::Text(text))
            }
            b'a' => Ok(Value::Array(self.entries()?)),
            b'O' => {
                let class = self.text()?;
                self.expect(b":")?;
                let properties = self.entries()?;
                Ok(Value::Object { class, properties })
            }
            b'r' | b'R' => {
                self.int()?;
                Ok(Value::Unusable("a reference to another value"))
            }
            b'E' => {
                self.text()?;
                self.expect(b";")?;
                Ok(Value::Unusable("an enum"))
            }
            b'C' => {
                self.text()?;
                self.expect(b":")?;
                let length = self.length()?;
                self.expect(b"{")?;
                self.take(length)?;
                self.expect(b"}")?;
                Ok(Value::Unusable("an object that serializes itself in its own way"))
            }
            _ => {
                self.at -= 2;
                Err(self.wrong("one of the types N b i d s a O"))
            }
        }
    }

    /// `N:{key value …}`. The count is compared, never trusted.
    fn entries(&mut self) -> Result<Vec<(Key<'b>, Value<'b>)>, EnvelopeError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(EnvelopeError(format!(
                "the PHP-serialized body is nested deeper than {MAX_DEPTH} levels at byte {}",
                self.at
            )));
        }
        let count = self.length()?;
        self.expect(b"{")?;
        let mut entries = Vec::new();
        for _ in 0..count {
            let key = match self.byte("a key")? {
                b'i' => {
                    self.expect(b":")?;
                    Key::Int(self.int()?)
                }
                b's' => {
                    self.expect(b":")?;
                    let text = self.text()?;
                    self.expect(b";")?;
                    Key::Text(text)
                }
                _ => {
                    self.at -= 1;
                    return Err(self.wrong("a key of type i or s"));
                }
            };
            entries.push((key, self.value()?));
        }
        self.expect(b"}")?;
        self.depth -= 1;
        Ok(entries)
    }

    /// `N:"bytes"`.
    fn text(&mut self) -> Result<&'b [u8], EnvelopeError> {
        let length = self.length()?;
        self.expect(b"\"")?;
        let text = self.take(length)?;
        self.expect(b"\"")?;
        Ok(text)
    }

    /// `N:`.
    fn length(&mut self) -> Result<usize, EnvelopeError> {
        let digits = self.until(b':', "a length")?;
        ascii(digits)
            .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(|| self.wrong("a length before this"))
    }

    /// `N;`.
    fn int(&mut self) -> Result<i64, EnvelopeError> {
        let digits = self.until(b';', "a whole number")?;
        ascii(digits)
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(|| self.wrong("a whole number of 64 bits before this"))
    }

    /// `N;` with the forms of PHP's floats.
    fn float(&mut self) -> Result<Value<'b>, EnvelopeError> {
        let digits = self.until(b';', "a number")?;
        match digits {
            b"INF" | b"-INF" => return Ok(Value::Unusable("an infinite number")),
            b"NAN" => return Ok(Value::Unusable("not a number (NAN)")),
            _ => {}
        }
        ascii(digits)
            .filter(|digits| digits.bytes().all(|b| b"0123456789+-.eE".contains(&b)))
            .and_then(|digits| digits.parse::<f64>().ok())
            .filter(|number| number.is_finite())
            .map(Value::Float)
            .ok_or_else(|| self.wrong("a number before this"))
    }

    fn byte(&mut self, what: &str) -> Result<u8, EnvelopeError> {
        let byte = *self.body.get(self.at).ok_or_else(|| self.wrong(what))?;
        self.at += 1;
        Ok(byte)
    }

    fn take(&mut self, length: usize) -> Result<&'b [u8], EnvelopeError> {
        let rest = &self.body[self.at..];
        let taken = rest.get(..length).ok_or_else(|| {
            EnvelopeError(format!(
                "the PHP-serialized body is cut short: at byte {} it announces {length} bytes, but {} are left",
                self.at,
                rest.len()
            ))
        })?;
        self.at += length;
        Ok(taken)
    }

    fn expect(&mut self, wanted: &[u8]) -> Result<(), EnvelopeError> {
        if self.body[self.at..].starts_with(wanted) {
            self.at += wanted.len();
            return Ok(());
        }
        Err(self.wrong(&format!("`{}`", wanted.escape_ascii())))
    }

    /// The bytes before an end, which is near: no number is long.
    fn until(&mut self, end: u8, what: &str) -> Result<&'b [u8], EnvelopeError> {
        let rest = &self.body[self.at..];
        let length = rest.iter().take(400).position(|byte| *byte == end).ok_or_else(|| self.wrong(what))?;
        self.at += length + 1;
        Ok(&rest[..length])
    }

    fn wrong(&self, wanted: &str) -> EnvelopeError {
        let rest = self.body.get(self.at..).unwrap_or_default();
        let found = if rest.is_empty() { "its end".to_owned() } else { format!("`{}`", super::beginning(rest)) };
        EnvelopeError(format!(
            "the PHP-serialized body is not readable at byte {}: expected {wanted}, found {found}",
            self.at
        ))
    }
}

fn write_value(out: &mut String, value: &Value<'_>) -> Result<(), EnvelopeError> {
    if out.len() > MAX_BODY {
        return Err(EnvelopeError(format!("the PHP-serialized body is longer than {MAX_BODY} bytes as JSON")));
    }
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(truth) => out.push_str(if *truth { "true" } else { "false" }),
        Value::Int(number) => {
            let _ = write!(out, "{number}");
        }
        Value::Float(number) => write_float(out, *number),
        Value::Text(text) => write_text(out, utf8(text, "a text")?),
        Value::Array(entries) => write_array(out, entries)?,
        Value::Object { class, properties } => write_object(out, class, properties)?,
        Value::Unusable(what) => {
            return Err(EnvelopeError(format!("the PHP-serialized body holds {what}, for which JSON has no form")));
        }
    }
    Ok(())
}

/// A list where the keys are 0, 1, 2, …, else an object. A key `class`, which
/// the `JsonSerializer` refuses in arrays, is written like any other.
fn write_array(out: &mut String, entries: &[(Key<'_>, Value<'_>)]) -> Result<(), EnvelopeError> {
    let is_list = entries.iter().zip(0_i64..).all(|((key, _), index)| *key == Key::Int(index));
    if !is_list {
        return write_members(out, None, entries);
    }
    out.push('[');
    for (index, (_, value)) in entries.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write_value(out, value)?;
    }
    out.push(']');
    Ok(())
}

fn write_object(out: &mut String, class: &[u8], properties: &[(Key<'_>, Value<'_>)]) -> Result<(), EnvelopeError> {
    let class = utf8(class, "the class")?;
    if CLOSURES.iter().any(|closure| closure.eq_ignore_ascii_case(class)) {
        return Err(EnvelopeError(format!(
            "the job holds a PHP closure (`{class}`), which only PHP can run; push a job with a class of its own"
        )));
    }
    write_members(out, Some(class), properties)
}

fn write_members(out: &mut String, class: Option<&str>, members: &[(Key<'_>, Value<'_>)]) -> Result<(), EnvelopeError> {
    out.push('{');
    let mut written = HashSet::new();
    if let Some(class) = class {
        out.push_str("\"class\":");
        write_text(out, class);
        written.insert("class".to_owned());
    }
    for (key, value) in members {
        let name = match key {
            Key::Int(number) => number.to_string(),
            // Protected and private properties begin with a zero byte.
            Key::Text([0, ..]) if class.is_some() => continue,
            Key::Text(text) => utf8(text, "a key")?.to_owned(),
        };
        if !written.is_empty() {
            out.push(',');
        }
        write_text(out, &name);
        out.push(':');
        write_value(out, value)?;
        if let Some(name) = written.replace(name) {
            return Err(EnvelopeError(format!(
                "the PHP-serialized body holds the key `{}` twice in one object",
                name.escape_debug()
            )));
        }
    }
    out.push('}');
    Ok(())
}

/// As PHP writes a float with `serialize_precision = -1`: the shortest digits
/// that read back, `1.0e+25` from 10^17 and below 10^-4.
fn write_float(out: &mut String, number: f64) {
    let shortest = format!("{number:e}");
    let (mantissa, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..17).contains(&exponent) {
        let _ = write!(out, "{number}");
        return;
    }
    out.push_str(mantissa);
    if !mantissa.contains('.') {
        out.push_str(".0");
    }
    let _ = write!(out, "e{exponent:+}");
}

fn utf8<'b>(bytes: &'b [u8], what: &str) -> Result<&'b str, EnvelopeError> {
    std::str::from_utf8(bytes).map_err(|_| {
        EnvelopeError(format!("the PHP-serialized body holds {what} that is not UTF-8: `{}`", super::beginning(bytes)))
    })
}

fn ascii(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}
