//! The table: a row for each figure.

use serde_json::{Value, json};

use super::Cell;

/// One figure, and what it belongs to.
#[derive(Clone, Debug)]
pub struct Row {
    /// Group, store, guest, concurrency, threads, backlog.
    place: [String; 6],
    figure: String,
    unit: String,
    /// Median, least and greatest of the runs.
    values: [f64; 3],
    /// Whatever `jobhost bench` told beside its figures.
    conditions: Value,
}

const HEADS: [&str; 11] =
    ["group", "store", "guest", "concurrency", "threads", "backlog", "figure", "unit", "median", "min", "max"];

impl Row {
    /// The figures of what `jobhost bench` told as JSON. A document of another form panics.
    #[track_caller]
    pub(super) fn all(cell: &Cell, document: &Value) -> Vec<Self> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let place = place(cell);
        let mut conditions = document.clone();
        if let Some(conditions) = conditions.as_object_mut() {
            conditions.remove("figures");
        }
        let figures = document["figures"].as_array().expect("there are figures");
        let row = |figure: &Value| Self {
            place: place.clone(),
            figure: format!("{}: {}", text(&figure["part"]), text(&figure["name"])),
            unit: text(&figure["unit"]),
            values: ["median", "min", "max"].map(|of| figure[of].as_f64().expect("it is a number")),
            conditions: conditions.clone(),
        };
        figures.iter().map(row).collect()
    }

    /// What two processors took for an exchange, before and after a cell; none if there are no samples.
    pub(super) fn exchange(cell: &Cell, mut samples: Vec<f64>) -> Option<Self> {
        samples.sort_by(f64::total_cmp);
        let values = [*samples.get(samples.len() / 2)?, *samples.first()?, *samples.last()?];
        let (figure, unit) = ("processors: a cache line to and fro".to_owned(), "ns".to_owned());
        Some(Self { place: place(cell), figure, unit, values, conditions: Value::Null })
    }

    /// The first two lines of a Markdown table.
    pub fn heads() -> String {
        format!("| {} |\n|{}", HEADS.join(" | "), "---|".repeat(HEADS.len()))
    }

    /// A line of it.
    pub fn line(&self) -> String {
        let [median, min, max] = self.values.map(shown);
        format!("| {} | {} | {} | {median} | {min} | {max} |", self.place.join(" | "), self.figure, self.unit)
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let mut told = json!({
            "figure": self.figure,
            "unit": self.unit,
            "median": self.values[0],
            "min": self.values[1],
            "max": self.values[2],
            "conditions": self.conditions,
        });
        for (head, value) in HEADS.iter().zip(&self.place) {
            told[*head] = json!(value);
        }
        told
    }
}

fn place(cell: &Cell) -> [String; 6] {
    [
        cell.group.name().to_owned(),
        cell.store.map_or("-", |store| store.name()).to_owned(),
        cell.guest.name.clone(),
        cell.concurrency.to_string(),
        // This one has both by itself.
        if cell.store.is_none() { "-" } else { cell.threads.name() }.to_owned(),
        cell.backlog.to_string(),
    ]
}

/// Three digits that count, and no fewer than a whole number has.
fn shown(value: f64) -> String {
    match value.abs() {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        1.0.. => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::Choice;

    #[test]
    fn a_row_says_where_a_figure_belongs_and_what_it_is() {
        let arguments = ["--only", "backlogs", "--store", "redis", "--backlog", "10000"].map(str::to_owned);
        let cell = Choice::read(&arguments).unwrap().cells().remove(0);
        let figure =
            json!({"part": "drain", "name": "speed", "unit": "jobs/s", "min": 1.0, "median": 23.44, "max": 40210.4});
        let rows = Row::all(&cell, &json!({"processors": 2, "figures": [figure]}));
        assert_eq!(
            rows[0].line(),
            "| backlogs | redis | no-op | 128 | all | 10000 | drain: speed | jobs/s | 23.4 | 1.00 | 40210 |"
        );
        assert_eq!(Row::heads().lines().map(|line| line.matches('|').count()).collect::<Vec<_>>(), [12, 12]);
        let told = rows[0].json();
        assert_eq!((&told["backlog"], &told["conditions"]), (&json!("10000"), &json!({"processors": 2})));
        let exchange = |samples: &[f64]| Row::exchange(&cell, samples.to_vec()).map(|row| row.values);
        assert_eq!((exchange(&[3.0, 1.0, 7.0]), exchange(&[])), (Some([3.0, 1.0, 7.0]), None));
    }
}
