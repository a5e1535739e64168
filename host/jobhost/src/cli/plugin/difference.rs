//! Where two JSON documents differ, for people: a line for each place.

use std::fmt::Write;

use serde_json::Value;

use super::super::output::{Paint, harmless_line};

/// Places that are told; a document that differs everywhere is told by a few of them.
const MOST: usize = 20;
/// Characters of a value that are shown.
const SHOWN: usize = 400;

/// One place at which they differ.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Difference {
    /// Such as `pushes[0].payload.text`.
    pub(super) place: String,
    /// None where nothing was expected.
    pub(super) expected: Option<Value>,
    /// None where nothing came.
    pub(super) came: Option<Value>,
}

/// Where they differ. Of an object at the top only the keys that are expected count; below, all of them. At the top a null is
/// expected of what is absent, too.
pub(super) fn differences(expected: &Value, came: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    for (key, wanted) in expected.as_object().into_iter().flatten() {
        if !(wanted.is_null() && came.get(key).is_none()) {
            compare(key.clone(), Some(wanted), came.get(key), &mut found);
        }
    }
    found
}

fn compare(place: String, expected: Option<&Value>, came: Option<&Value>, found: &mut Vec<Difference>) {
    match (expected, came) {
        (Some(Value::Object(wanted)), Some(Value::Object(got))) => {
            for (key, value) in wanted {
                compare(format!("{place}.{key}"), Some(value), got.get(key), found);
            }
            for (key, value) in got.iter().filter(|(key, _)| !wanted.contains_key(*key)) {
                compare(format!("{place}.{key}"), None, Some(value), found);
            }
        }
        (Some(Value::Array(wanted)), Some(Value::Array(got))) => {
            for index in 0..wanted.len().max(got.len()) {
                compare(format!("{place}[{index}]"), wanted.get(index), got.get(index), found);
            }
        }
        (expected, came) if expected == came => {}
        (expected, came) => {
            found.push(Difference { place, expected: expected.cloned(), came: came.cloned() });
        }
    }
}

/// Indented lines for a terminal.
pub(super) fn told(differences: &[Difference], paint: Paint) -> String {
    let mut text = String::new();
    for difference in differences.iter().take(MOST) {
        let _ = writeln!(text, "  {}", paint.label(&harmless_line(&difference.place)));
        let value = |value: &Option<Value>| value.as_ref().map_or_else(|| "nothing".to_owned(), shown);
        let _ = writeln!(text, "    expected {}", paint.good(&value(&difference.expected)));
        let _ = writeln!(text, "    came out {}", paint.bad(&value(&difference.came)));
    }
    if differences.len() > MOST {
        let _ = writeln!(text, "  and {} more places; --json tells all", differences.len() - MOST);
    }
    text
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => harmless_line(&format!("{}…", &text[..end])),
        None => harmless_line(&text),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn places(expected: &Value, came: &Value) -> Vec<String> {
        differences(expected, came).into_iter().map(|difference| difference.place).collect()
    }

    #[test]
    fn only_expected_keys_count_at_the_top_and_all_of_them_below() {
        let came = json!({"outcome": "done", "output": {"a": 1, "b": [1, 2]}, "logs": []});
        assert_eq!(places(&json!({}), &came), [""; 0]);
        assert_eq!(places(&json!({"output": {"b": [1, 2], "a": 1}}), &came), [""; 0], "in whatever order");
        assert_eq!(places(&json!({"output": {"a": 1}}), &came), ["output.b"]);
        assert_eq!(places(&json!({"outcome": "permanent"}), &came), ["outcome"]);
        assert_eq!(places(&json!({"output": {"a": 1, "b": [1]}}), &came), ["output.b[1]"], "more than expected");
        assert_eq!(
            places(&json!({"output": {"a": 2, "b": [1, 3, 4]}}), &came),
            ["output.a", "output.b[1]", "output.b[2]"]
        );
        assert_eq!(places(&json!({"error": {"code": "c"}}), &came), ["error"]);
        assert_eq!(places(&json!({"logs": {}}), &came), ["logs"]);
        assert_eq!(places(&json!({"output": null, "decision": null}), &came), ["output"]);
    }

    #[test]
    fn a_long_value_is_cut_and_many_places_are_counted() {
        let paint = Paint::new(crate::cli::args::ColorWhen::Never, false, false);
        let long = "é".repeat(SHOWN * 2);
        let text = told(&differences(&json!({"output": "a"}), &json!({"output": long})), paint);
        assert!(text.contains("    expected \"a\"\n    came out \"éé") && text.contains('…'), "{text}");
        let all: Vec<u32> = (0..30).collect();
        let text = told(&differences(&json!({"output": all}), &json!({"output": []})), paint);
        assert!(text.ends_with("and 10 more places; --json tells all\n"), "{text}");
    }
}
