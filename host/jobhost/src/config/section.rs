//! Reads tables of the configuration key by key. A wrong value is noted with
//! its place and reading goes on, so that all problems are told at once.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::durations::{parse_duration, parse_size, show_duration, show_size};
use super::problem::{Findings, did_you_mean};

/// A text and the byte at which it stands.
pub(super) struct Word {
    pub(super) text: String,
    pub(super) at: usize,
}

/// An item of a list that may hold texts as well as tables.
pub(super) enum Entry<'a, 'i> {
    Text(Word),
    Table(Section<'a, 'i>),
}

/// A table of the file and which of its keys are known.
pub(super) struct Section<'a, 'i> {
    findings: &'a Findings<'a>,
    table: &'a DeTable<'i>,
    path: String,
    /// The byte at which the table's name stands.
    pub(super) at: usize,
    known: Vec<&'static str>,
}

impl<'a, 'i> Section<'a, 'i> {
    pub(super) fn root(findings: &'a Findings<'a>, table: &'a DeTable<'i>) -> Self {
        Self { findings, table, path: String::new(), at: 0, known: Vec::new() }
    }

    /// Where the key stands, or else the table.
    pub(super) fn at_key(&self, key: &str) -> usize {
        self.table.get_key_value(key).map_or(self.at, |(key, _)| key.span().start)
    }

    /// Where the value of a key stands, or else the table.
    pub(super) fn at_value(&self, key: &str) -> usize {
        self.table.get(key).map_or(self.at, |value| value.span().start)
    }

    /// Notes a problem of the whole section or one of its keys.
    pub(super) fn note(&self, at: usize, message: impl Display) {
        self.findings.note(at, format!("{}: {message}", self.path));
    }

