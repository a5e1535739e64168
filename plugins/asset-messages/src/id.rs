//! An id of another system's record: a number for one program, a string for the next.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::ser::{Serialize, Serializer};

/// A record's id, written out again as it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Id {
    /// A whole number from 0.
    Number(u64),
    /// A string, not empty and at most 100 bytes.
    Text(String),
}

/// The longest id that is a string, in bytes.
const MAX_LENGTH: usize = 100;

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => serializer.serialize_u64(*number),
            Self::Text(text) => serializer.serialize_str(text),
        }
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(IdVisitor)
    }
}

struct IdVisitor;

impl Visitor<'_> for IdVisitor {
    type Value = Id;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an id (a whole number, or a string of 1 to {MAX_LENGTH} bytes)")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Id, E> {
        Ok(Id::Number(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Id, E> {
        if text.is_empty() || text.len() > MAX_LENGTH {
            return Err(E::invalid_length(text.len(), &self));
        }
        Ok(Id::Text(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_strings_are_written_out_as_they_came_in() {
        for text in ["2", "18446744073709551615", "\"2\"", "\"a-7\""] {
            let id: Id = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&id).unwrap(), text);
        }
    }

    #[test]
    fn a_channel_may_call_what_it_takes_by_a_number_or_a_string() {
        for (text, id) in [(r#"{"id":5,"more":[]}"#, Id::Number(5)), (r#"{"id":"5"}"#, Id::Text("5".to_owned()))] {
            assert_eq!(serde_json::from_str::<crate::Stored>(text).unwrap().id, id);
        }
    }

    #[test]
    fn anything_else_is_refused_with_what_was_expected() {
        for text in ["-1", "1.5", "\"\"", "null", "[]"] {
            let error = serde_json::from_str::<Id>(text).unwrap_err().to_string();
            assert!(error.contains("an id (a whole number"), "{text}: {error}");
        }
    }
}
