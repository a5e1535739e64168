//! The keys of `limits`: for each its unit, its range and what it means, once, for reading the file, for showing what is
//! in force and for the README.

use jobhost_runtime::Limits;

use super::durations::show_size;
use super::section::{Section, size, whole};

/// A limit that can be set.
pub struct LimitKey {
    /// As it is written in the file.
    pub key: &'static str,
    /// What is counted.
    pub unit: Unit,
    /// The least that can be written.
    pub least: u64,
    /// The most that can be written.
    pub most: u64,
    /// The value in force.
    pub get: fn(&Limits) -> u64,
    set: fn(&mut Limits, u64),
}

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Written with a unit, such as `"64MiB"`.
    Bytes,
    /// A whole number.
    Count,
    /// The same, of which 0 means that there is no limit.
    CountOrNone,
}

impl LimitKey {
    /// The value in force as it would be written.
    pub fn shown(&self, limits: &Limits) -> String {
        self.show((self.get)(limits))
    }

    /// A value as it would be written.
    pub fn show(&self, value: u64) -> String {
        match self.unit {
            Unit::Bytes => show_size(value),
            Unit::CountOrNone if value == 0 => "0 (none)".to_owned(),
            Unit::Count | Unit::CountOrNone => value.to_string(),
        }
    }

    /// Its name in JSON, with the unit.
    pub fn json_name(&self) -> String {
        let name = self.key.replace('-', "_");
        if self.unit == Unit::Bytes && !name.ends_with("_bytes") { format!("{name}_bytes") } else { name }
    }
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

macro_rules! limit {
    ($key:literal, $unit:ident, $least:expr, $most:expr, $field:ident) => {
        LimitKey {
            key: $key,
            unit: Unit::$unit,
            least: $least,
            most: $most,
            get: |limits| limits.$field.into(),
            // The range fits the field, so that nothing is ever cut.
            set: |limits, value| limits.$field = value.try_into().unwrap_or(limits.$field),
        }
    };
}

/// Every limit.
pub const LIMITS: [LimitKey; 24] = [
    limit!("memory", Bytes, MIB, 4 * GIB, memory),
    limit!("fuel", CountOrNone, 0, u64::MAX, fuel),
    limit!("stack", Bytes, 64 * KIB, 16 * MIB, stack),
    limit!("table-elements", Count, 1, 10_000_000, table_elements),
    limit!("tables", Count, 1, 10_000, tables),
    limit!("memories", Count, 1, 1_000, memories),
    limit!("instances", Count, 1, 10_000, instances),
    limit!("handles", Count, 1, 1_000_000, handles),
    limit!("open-files", Count, 1, 100_000, open_files),
    limit!("host-call-bytes", Bytes, 64 * KIB, GIB, host_call_bytes),
    limit!("output", Bytes, 0, 16 * MIB, output_bytes),
    limit!("stdio", Bytes, 0, MIB, stdio_bytes),
    limit!("log-lines", Count, 0, 1_000_000, log_lines),
    limit!("log-bytes", Bytes, 0, 64 * MIB, log_bytes),
    limit!("note-bytes", Bytes, 0, 64 * KIB, note_bytes),
    limit!("pushes", Count, 0, 100_000, pushes),
    limit!("push-bytes", Bytes, 0, 256 * MIB, push_bytes),
    limit!("bucket-keys", Count, 0, 100_000_000, bucket_keys),
    limit!("bucket-value", Bytes, 0, 16 * MIB, value_bytes),
    limit!("http-requests", Count, 0, 100_000, http_requests),
    limit!("http-at-once", Count, 1, 1_000, http_at_once),
    limit!("http-sent", Bytes, 0, 64 * GIB, http_sent),
    limit!("http-received", Bytes, 0, 64 * GIB, http_received),
    limit!("component-bytes", Bytes, KIB, GIB, component_bytes),
];

/// Reads a table of limits over those that hold without it.
pub(super) fn read_limits(mut section: Section<'_, '_>, limits: &mut Limits) {
    for limit in &LIMITS {
        let range = limit.least..=limit.most;
        let value = match limit.unit {
            Unit::Bytes => section.read(limit.key, size(range)),
            Unit::Count | Unit::CountOrNone => section.read(limit.key, whole(range)),
        };
        if let Some(value) = value {
            (limit.set)(limits, value);
        }
    }
    section.finish();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_default_is_within_its_range_and_each_key_sets_a_limit_of_its_own() {
        for limit in &LIMITS {
            let mut limits = Limits::default();
            let before = (limit.get)(&limits);
            assert!((limit.least..=limit.most).contains(&before), "{}", limit.key);
            for value in [limit.least, limit.most] {
                (limit.set)(&mut limits, value);
                assert_eq!((limit.get)(&limits), value, "{}", limit.key);
            }
            (limit.set)(&mut limits, before);
            assert_eq!(limits, Limits::default(), "{} sets another one too", limit.key);
        }
    }

    #[test]
    fn the_readme_has_every_limit_with_its_default_and_its_range() {
        let readme = include_str!("../../../../README.md");
        for limit in &LIMITS {
            let default = limit.shown(&Limits::default());
            let (least, most) = (limit.show(limit.least), limit.show(limit.most));
            let row = format!("| `{}` | {default} | {least} to {most} | ", limit.key);
            assert!(readme.contains(&row), "{row}");
        }
    }

    #[test]
    fn values_are_shown_as_they_are_written_and_named_with_their_unit() {
        let shown = |key: &str| {
            let limit = LIMITS.iter().find(|limit| limit.key == key).unwrap();
            (limit.shown(&Limits::default()), limit.json_name())
        };
        assert_eq!(shown("memory"), ("128MiB".into(), "memory_bytes".into()));
        assert_eq!(shown("log-bytes"), ("64KiB".into(), "log_bytes".into()));
        assert_eq!(shown("fuel"), ("0 (none)".into(), "fuel".into()));
        assert_eq!(shown("table-elements"), ("100000".into(), "table_elements".into()));
    }
}
