//! `jobhost plugin list`: which versions of which plugins are in force on the workers of a store, what they did, and
//! which files were refused. It is what the workers say; no plugin is read.

use std::fmt::Write;
use std::time::Duration;

use jobhost_queue::workers::{Measure, SeenWorker, VersionState};
use serde_json::{Value, json};

use super::super::args::GlobalArgs;
use super::super::console::short;
use super::super::output::{Output, Paint, harmless_line, human_bytes, human_count, human_duration, local_time};
use super::super::table::Table;
use super::super::workers::known;
use super::sums::{PluginSum, Refusal, VersionSum, sums};
use crate::exit::{CliError, Exit};

/// How many workers a line names.
const NAMED: usize = 5;

pub(super) async fn run(global: &GlobalArgs, output: Output) -> Result<Exit, CliError> {
    let roster = known(global).await?;
    let (silent, heard): (Vec<_>, Vec<_>) = roster.workers.iter().partition(|worker: &&SeenWorker| worker.is_silent());
    let plugins = sums(heard.iter().copied());
    let document = json!({
        "plugins": plugins.iter().map(document).collect::<Vec<_>>(),
        "workers": heard.len(),
        "silent_workers": silent.len(),
        "more": roster.more,
    });
    output.answer(&document, |paint| {
        let mut text = text(&plugins, *paint);
        if !silent.is_empty() {
            let _ = writeln!(text, "silent workers are left out: {}; `jobhost workers` shows them", silent.len());
        }
        if roster.more {
            text.push_str("there are more workers, which are left out\n");
        }
        text
    })?;
    Ok(Exit::Success)
}

fn document(plugin: &PluginSum) -> Value {
    let version = |version: &VersionSum| {
        let measure = |of: Measure| json!({"average": of.average(version.executions), "peak": of.peak});
        let states = version.states.iter().map(|(state, workers)| json!({"state": state, "workers": workers}));
        json!({
            "digest": version.digest,
            "states": states.collect::<Vec<_>>(),
            "since_at": version.since_at,
            "running": version.running,
            "executions": version.executions,
            "failures": version.failures,
            "duration_us": measure(version.duration_us),
            "peak_memory_bytes": measure(version.peak_memory_bytes),
            "fuel": measure(version.fuel),
        })
    };
    let refused = |it: &Refusal| json!({"reason": it.reason, "since_at": it.since_at, "workers": it.workers});
    json!({
        "name": plugin.name,
        "versions": plugin.versions.iter().map(version).collect::<Vec<_>>(),
        "agreed": plugin.in_force().len() < 2,
        "refused": plugin.refused.iter().map(refused).collect::<Vec<_>>(),
    })
}

fn text(plugins: &[PluginSum], paint: Paint) -> String {
    if plugins.is_empty() {
        return "no plugins of any worker\n".to_owned();
    }
    let mut table =
        Table::new(&["plugin", "version", "state", "since", "running", "executions", "failures", "average", "peak"]);
    let mut notes = String::new();
    for plugin in plugins {
        let name = harmless_line(&plugin.name);
        for version in &plugin.versions {
            table.add(row(&name, version));
        }
        let in_force = plugin.in_force();
        if in_force.len() > 1 {
            let on = |(digest, workers): &(&str, &[String])| format!("{} on {}", short(digest), named(workers));
            let all: Vec<_> = in_force.iter().map(on).collect();
            let _ = writeln!(
                notes,
                "{name}: {}: {}",
                paint.bad("workers differ in the version in force"),
                harmless_line(&all.join("; "))
            );
        }
        for refused in &plugin.refused {
            let (what, since) = (paint.bad("its file is refused"), local_time(refused.since_at));
            let on = harmless_line(&named(&refused.workers));
            let _ = writeln!(notes, "{name}: {what} on {on} since {since}: {}", harmless_line(&refused.reason));
        }
    }
    table.finish(paint) + &notes
}

fn row(name: &str, version: &VersionSum) -> Vec<String> {
    let of = version.executions;
    let cost = |duration_us: u64, memory: u64, fuel: u64| {
        let cost = format!("{}, {}", human_duration(Duration::from_micros(duration_us)), human_bytes(memory));
        match fuel {
            _ if of == 0 => "-".to_owned(),
            0 => cost,
            fuel => format!("{cost}, {} fuel", human_count(fuel)),
        }
    };
    let (duration, memory, fuel) = (version.duration_us, version.peak_memory_bytes, version.fuel);
    vec![
        name.to_owned(),
        harmless_line(short(&version.digest)),
        state(version),
        local_time(version.since_at),
        human_count(version.running),
        human_count(of),
        failures(version),
        cost(duration.average(of), memory.average(of), fuel.average(of)),
        cost(duration.peak, memory.peak, fuel.peak),
    ]
}