    /// The value of a key, if it is there and right.
    pub(super) fn read<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&DeValue<'i>) -> Result<T, String>,
    ) -> Option<T> {
        let value = self.value(key)?;
        match read(value.get_ref()) {
            Ok(value) => Some(value),
            Err(why) => {
                let message = format!("{}: {why}", self.path_of(key));
                self.findings.note(value.span().start, message);
                None
            }
        }
    }

    /// A list of texts, each with its place.
    pub(super) fn words(&mut self, key: &'static str, example: &str) -> Option<Vec<Word>> {
        let value = self.value(key)?;
        let wrong = |value: &Spanned<DeValue<'i>>, what: &str| {
            let message =
                format!("{}: expected {what} such as {example}, found {}", self.path_of(key), found(value.get_ref()));
            self.findings.note(value.span().start, message);
        };
        let Some(items) = value.get_ref().as_array() else {
            wrong(value, "a list of texts");
            return None;
        };
        let mut words = Vec::new();
        for item in items {
            match item.get_ref().as_str() {
                Some(text) => words.push(Word { text: text.to_owned(), at: item.span().start }),
                None => wrong(item, "only texts in the list,"),
            }
        }
        Some(words)
    }

    /// The entries of a table whose keys are the operator's own names, in the order of the file, each with its place.
    /// Those that are wrong are noted and left out.
    pub(super) fn entries<T>(
        &mut self,
        key: &'static str,
        example: &str,
        read: impl Fn(&DeValue<'i>) -> Result<T, String>,
    ) -> Option<Vec<(String, usize, T)>> {
        let all = self.section(key, example)?;
        let mut entries: Vec<_> = all.table.iter().collect();
        entries.sort_by_key(|(name, _)| name.span().start);
        let mut taken = Vec::new();
        for (name, value) in entries {
            let name_of = name.get_ref();
            match read(value.get_ref()) {
                Ok(right) => taken.push((name_of.to_string(), name.span().start, right)),
                Err(why) => {
                    let message = format!("{}: {why}", all.path_of(name_of));
                    self.findings.note(value.span().start, message);
                }
            }
        }
        Some(taken)
    }

    /// The table under a key.
    pub(super) fn section(&mut self, key: &'static str, example: &str) -> Option<Section<'a, 'i>> {
        let value = self.value(key)?;
        let path = self.path_of(key);
        self.table_of(path, self.at_key(key), value, example)
    }

    /// The named tables under a key, in the order of the file.
    pub(super) fn named_sections(&mut self, key: &'static str, example: &str) -> Vec<(String, Section<'a, 'i>)> {
        let Some(all) = self.section(key, example) else {
            return Vec::new();
        };
        let mut entries: Vec<_> = all.table.iter().collect();
        entries.sort_by_key(|(name, _)| name.span().start);
        entries
            .into_iter()
            .filter_map(|(name, value)| {
                let path = all.path_of(name.get_ref());
                let section = all.table_of(path, name.span().start, value, example)?;
                Some((name.get_ref().to_string(), section))
            })
            .collect()
    }

    /// The tables of a list, such as `fs = [{ host = "a" }]`.
    pub(super) fn section_list(&mut self, key: &'static str, example: &str) -> Vec<Section<'a, 'i>> {
        let Some(value) = self.value(key) else {
            return Vec::new();
        };
        let Some(items) = value.get_ref().as_array() else {
            let message =
                format!("{}: expected a list such as {example}, found {}", self.path_of(key), found(value.get_ref()));
            self.findings.note(value.span().start, message);
            return Vec::new();
        };
        items
            .iter()
            .enumerate()
            .filter_map(|(index, item)| {
                let path = format!("{}[{index}]", self.path_of(key));
                self.table_of(path, item.span().start, item, example)
            })
            .collect()
    }

    /// The items of a list of texts and tables.
    pub(super) fn texts_and_tables(&mut self, key: &'static str, example: &str) -> Vec<Entry<'a, 'i>> {
        let Some(value) = self.value(key) else {
            return Vec::new();
        };
        let Some(items) = value.get_ref().as_array() else {
            let message =
                format!("{}: expected a list such as {example}, found {}", self.path_of(key), found(value.get_ref()));
            self.findings.note(value.span().start, message);
            return Vec::new();
        };
        let entry = |(index, item): (usize, &'a Spanned<DeValue<'i>>)| {
            let at = item.span().start;
            match item.get_ref().as_str() {
                Some(text) => Some(Entry::Text(Word { text: text.to_owned(), at })),
                None => self.table_of(format!("{}[{index}]", self.path_of(key)), at, item, example).map(Entry::Table),
            }
        };
        items.iter().enumerate().filter_map(entry).collect()
    }

    /// Notes the keys that nobody asked for.
    pub(super) fn finish(self) {
        for (key, _) in self.table {
            let name: &str = key.get_ref();
            if self.known.contains(&name) {
                continue;
            }
            let near = did_you_mean(name, self.known.iter().copied());
            let known = if near.is_empty() { format!("; known here: {}", self.known.join(", ")) } else { near };
            let message = format!("unknown key `{}`{known}", self.path_of(name));
            self.findings.note(key.span().start, message);
        }
    }

    fn value(&mut self, key: &'static str) -> Option<&'a Spanned<DeValue<'i>>> {
        self.known.push(key);
        self.table.get(key)
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn table_of(
        &self,
        path: String,
        at: usize,
        value: &'a Spanned<DeValue<'i>>,
        example: &str,
    ) -> Option<Section<'a, 'i>> {
        let Some(table) = value.get_ref().as_table() else {
            let message = format!("{path}: expected a table such as {example}, found {}", found(value.get_ref()));
            self.findings.note(value.span().start, message);
            return None;
        };
        Some(Section { findings: self.findings, table, path, at, known: Vec::new() })
    }
}

/// A text.
pub(super) fn text(example: &str) -> impl Fn(&DeValue<'_>) -> Result<String, String> {
    move |value| {
        value
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| format!("expected a text such as {example}, found {}", found(value)))
    }
}

/// `true` or `false`.
pub(super) fn truth(value: &DeValue<'_>) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| format!("expected true or false, found {}", found(value)))
}

