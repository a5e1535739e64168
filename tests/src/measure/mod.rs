//! What the program is measured by: how late an attempt is ended, how soon a dead worker's jobs run again, what a
//! greedy job costs its neighbours, what a swap costs, how long a start takes, what a look at a bucket costs, how much
//! memory a host needs, what a hook costs. Each measurement runs the real program and returns [`Figure`]s; those with a
//! goal say whether it is reached. How to read them is told in CONTRIBUTING.md.

mod buckets;
mod burners;
mod conditions;
mod duplicates;
mod figure;
mod hooks;
mod lateness;
mod memory;
mod neighbours;
mod recovery;
mod starts;
mod stream;
mod swaps;

pub use conditions::{Conditions, load_average};
pub use figure::{Figure, Goal, Unit};

use std::path::Path;

use crate::workplace::Workplace;

/// One thing that can be measured by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measurement {
    /// How long after its time to run an attempt ends.
    Lateness,
    /// How long a killed worker's jobs wait for their next start.
    Recovery,
    /// How many executions are repeated for each killed worker.
    Duplicates,
    /// What one greedy job costs the others in the same worker.
    Neighbours,
    /// How soon a saved plugin is used, and what that costs the jobs.
    Swaps,
    /// How long a host takes to start.
    Starts,
    /// What a look at a bucket costs a plugin.
    Buckets,
    /// How much memory it needs, idle and for each running job.
    Memory,
    /// What a hook costs beside an attempt.
    Hooks,
}

impl Measurement {
    /// All of them, in the order in which they are run.
    pub const ALL: [Self; 9] = [
        Self::Lateness,
        Self::Recovery,
        Self::Duplicates,
        Self::Neighbours,
        Self::Swaps,
        Self::Starts,
        Self::Buckets,
        Self::Memory,
        Self::Hooks,
    ];

    /// As the command line calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lateness => "lateness",
            Self::Recovery => "recovery",
            Self::Duplicates => "duplicates",
            Self::Neighbours => "neighbours",
            Self::Swaps => "swaps",
            Self::Starts => "starts",
            Self::Buckets => "buckets",
            Self::Memory => "memory",
            Self::Hooks => "hooks",
        }
    }

    /// Measures, with this handler beside our own where it is about plugins of any size. A harness that cannot go on
    /// panics.
    #[track_caller]
    pub fn run(self, component: Option<&Path>) -> Vec<Figure> {
        match self {
            Self::Lateness => lateness::run(),
            Self::Recovery => recovery::run(),
            Self::Duplicates => duplicates::run(),
            Self::Neighbours => neighbours::run(),
            Self::Swaps => swaps::run(),
            Self::Starts => starts::run(component),
            Self::Buckets => buckets::run(),
            Self::Memory => memory::run(),
            Self::Hooks => hooks::run(),
        }
    }
}

/// A place for each store, with its name.
fn both_stores() -> [(&'static str, Workplace); 2] {
    [("SQLite", Workplace::sqlite()), ("Redis", Workplace::redis())]
}

/// Stores jobs, a line each, in one call.
#[track_caller]
fn push_lines(place: &Workplace, queue: &str, lines: String) {
    place.jobhost(&["push", "--queue", queue, "--batch", "-"]).stdin(lines).run().success();
}
