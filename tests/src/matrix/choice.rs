//! Which cells are measured, and how long: what the command line says.

use std::path::{PathBuf, absolute};

use super::{Cell, Group, StoreKind};
use crate::artifacts::plugin;

/// The concurrency at which stores are measured that run no guests, and backlogs.
const STORES_AT: u32 = 16;
const BACKLOGS_AT: u32 = 128;

/// What to measure.
#[derive(Clone, Debug)]
pub struct Choice {
    /// Never empty, as all the lists.
    pub groups: Vec<Group>,
    /// Of all groups but that of sandboxes.
    pub stores: Vec<StoreKind>,
    /// Of sandboxes and drains; stores and backlogs have the built-in one.
    pub guests: Vec<Guest>,
    /// Likewise.
    pub concurrency: Vec<u32>,
    /// Of drains.
    pub threads: Vec<Threads>,
    /// Of backlogs.
    pub backlogs: Vec<u32>,
    /// Jobs of each run.
    pub jobs: u32,
    /// Runs of each figure.
    pub runs: u32,
    /// Where the table is written to.
    pub table: Option<PathBuf>,
    /// Where the figures are written to, for programs.
    pub json: Option<PathBuf>,
}

/// A component, and how it is called in the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guest {
    /// One word.
    pub name: String,
    /// `None` for the one that is built into `jobhost bench`.
    pub file: Option<PathBuf>,
}

impl Guest {
    fn built_in() -> Self {
        Self { name: "no-op".to_owned(), file: None }
    }

    fn rust() -> Self {
        Self { name: "rust".to_owned(), file: Some(plugin("examples/answer")) }
    }
}

/// How many threads run a worker's guests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    /// One.
    One,
    /// One for each processor.
    All,
}

impl Threads {
    /// As the command line calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::One => "1",
            Self::All => "all",
        }
    }
}

impl Default for Choice {
    fn default() -> Self {
        Self {
            groups: Group::ALL.to_vec(),
            stores: StoreKind::ALL.to_vec(),
            guests: vec![Guest::built_in(), Guest::rust()],
            concurrency: vec![1, 16, 128],
            threads: vec![Threads::One, Threads::All],
            backlogs: vec![10_000, 1_000_000, 10_000_000],
            jobs: 20_000,
            runs: 3,
            table: None,
            json: None,
        }
    }
}

impl Choice {
    /// What these arguments choose: pairs of an option and its value. An option that may be repeated takes the place of
    /// its default the first time. The error says which is wrong.
    pub fn read(arguments: &[String]) -> Result<Self, String> {
        let mut choice = Self::default();
        let mut seen = Vec::new();
        for pair in arguments.chunks(2) {
            let [option, value] = pair else { return Err(format!("{} lacks its value", pair[0])) };
            let first = !seen.contains(option);
            seen.push(option.clone());
            let wrong = || format!("{option} cannot be `{value}`");
            match option.as_str() {
                "--only" => put(&mut choice.groups, first, named(&Group::ALL, Group::name, value)),
                "--store" => put(&mut choice.stores, first, named(&StoreKind::ALL, StoreKind::name, value)),
                "--guest" => put(&mut choice.guests, first, component(value)),
                "--concurrency" => put(&mut choice.concurrency, first, number(value, 1, 1024)),
                "--threads" => {
                    put(&mut choice.threads, first, named(&[Threads::One, Threads::All], Threads::name, value))
                }
                "--backlog" => put(&mut choice.backlogs, first, number(value, 1, 10_000_000)),
                "--jobs" => number(value, 1, 10_000_000).map(|jobs| choice.jobs = jobs),
                "--runs" => number(value, 1, 100).map(|runs| choice.runs = runs),
                "--table" => file(value, &mut choice.table),
                "--json" => file(value, &mut choice.json),
                _ => return Err(format!("there is no option {option}")),
            }
            .ok_or_else(wrong)?;
        }
        Ok(choice)
    }

    /// All that is to be measured, in order.
    pub fn cells(&self) -> Vec<Cell> {
        self.groups.iter().flat_map(|group| self.of(*group)).collect()
    }