/// On how many workers it stands where: `in force on 2, draining on 1`.
fn state(version: &VersionSum) -> String {
    let of = |(state, workers): (&VersionState, &Vec<String>)| format!("{} on {}", word(*state), workers.len());
    version.states.iter().map(of).collect::<Vec<_>>().join(", ")
}

fn word(state: VersionState) -> &'static str {
    match state {
        VersionState::InForce => "in force",
        VersionState::OnTrial => "on trial",
        VersionState::Draining => "draining",
        VersionState::Replaced => "replaced",
        _ => "other",
    }
}

fn failures(version: &VersionSum) -> String {
    let count = human_count(version.failures);
    if version.failures == 0 {
        return count;
    }
    let tenths = u128::from(version.failures) * 1_000 / u128::from(version.executions.max(1));
    format!("{count} ({}.{} %)", tenths / 10, tenths % 10)
}

fn named(workers: &[String]) -> String {
    let names = workers.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    match workers.len().saturating_sub(NAMED) {
        0 => names,
        more => format!("{names} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::cli::args::ColorWhen;

    fn version(digest: &str, workers: &[&str]) -> VersionSum {
        let workers = workers.iter().map(|name| (*name).to_owned()).collect();
        VersionSum {
            digest: format!("sha256:{}", digest.repeat(64)),
            states: BTreeMap::from([(VersionState::InForce, workers)]),
            since_at: 1_795_368_234_567,
            running: 1,
            executions: 3,
            failures: 1,
            duration_us: Measure { total: 30_000, peak: 25_000 },
            peak_memory_bytes: Measure { total: 3 << 20, peak: 2 << 20 },
            fuel: Measure::default(),
        }
    }

    fn printed(plugins: &[PluginSum]) -> String {
        text(plugins, Paint::new(ColorWhen::Never, false, false))
    }

    #[test]
    fn a_version_is_a_line_with_what_it_did_and_cost() {
        let plugin = PluginSum { name: "it".into(), versions: vec![version("a", &["h:1"])], refused: Vec::new() };
        let told = printed(&[plugin]);
        let line = told.lines().nth(1).unwrap();
        assert!(line.starts_with("it      sha256:aaaaaaaaaaaa  in force on 1  "), "{told}");
        assert!(line.ends_with("  1        3           1 (33.3 %)  10 ms, 1.0 MiB  25 ms, 2.0 MiB"), "{told}");
        assert_eq!(told.lines().count(), 2, "{told}");
    }

    #[test]
    fn that_workers_differ_and_that_a_file_is_refused_is_said_below() {
        let many: Vec<String> = (1..=7).map(|pid| format!("h:{pid}")).collect();
        let refused = Refusal { reason: "it is\nhalf of it".into(), since_at: 1, workers: many };
        let versions = vec![version("a", &["h:1", "h:2"]), version("b", &["h:3"])];
        let told = printed(&[PluginSum { name: "it".into(), versions, refused: vec![refused] }]);
        let notes: Vec<_> = told.lines().skip(3).collect();
        assert_eq!(
            notes[0],
            "it: workers differ in the version in force: sha256:aaaaaaaaaaaa on h:1, h:2; sha256:bbbbbbbbbbbb on h:3"
        );
        assert!(notes[1].starts_with("it: its file is refused on h:1, h:2, h:3, h:4, h:5 and 2 more since "), "{told}");
        assert!(notes[1].ends_with(": it is half of it"), "{told}");
    }

    #[test]
    fn without_any_plugin_it_says_so_and_without_executions_there_is_no_average() {
        assert_eq!(printed(&[]), "no plugins of any worker\n");
        let unused = VersionSum { executions: 0, failures: 0, ..version("a", &["h:1"]) };
        let told = printed(&[PluginSum { name: "it".into(), versions: vec![unused], refused: Vec::new() }]);
        assert!(told.trim_end().ends_with("0         -        -"), "{told}");
    }
}
