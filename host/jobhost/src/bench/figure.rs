//! Figures: what single runs gave, and what is told of them all.

use super::Part;

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Jobs in a second.
    JobsPerSecond,
    /// Microseconds for a job.
    MicrosPerJob,
    /// Milliseconds.
    Millis,
    /// Bytes.
    Bytes,
    /// Of a hundred.
    Percent,
}

impl Unit {
    /// As programs read it.
    pub fn name(self) -> &'static str {
        match self {
            Self::JobsPerSecond => "jobs/s",
            Self::MicrosPerJob => "us/job",
            Self::Millis => "ms",
            Self::Bytes => "bytes",
            Self::Percent => "%",
        }
    }
}

/// One number of one run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub(super) name: &'static str,
    pub(super) unit: Unit,
    pub(super) value: f64,
}

/// One number over all runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// Of which part it is.
    pub part: Part,
    /// What it is.
    pub name: &'static str,
    /// What it counts.
    pub unit: Unit,
    /// Of each run, in their order; never empty.
    pub values: Vec<f64>,
}

impl Figure {
    /// The smallest.
    pub fn min(&self) -> f64 {
        self.values.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// The largest.
    pub fn max(&self) -> f64 {
        self.values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }

    /// The one in the middle; of an even number the mean of the two.
    pub fn median(&self) -> f64 {
        let sorted = sorted(&self.values);
        let middle = sorted.len() / 2;
        match sorted.len() {
            0 => f64::NAN,
            odd if odd % 2 == 1 => sorted[middle],
            _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
        }
    }
}

/// The figures as they come.
#[derive(Default)]
pub(super) struct Figures(Vec<Figure>);

impl Figures {
    /// What a part gave in one run.
    pub(super) fn add(&mut self, part: Part, samples: Vec<Sample>) {
        for Sample { name, unit, value } in samples {
            match self.0.iter_mut().find(|figure| figure.part == part && figure.name == name) {
                Some(figure) => figure.values.push(value),
                None => self.0.push(Figure { part, name, unit, values: vec![value] }),
            }
        }
    }

    /// All, with how much of the store's own speed a worker reaches.
    pub(super) fn into_report(mut self) -> Vec<Figure> {
        let speed = |part| {
            let is_it = |figure: &&Figure| figure.part == part && figure.unit == Unit::JobsPerSecond;
            self.0.iter().find(is_it).map(|figure| figure.values.clone())
        };
        if let (Some(store), Some(drain)) = (speed(Part::Store), speed(Part::Drain)) {
            let values = drain.iter().zip(&store).map(|(drain, store)| 100.0 * drain / store).collect();
            self.0.push(Figure { part: Part::Drain, name: "share of store", unit: Unit::Percent, values });
        }
        self.0.sort_by_key(|figure| figure.part);
        self.0
    }
}

/// The value that so many of a hundred do not exceed, by the nearest rank. `values` is not empty.
pub(super) fn percentile(values: &[f64], percent: usize) -> f64 {
    let sorted = sorted(values);
    let rank = (sorted.len() * percent).div_ceil(100).clamp(1, sorted.len().max(1));
    sorted.get(rank - 1).copied().unwrap_or(f64::NAN)
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(values: &[f64]) -> Figure {
        Figure { part: Part::Drain, name: "x", unit: Unit::Millis, values: values.to_vec() }
    }

    fn told(values: impl std::fmt::Debug) -> String {
        format!("{values:?}")
    }

    #[test]
    fn of_several_runs_the_least_the_middle_and_the_most_are_told() {
        let odd = figure(&[3.0, 1.0, 20.0]);
        assert_eq!(told([odd.min(), odd.median(), odd.max()]), "[1.0, 3.0, 20.0]");
        let even = figure(&[4.0, 1.0, 2.0, 9.0]);
        assert_eq!(told([even.min(), even.median(), even.max()]), "[1.0, 3.0, 9.0]");
    }

    #[test]
    fn a_percentile_is_a_value_that_was_measured() {
        let values: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        assert_eq!(told([50, 95, 99, 100].map(|percent| percentile(&values, percent))), "[100.0, 190.0, 198.0, 200.0]");
        assert_eq!(told([percentile(&[7.0], 99)]), "[7.0]");
    }

    #[test]
    fn the_share_of_the_store_is_told_run_by_run_where_both_were_measured() {
        let speed = |value| vec![Sample { name: "speed", unit: Unit::JobsPerSecond, value }];
        let mut figures = Figures::default();
        for (store, drain) in [(200.0, 100.0), (100.0, 75.0)] {
            figures.add(Part::Drain, speed(drain));
            figures.add(Part::Store, speed(store));
        }
        let report = figures.into_report();
        assert_eq!(
            report.iter().map(|figure| figure.part).collect::<Vec<_>>(),
            [Part::Store, Part::Drain, Part::Drain]
        );
        assert_eq!(told(&report[2].values), "[50.0, 75.0]");
    }
}