    fn of(&self, group: Group) -> Vec<Cell> {
        let cell = |store, guest: &Guest, (concurrency, threads), backlog| Cell {
            group,
            store,
            guest: guest.clone(),
            concurrency,
            threads,
            backlog,
        };
        let built_in = Guest::built_in();
        let stores = self.stores.iter().map(|store| Some(*store));
        let mut cells = Vec::new();
        match group {
            Group::Sandboxes => {
                for guest in &self.guests {
                    let at = self.concurrency.iter();
                    cells.extend(at.map(|at| cell(None, guest, (*at, Threads::All), 0)));
                }
            }
            Group::Stores => cells.extend(stores.map(|store| cell(store, &built_in, (STORES_AT, Threads::All), 0))),
            Group::Drains => {
                for store in stores {
                    for guest in &self.guests {
                        for at in &self.concurrency {
                            cells.extend(self.threads.iter().map(|threads| cell(store, guest, (*at, *threads), 0)));
                        }
                    }
                }
            }
            Group::Backlogs => {
                for store in stores {
                    let backlogs = self.backlogs.iter();
                    cells.extend(backlogs.map(|jobs| cell(store, &built_in, (BACKLOGS_AT, Threads::All), *jobs)));
                }
            }
        }
        cells
    }
}

/// Adds a value that was read, or begins with it; `None` if it could not be read.
fn put<T>(list: &mut Vec<T>, first: bool, value: Option<T>) -> Option<()> {
    let value = value?;
    if first {
        list.clear();
    }
    list.push(value);
    Some(())
}

fn named<T: Copy>(all: &[T], name: impl Fn(T) -> &'static str, given: &str) -> Option<T> {
    all.iter().copied().find(|known| name(*known) == given)
}

fn number(given: &str, least: u32, most: u32) -> Option<u32> {
    given.parse().ok().filter(|number| (least..=most).contains(number))
}

fn file(given: &str, to: &mut Option<PathBuf>) -> Option<()> {
    *to = (!given.is_empty()).then(|| PathBuf::from(given));
    to.is_some().then_some(())
}

/// `no-op`, `rust`, or `NAME=FILE`.
fn component(given: &str) -> Option<Guest> {
    match given.split_once('=') {
        Some((name, file)) if !name.is_empty() => {
            // The program runs in a folder of its own.
            Some(Guest { name: name.to_owned(), file: Some(absolute(file).ok()?) })
        }
        Some(_) => None,
        None => [Guest::built_in(), Guest::rust()].into_iter().find(|guest| guest.name == given),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(line: &str) -> Result<Choice, String> {
        Choice::read(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn the_whole_matrix_has_each_store_guest_concurrency_and_threads() {
        let whole = choice("").unwrap();
        let of = |group| whole.cells().into_iter().filter(|cell| cell.group == group).count();
        assert_eq!(Group::ALL.map(of), [2 * 3, 3, 3 * 2 * 3 * 2, 3 * 3]);
    }

    #[test]
    fn an_option_that_is_repeated_takes_the_place_of_its_default() {
        let some = choice("--only drains --store redis --concurrency 4 --concurrency 8 --threads 1 --guest js=a.wasm");
        let cells = some.unwrap().cells();
        assert_eq!(cells.iter().map(|cell| cell.concurrency).collect::<Vec<_>>(), [4, 8]);
        assert!(cells.iter().all(|cell| cell.guest.name == "js" && cell.store == Some(StoreKind::Redis)));
        let backlogs = choice("--only backlogs --store sqlite --backlog 7").unwrap().cells();
        assert_eq!(backlogs.iter().map(|cell| cell.backlog).collect::<Vec<_>>(), [7]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (line, part) in [
            ("--only", "--only lacks"),
            ("--only x", "--only cannot be `x`"),
            ("--store redis://x", "--store"),
            ("--guest x", "--guest"),
            ("--guest =x", "--guest"),
            ("--concurrency 0", "--concurrency"),
            ("--backlog 10000001", "--backlog"),
            ("--threads 2", "--threads"),
            ("--runs 0", "--runs"),
            ("--jobs -1", "--jobs"),
            ("--x y", "no option --x"),
        ] {
            let error = choice(line).err().unwrap_or_default();
            assert!(error.contains(part), "{line}: {error}");
        }
    }
}
