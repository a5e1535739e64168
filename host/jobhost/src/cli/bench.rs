//! `jobhost bench`: its options, its signals, its table. What is measured, and how, is in `bench/`.

use std::fmt::Write;
use std::path::PathBuf;

use serde_json::{Value, json};
use tokio::sync::watch;

use super::args::{BenchArgs, GlobalArgs};
use super::output::{Output, Paint, complain, harmless, human_bytes, human_count};
use super::signals::Signals;
use crate::bench::{self, Bench, BenchError, Figure, Part, Place, Report, Unit};
use crate::exit::{CliError, Exit};

/// What is measured where nothing is chosen.
const ALL: [Part; 6] = [Part::PushSingle, Part::PushBulk, Part::Sandbox, Part::Store, Part::Drain, Part::Idle];

/// Measures, and prints the figures. A signal ends it, after what it made is removed.
pub(super) async fn run(global: &GlobalArgs, args: BenchArgs, output: Output) -> Result<Exit, CliError> {
    // Before anything is made.
    let mut signals = Signals::listen()?;
    let bench = bench_of(global, args)?;
    let (tell_stop, stop) = watch::channel(false);
    let measuring = bench::run(bench.clone(), stop, announce);
    tokio::pin!(measuring);
    let mut told = None;
    let ended = loop {
        tokio::select! {
            ended = &mut measuring => break ended,
            signal = signals.next() => {
                if told.is_some() {
                    complain("what is in the channels named above may be left in the store");
                    return Ok(signal);
                }
                let _ = tell_stop.send(true);
                told = Some(signal);
            }
        }
    };
    match (ended, told) {
        (Err(BenchError::Stopped), Some(exit)) => {
            complain(&BenchError::Stopped.to_string());
            Ok(exit)
        }
        (Err(error), _) => Err(error.into()),
        (Ok(report), _) => {
            output.answer(&document(&bench, &report), |paint| table(&bench, &report, *paint))?;
            Ok(Exit::Success)
        }
    }
}

fn bench_of(global: &GlobalArgs, args: BenchArgs) -> Result<Bench, CliError> {
    let store = global.store.clone().filter(|store| !store.is_empty());
    if store.is_some() && (args.folder.is_some() || args.synchronous.is_some()) {
        return Err(CliError::Usage(
            "--folder and --synchronous are about the file that is made without --store or $JOBHOST_STORE; leave them out, or the store"
                .to_owned(),
        ));
    }
    Ok(Bench {
        store,
        folder: args.folder.unwrap_or_else(|| PathBuf::from(".")),
        synchronous: args.synchronous.unwrap_or_default(),
        plugin: args.plugin,
        jobs: args.jobs,
        backlog: args.backlog,
        concurrency: args.concurrency,
        threads: args.threads,
        payload_bytes: args.payload_bytes,
        runs: args.runs,
        parts: if args.only.is_empty() { ALL.to_vec() } else { args.only },
    })
}

fn announce(place: &Place) {
    let Place { address, channels, vitals } = place;
    complain(&harmless(&format!(
        "measuring {address} ({}, {}) in channels {channels}…, which are removed at the end",
        vitals.engine, vitals.durability
    )));
}

impl From<BenchError> for CliError {
    fn from(error: BenchError) -> Self {
        match error {
            BenchError::Store(error) => Self::Store(error),
            BenchError::Host(error) => error.into(),
            BenchError::Worker(error) => error.into(),
            BenchError::Stopped | BenchError::NotSo(_) => Self::NotSo(error.to_string()),
            BenchError::Bug(why) => Self::Bug(why),
        }
    }
}

