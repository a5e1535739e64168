//! How long a host takes from the start of its process to the end of its first job, with a plugin that has to be compiled
//! and with one that is found compiled.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use serde_json::Value;

use super::figure::{load_now, micros};
use super::{Figure, Unit};
use crate::artifacts::guest;
use crate::process;
use crate::workplace::Workplace;

const RUNS: usize = 10;

/// With a small plugin in Rust, and with `component` if there is one: a handler of any jobs.
pub(super) fn run(component: Option<&Path>) -> Vec<Figure> {
    let small = guest("echo");
    let mut figures = of("small Rust plugin", &small);
    if let Some(component) = component {
        figures.extend(of("given plugin", component));
    }
    figures
}

fn of(name: &str, component: &Path) -> Vec<Figure> {
    let size = std::fs::metadata(component).map_or(0, |metadata| metadata.len());
    assert!(size > 0, "{} is not there, or empty", component.display());
    let place = Workplace::sqlite();
    ["compiled at the start", "found compiled"]
        .into_iter()
        .enumerate()
        .map(|(kind, how)| {
            let load = load_now();
            let starts = (0..RUNS).map(|run| {
                // A folder of its own for each start that compiles; the last of them is used again.
                let cache = if kind == 0 { run } else { RUNS - 1 };
                place.configure(&format!(
                    "cache = 'compiled-{cache}'\n[queues.work]\n[plugins.it]\npath = '{}'\njobs = ['*']\n",
                    component.display()
                ));
                start(&place)
            });
            let starts = starts.collect();
            Figure::new(format!("starts, {name}, {how}: process to first job done"), Unit::Micros, starts, &load)
                .noted(format!("a component of {size} bytes"))
        })
        .collect()
}

/// From the start of a process to its event `done`, in microseconds.
#[track_caller]
fn start(place: &Workplace) -> u64 {
    place.push("work", "Any", "{\"value\":1}");
    let mut command = place.jobhost(&["run", "--json"]).env("RUST_LOG", "error").into_command();
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let began = Instant::now();
    let mut child = process::spawn(&mut command);
    let stdout = child.stdout.take().expect("it is piped");
    let mut done = None;
    for line in BufReader::new(stdout).lines().map_while(Result::ok) {
        let at = Instant::now();
        let event: Value = serde_json::from_str(&line).unwrap_or_default();
        match event["event"].as_str() {
            Some("done") => done = Some(at),
            Some("failed") => panic!("the plugin must handle any job: {event}"),
            _ => {}
        }
    }
    let _ = child.wait();
    micros(done.expect("the job is done").saturating_duration_since(began))
}
