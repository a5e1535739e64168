//! Measured values, what they come to, and the goal that they have to reach.

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

use super::conditions::load_average;

/// What a value counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Microseconds; shown as milliseconds.
    Micros,
    /// Things.
    Count,
    /// Bytes, shown in KiB.
    Bytes,
}

/// What a figure has to reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Goal {
    /// The median.
    P50(u64),
    /// The 99th percentile is this at most.
    P99(u64),
    /// The greatest value is this at most.
    Max(u64),
}

/// The values of one measurement under one condition.
#[derive(Clone, Debug)]
pub struct Figure {
    /// What was measured, and under which condition.
    pub name: String,
    /// What the values count.
    pub unit: Unit,
    /// In ascending order, never empty.
    values: Vec<u64>,
    /// What it has to reach, if anything.
    pub goal: Option<Goal>,
    /// What else there is to say, or nothing.
    pub note: String,
    /// The load average when the measurement began.
    pub load: String,
}

impl Figure {
    /// Of these values, one at least. `load` is the load average when the first of them was measured.
    #[track_caller]
    pub fn new(name: impl Into<String>, unit: Unit, mut values: Vec<u64>, load: &str) -> Self {
        let name = name.into();
        assert!(!values.is_empty(), "{name}: nothing was measured");
        values.sort_unstable();
        Self { name, unit, values, goal: None, note: String::new(), load: load.to_owned() }
    }

    /// The same with a goal.
    #[must_use]
    pub fn reaches(self, goal: Goal) -> Self {
        Self { goal: Some(goal), ..self }
    }

    /// The same with a note.
    #[must_use]
    pub fn noted(self, note: impl Into<String>) -> Self {
        Self { note: note.into(), ..self }
    }

    /// How many values there are.
    pub fn n(&self) -> usize {
        self.values.len()
    }

    /// The least value that at least this many of a hundred do not exceed; 0 is the least of all, 100 the greatest.
    pub fn percentile(&self, percent: usize) -> u64 {
        let rank = (self.values.len() * percent).div_ceil(100).max(1);
        self.values[rank.min(self.values.len()) - 1]
    }

    /// Whether the goal is reached; a figure without one always does.
    pub fn is_good(&self) -> bool {
        match self.goal {
            None => true,
            Some(Goal::P50(most)) => self.percentile(50) <= most,
            Some(Goal::P99(most)) => self.percentile(99) <= most,
            Some(Goal::Max(most)) => self.percentile(100) <= most,
        }
    }

    /// The heads of the columns of [`Self::row`].
    pub fn heads() -> String {
        let (name, min, p50, p99, max, n) = ("", "min", "p50", "p99", "max", "n");
        format!("{name:<58} {min:>10} {p50:>10} {p99:>10} {max:>10} {n:>6}  load  goal")
    }

    /// A line of a table for people.
    pub fn row(&self) -> String {
        let [min, p50, p99, max] = [0, 50, 99, 100].map(|percent| self.shown(self.percentile(percent)));
        let n = self.n();
        let verdict = match (&self.goal, self.is_good()) {
            (None, _) => "-".to_owned(),
            (Some(goal), true) => format!("{} reached", self.goal_shown(goal)),
            (Some(goal), false) => format!("{} MISSED", self.goal_shown(goal)),
        };
        let row = format!("{:<58} {min:>10} {p50:>10} {p99:>10} {max:>10} {n:>6}  {}  {verdict}", self.name, self.load);
        if self.note.is_empty() { row } else { format!("{row}\n    {}", self.note) }
    }

    /// The same for programs; times in microseconds.
    pub fn json(&self) -> Value {
        json!({
            "name": self.name,
            "unit": match self.unit { Unit::Micros => "us", Unit::Count => "count", Unit::Bytes => "bytes" },
            "n": self.n(),
            "min": self.percentile(0),
            "p50": self.percentile(50),
            "p99": self.percentile(99),
            "max": self.percentile(100),
            "goal": self.goal.as_ref().map(|goal| self.goal_shown(goal)),
            "reached": self.goal.as_ref().map(|_| self.is_good()),
            "note": self.note,
            "load": self.load,
        })
    }

    fn goal_shown(&self, goal: &Goal) -> String {
        match goal {
            Goal::P50(most) => format!("p50 ≤ {}", self.shown(*most)),
            Goal::P99(most) => format!("p99 ≤ {}", self.shown(*most)),
            Goal::Max(most) => format!("max ≤ {}", self.shown(*most)),
        }
    }

    fn shown(&self, value: u64) -> String {
        match self.unit {
            Unit::Micros if value < 1000 => format!("{value}us"),
            Unit::Micros => format!("{}.{:02}ms", value / 1000, value % 1000 / 10),
            Unit::Count => value.to_string(),
            Unit::Bytes => format!("{}KiB", value.div_ceil(1024)),
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.row())
    }
}

/// Whole microseconds.
pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// The load average of now, to begin a measurement with.
pub(super) fn load_now() -> String {
    load_average().split(' ').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(values: impl IntoIterator<Item = u64>) -> Figure {
        Figure::new("it", Unit::Count, values.into_iter().collect(), "0.00")
    }

    #[test]
    fn percentiles_are_values_that_were_measured() {
        for (values, expected) in [
            ((1..=1000).collect::<Vec<_>>(), [1, 500, 990, 1000]),
            ((1..=100).rev().collect(), [1, 50, 99, 100]),
            (vec![3, 1, 2], [1, 2, 3, 3]),
            (vec![7], [7, 7, 7, 7]),
        ] {
            let figure = figure(values);
            assert_eq!([0, 50, 99, 100].map(|percent| figure.percentile(percent)), expected);
        }
    }

    #[test]
    fn a_goal_is_reached_up_to_its_bound_and_missed_beyond() {
        let values = || (1..=100).chain([500]);
        assert!(figure(values()).is_good());
        for (goal, good) in [
            (Goal::P50(51), true),
            (Goal::P50(50), false),
            (Goal::P99(100), true),
            (Goal::P99(99), false),
            (Goal::Max(500), true),
            (Goal::Max(499), false),
        ] {
            let figure = figure(values()).reaches(goal.clone());
            assert_eq!(figure.is_good(), good, "{goal:?}");
            assert_eq!(figure.row().contains("MISSED"), !good, "{figure}");
            assert_eq!(figure.json()["reached"], good);
        }
    }

    #[test]
    fn times_are_shown_in_milliseconds_or_less_and_bytes_in_kib() {
        let shown = |unit, value| Figure::new("it", unit, vec![value], "0.00").shown(value);
        assert_eq!(shown(Unit::Micros, 999), "999us");
        assert_eq!(shown(Unit::Bytes, 458_753), "449KiB");
        assert_eq!(Figure::new("it", Unit::Micros, vec![12_345], "0.00").shown(12_345), "12.34ms");
    }
}
