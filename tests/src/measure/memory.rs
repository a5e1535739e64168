//! What a host needs of memory that is its own and no other process's: while it waits, and for each job that it runs
//! besides others. The jobs are small ones that wait in a call of the host.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use super::figure::load_now;
use super::stream::Stream;
use super::{Figure, Goal, Unit, push_lines};
use crate::artifacts::guest;
use crate::text::PATIENCE;
use crate::workplace::Workplace;

const RUNS: usize = 5;
/// Between these numbers of running jobs the need of each is measured.
const FEW: usize = 100;
const MANY: usize = 1_000;
/// The goals.
const IDLE_AT_MOST: u64 = 40 << 20;
const JOB_AT_MOST: u64 = 448 << 10;
/// Memory is at rest if it changes by no more than this in this time.
const REST: (u64, Duration) = (64 << 10, Duration::from_millis(300));
pub(super) fn run() -> Vec<Figure> {
    let load = load_now();
    let idle = (0..RUNS).map(|_| at_rest(&host(&place(), &[])));
    let idle = Figure::new("memory, an idle host: its own", Unit::Bytes, idle.collect(), &load);
    let load = load_now();
    let each = (0..RUNS).map(|_| of_each_job());
    let each = Figure::new("memory, each running job from 100 to 1,000", Unit::Bytes, each.collect(), &load);
    vec![idle.reaches(Goal::Max(IDLE_AT_MOST)), each.reaches(Goal::Max(JOB_AT_MOST))]
}

fn place() -> Workplace {
    let place = Workplace::redis();
    let path = guest("sleep-forever");
    place.configure(&format!("[queues.work]\nttr = \"1h\"\n[plugins.it]\npath = '{}'\njobs = ['*']\n", path.display()));
    place
}

fn host(place: &Workplace, args: &[&str]) -> Stream {
    Stream::listen(place, args)
}

/// The bytes by which a host grows between few jobs and many, for each of them.
fn of_each_job() -> u64 {
    let place = place();
    let worker = host(&place, &["--concurrency", "1000"]);
    let with = |jobs: usize| {
        push_lines(&place, "work", "{\"name\":\"Sleep\",\"payload\":{}}\n".repeat(jobs));
        let mut started = 0;
        while started < jobs {
            let told = worker.next();
            match told.kind() {
                "started" => started += 1,
                "failed" | "lost" | "done" => panic!("{}", told.event),
                _ => {}
            }
        }
        at_rest(&worker)
    };
    let few = with(FEW);
    let many = with(MANY - FEW);
    many.saturating_sub(few) / (MANY - FEW) as u64
}

/// A worker's own memory once it no longer changes, in bytes.
#[track_caller]
fn at_rest(worker: &Stream) -> u64 {
    let began = Instant::now();
    let mut before = own_memory(worker.pid());
    while began.elapsed() < PATIENCE {
        thread::sleep(REST.1);
        let now = own_memory(worker.pid());
        if now.abs_diff(before) <= REST.0 {
            return now;
        }
        before = now;
    }
    panic!("the worker's memory went on changing; it has {before} bytes");
}

#[track_caller]
fn own_memory(pid: u32) -> u64 {
    let file = format!("/proc/{pid}/smaps_rollup");
    let all = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file}: {error}"));
    let private = all.lines().filter(|line| line.starts_with("Private_"));
    let kib = private.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kib.sum::<u64>() * 1024
}
