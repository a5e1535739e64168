//! The matrix of `cargo xtask bench`: which runs of `jobhost bench` it is made of, and the table that comes of them. It
//! measures nothing itself.

mod choice;
mod exchange;
mod guests;
mod table;

pub use choice::{Choice, Threads};
pub use guests::Guest;
pub use table::Row;

use std::process::Stdio;

use serde_json::Value;

use crate::process;
use crate::workplace::Workplace;

/// What the table is divided into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Guests at each concurrency, without a store.
    Sandboxes,
    /// Pushes and idle latency of each store.
    Stores,
    /// Workers: each store with each guest, at each concurrency and with each number of threads.
    Drains,
    /// Pushes and workers of each store with other jobs waiting beside.
    Backlogs,
}

impl Group {
    /// All of them, in the order in which they are measured.
    pub const ALL: [Self; 4] = [Self::Sandboxes, Self::Stores, Self::Drains, Self::Backlogs];

    /// As the command line calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sandboxes => "sandboxes",
            Self::Stores => "stores",
            Self::Drains => "drains",
            Self::Backlogs => "backlogs",
        }
    }

    /// What `jobhost bench` measures for it.
    fn parts(self) -> &'static [&'static str] {
        match self {
            Self::Sandboxes => &["sandbox"],
            Self::Stores => &["push-single", "push-bulk", "idle"],
            Self::Drains => &["store", "drain"],
            Self::Backlogs => &["push-bulk", "store", "drain"],
        }
    }
}

/// A store to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreKind {
    /// A SQLite file whose commits wait for the disk.
    Sqlite,
    /// One whose commits do not.
    SqliteNormal,
    /// A Redis server of one's own, which keeps nothing on disk.
    Redis,
}

impl StoreKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Sqlite, Self::SqliteNormal, Self::Redis];

    /// As the command line calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::SqliteNormal => "sqlite-normal",
            Self::Redis => "redis",
        }
    }
}

/// One run of `jobhost bench`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Where its figures belong.
    pub group: Group,
    /// Where its jobs are; `None` if there is no store.
    pub store: Option<StoreKind>,
    /// What runs them.
    pub guest: Guest,
    /// How many at once.
    pub concurrency: u32,
    /// Threads for a worker's guests.
    pub threads: Threads,
    /// Jobs that wait beside.
    pub backlog: u32,
}

impl Cell {
    /// Runs it in a new folder, with a new server, and returns its figures; none if its guest cannot be built here. The
    /// guests are made in `made`, once each. A program that fails panics with its words.
    #[track_caller]
    pub fn run(&self, jobs: u32, runs: u32, made: &Workplace) -> Vec<Row> {
        if self.guest.is_left_out() {
            return Vec::new();
        }
        let place = if self.store == Some(StoreKind::Redis) { Workplace::redis() } else { Workplace::bare() };
        let arguments = self.arguments(self.guest.jobs(jobs), runs);
        let mut command = place.jobhost(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).into_command();
        if place.is_redis() {
            command.args(["--store", &place.store()]);
        }
        if let Some(file) = self.guest.file(made) {
            command.arg("--plugin").arg(file);
        }
        // Only where it is nobody's but the guests' threads that share something.
        let exchange = || if self.store.is_none() { exchange::samples() } else { Vec::new() };
        let before = exchange();
        // What it says of its conditions and troubles is for whoever waits.
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let told = process::spawn(&mut command).wait_with_output().expect("its output can be read");
        assert!(told.status.success(), "{self:?}: {}", told.status);
        let document: Value = serde_json::from_slice(&told.stdout).expect("it prints JSON");
        let exchanges = [before, exchange()].concat();
        Row::all(self, &document).into_iter().chain(Row::exchange(self, exchanges)).collect()
    }

    fn arguments(&self, jobs: u32, runs: u32) -> Vec<String> {
        let number = |name: &str, value: u32| [name.to_owned(), value.to_string()];
        let mut arguments = vec!["bench".to_owned(), "--json".to_owned()];
        arguments.extend(number("--jobs", jobs));
        arguments.extend(number("--runs", runs));
        arguments.extend(number("--concurrency", self.concurrency));
        if self.backlog > 0 {
            arguments.extend(number("--backlog", self.backlog));
        }
        if self.threads == Threads::One {
            arguments.extend(number("--threads", 1));
        }
        if let Some(StoreKind::SqliteNormal) = self.store {
            arguments.extend(["--synchronous", "normal"].map(str::to_owned));
        }
        arguments.extend(self.group.parts().iter().flat_map(|part| ["--only".to_owned(), (*part).to_owned()]));
        arguments
    }
}