/// One of a few words.
pub(super) fn choice<T: Copy>(choices: &[(&str, T)]) -> impl FnOnce(&DeValue<'_>) -> Result<T, String> {
    move |value| {
        let chosen = value.as_str().and_then(|text| choices.iter().find(|(word, _)| *word == text));
        chosen.map(|(_, choice)| *choice).ok_or_else(|| {
            let words: Vec<_> = choices.iter().map(|(word, _)| format!("{word:?}")).collect();
            format!("expected {}, found {}", words.join(" or "), found(value))
        })
    }
}

/// A whole number within a range.
pub(super) fn whole(range: RangeInclusive<u64>) -> impl FnOnce(&DeValue<'_>) -> Result<u64, String> {
    move |value| {
        value
            .as_integer()
            .and_then(|number| u64::from_str_radix(number.as_str(), number.radix()).ok())
            .filter(|number| range.contains(number))
            .ok_or_else(|| {
                let (least, most) = range.clone().into_inner();
                let range = if most == u64::MAX || most == u64::from(u32::MAX) {
                    format!("from {least}")
                } else {
                    format!("from {least} to {most}")
                };
                format!("expected a whole number {range}, found {}", found(value))
            })
    }
}

/// The same for 32 bits; `range` must fit them.
pub(super) fn whole32(range: RangeInclusive<u32>) -> impl FnOnce(&DeValue<'_>) -> Result<u32, String> {
    let read = whole(u64::from(*range.start())..=u64::from(*range.end()));
    move |value| read(value).map(|number| u32::try_from(number).unwrap_or(u32::MAX))
}

/// A number within a range, `2` as well as `2.0`.
pub(super) fn number(range: RangeInclusive<f64>) -> impl FnOnce(&DeValue<'_>) -> Result<f64, String> {
    move |value| {
        let written = match value {
            DeValue::Float(float) => float.as_str().parse().ok(),
            DeValue::Integer(number) if number.radix() == 10 => number.as_str().parse().ok(),
            _ => None,
        };
        written.filter(|number| range.contains(number)).ok_or_else(|| {
            format!("expected a number from {} to {}, found {}", range.start(), range.end(), found(value))
        })
    }
}

/// A duration within a range.
pub(super) fn duration(
    range: RangeInclusive<Duration>,
    example: &str,
) -> impl FnOnce(&DeValue<'_>) -> Result<Duration, String> {
    move |value| {
        let text = value.as_str().ok_or_else(|| {
            let fix = value.as_integer().map(|number| format!("; write \"{}s\"", number.as_str())).unwrap_or_default();
            format!("expected a duration such as {example:?}, found {}{fix}", found(value))
        })?;
        let duration = parse_duration(text)?;
        if range.contains(&duration) {
            return Ok(duration);
        }
        Err(format!(
            "{text:?} is out of range; it goes from {} to {}",
            show_duration(*range.start()),
            show_duration(*range.end())
        ))
    }
}

/// A size within a range.
pub(super) fn size(range: RangeInclusive<u64>) -> impl FnOnce(&DeValue<'_>) -> Result<u64, String> {
    move |value| {
        let text =
            value.as_str().ok_or_else(|| format!("expected a size such as \"64MiB\", found {}", found(value)))?;
        let bytes = parse_size(text)?;
        if range.contains(&bytes) {
            return Ok(bytes);
        }
        Err(format!(
            "{text:?} is out of range; it goes from {} to {}",
            show_size(*range.start()),
            show_size(*range.end())
        ))
    }
}

/// What was written, for a message.
pub(super) fn found(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => {
            let short: String = text.chars().take(60).collect();
            format!("the text {short:?}")
        }
        DeValue::Integer(number) => format!("the number {number}"),
        DeValue::Float(number) => format!("the number {number}"),
        DeValue::Boolean(truth) => truth.to_string(),
        DeValue::Datetime(time) => format!("the time {time}"),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}