fn document(bench: &Bench, report: &Report) -> Value {
    let figures = report.figures.iter().map(|figure| {
        json!({
            "part": figure.part.name(),
            "name": figure.name,
            "unit": figure.unit.name(),
            "min": figure.min(),
            "median": figure.median(),
            "max": figure.max(),
            "runs": figure.values,
        })
    });
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "optimised": !cfg!(debug_assertions),
        "processors": processors(),
        "load_average": load_average(),
        "store": report.place.as_ref().map(|place| json!({
            "address": place.address,
            "engine": place.vitals.engine,
            "durability": place.vitals.durability,
        })),
        "pooled": report.pooled,
        "plugin": bench.plugin.as_ref().map_or_else(|| "built-in".to_owned(), |path| path.display().to_string()),
        "jobs": bench.jobs,
        "backlog": bench.backlog,
        "concurrency": bench.concurrency,
        "threads": bench.threads,
        "payload_bytes": bench.payload_bytes,
        "runs": bench.runs,
        "figures": figures.collect::<Vec<_>>(),
    })
}

fn table(bench: &Bench, report: &Report, paint: Paint) -> String {
    let mut text = conditions(bench, report);
    let title = |figure: &Figure| format!("{}: {}", figure.part.name(), figure.name);
    let width = report.figures.iter().map(|figure| title(figure).len()).max().unwrap_or(0);
    let heading = format!("{:width$}  {:>14} {:>14} {:>14}", "", "median", "min", "max");
    let _ = writeln!(text, "{}", paint.label(&heading));
    for figure in &report.figures {
        let [median, min, max] = [figure.median(), figure.min(), figure.max()].map(|value| shown(figure.unit, value));
        let _ = writeln!(text, "{:width$}  {median:>14} {min:>14} {max:>14}  {}", title(figure), unit(figure.unit));
    }
    text
}

fn conditions(bench: &Bench, report: &Report) -> String {
    let mut text = format!(
        "jobhost {}, {} processors, load {}; runs: {}, jobs: {}, concurrency: {}, payload: {} bytes\n",
        env!("CARGO_PKG_VERSION"),
        processors(),
        load_average().map_or_else(|| "unknown".to_owned(), |load| format!("{load:.1}")),
        bench.runs,
        human_count(bench.jobs.into()),
        bench.concurrency,
        human_count(bench.payload_bytes.into()),
    );
    if bench.backlog > 0 {
        let _ = writeln!(text, "jobs that waited besides: {}", human_count(bench.backlog.into()));
    }
    if let Some(threads) = bench.threads {
        let _ = writeln!(text, "threads for a worker's guests: {threads}");
    }
    if let Some(Place { address, vitals, .. }) = &report.place {
        text.push_str(&harmless(&format!("store: {address} ({}, {})\n", vitals.engine, vitals.durability)));
    }
    if cfg!(debug_assertions) {
        text.push_str("this is a program without optimisation: its figures say nothing\n");
    }
    if report.pooled == Some(false) {
        text.push_str("sandboxes are allocated one by one, which is slower than from a pool\n");
    }
    text
}

fn shown(unit: Unit, value: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "figures are positive and far below 2^64"
    )]
    let whole = value.round().max(0.0) as u64;
    match unit {
        Unit::Bytes => human_bytes(whole),
        _ if value >= 1000.0 => human_count(whole),
        _ if value >= 100.0 => format!("{value:.0}"),
        _ if value >= 1.0 => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    }
}

fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::JobsPerSecond => "jobs/s",
        Unit::MicrosPerJob => "µs/job",
        Unit::Millis => "ms",
        Unit::Percent => "%",
        Unit::Bytes => "",
    }
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// That of the last minute: others who work at the same time spoil the figures.
fn load_average() -> Option<f64> {
    std::fs::read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_as_many_digits_as_they_are_worth() {
        let speeds = [0.123_45, 9.876, 123.4, 48_123.4].map(|value| shown(Unit::JobsPerSecond, value));
        assert_eq!(speeds, ["0.123", "9.9", "123", "48,123"]);
        assert_eq!(shown(Unit::Bytes, 1536.0), "1.5 KiB");
    }
}
