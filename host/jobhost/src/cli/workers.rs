//! `jobhost workers`: who works on a store, from whichever machine it is asked.

use std::fmt::Write;

use jobhost_queue::workers::{PluginRecord, Roster, SeenWorker, VersionRecord};
use serde_json::{Value, json};

use super::args::GlobalArgs;
use super::output::{Output, Paint, harmless_line, human_duration, local_time};
use super::table::Table;
use super::{load_to_look, open_to_look};
use crate::exit::{CliError, Exit};

pub(super) async fn run(global: &GlobalArgs, output: Output) -> Result<Exit, CliError> {
    let mut roster = known(global).await?;
    roster.workers.sort_by(|one, other| key(one).cmp(&key(other)));
    let workers: Vec<_> = roster.workers.iter().map(document).collect();
    output.answer(&json!({ "workers": workers, "more": roster.more }), |paint| text(&roster, *paint))?;
    Ok(Exit::Success)
}

/// What the store knows of workers; nothing where there is no store yet.
pub(super) async fn known(global: &GlobalArgs) -> Result<Roster, CliError> {
    let config = load_to_look(global)?;
    Ok(match open_to_look(&config).await? {
        Some(store) => store.workers().await?,
        None => Roster::default(),
    })
}

fn key(worker: &SeenWorker) -> (&str, u32, &str) {
    (&worker.record.host, worker.record.pid, &worker.record.id)
}

/// What it does, in a word.
fn state_word(worker: &SeenWorker) -> &'static str {
    match worker {
        worker if worker.is_silent() => "silent",
        worker if worker.record.stopping => "stopping",
        _ => "working",
    }
}

fn document(worker: &SeenWorker) -> Value {
    let record = &worker.record;
    let version = |version: &VersionRecord| {
        json!({
            "digest": version.digest,
            "state": version.state,
            "since_at": worker.at(version.age_ms),
            "running": version.running,
            "executions": version.executions,
            "failures": version.failures,
            "duration_us": version.duration_us,
            "peak_memory_bytes": version.peak_memory_bytes,
            "fuel": version.fuel,
        })
    };
    let plugin = |plugin: &PluginRecord| {
        let refused = plugin.refused.as_ref();
        json!({
            "name": plugin.name,
            "versions": plugin.versions.iter().map(version).collect::<Vec<_>>(),
            "refused": refused.map(|refused| json!({"reason": refused.reason, "since_at": worker.at(refused.age_ms)})),
        })
    };
    json!({
        "id": record.id,
        "host": record.host,
        "pid": record.pid,
        "version": record.version,
        "state": state_word(worker),
        "started_at": worker.at(record.age_ms),
        "seen_at": worker.seen_at,
        "seen_ago_ms": u64::try_from(worker.age.as_millis()).unwrap_or(u64::MAX),
        "slots": record.slots,
        "busy": record.busy,
        "idle": record.slots.saturating_sub(record.busy),
        "queues": record.queues,
        "more_queues": record.more_queues,
        "plugins": record.plugins.iter().map(plugin).collect::<Vec<_>>(),
        "more_plugins": record.more_plugins,
    })
}

fn text(roster: &Roster, paint: Paint) -> String {
    if roster.workers.is_empty() {
        return "no workers\n".to_owned();
    }
    let mut table =
        Table::new(&["worker", "host", "pid", "since", "state", "busy", "idle", "last heartbeat", "queues"]);
    for worker in &roster.workers {
        let record = &worker.record;
        let mut queues = record.queues.join(" ");
        if record.more_queues > 0 {
            let _ = write!(queues, " and {} more", record.more_queues);
        }
        table.add(vec![
            record.id.chars().take(8).collect(),
            harmless_line(&record.host),
            record.pid.to_string(),
            local_time(worker.at(record.age_ms)),
            state_word(worker).to_owned(),
            record.busy.to_string(),
            record.slots.saturating_sub(record.busy).to_string(),
            format!("{} ago", human_duration(worker.age)),
            harmless_line(&queues),
        ]);
    }
    let mut text = table.finish(paint);
    if roster.more {
        text.push_str("there are more\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jobhost_queue::WorkerRecord;
    use jobhost_queue::workers::SILENT_AFTER;

    use super::*;
    use crate::cli::args::ColorWhen;

    fn worker(host: &str, age: Duration) -> SeenWorker {
        let record = WorkerRecord {
            id: "0123456789abcdef".into(),
            host: host.into(),
            pid: 7,
            slots: 4,
            busy: 1,
            queues: vec!["one".into(), "two".into()],
            ..WorkerRecord::default()
        };
        SeenWorker { record, seen_at: 1_795_368_234_567, age }
    }

    fn printed(workers: Vec<SeenWorker>) -> String {
        text(&Roster { workers, more: false }, Paint::new(ColorWhen::Never, false, false))
    }

    #[test]
    fn a_worker_is_a_line_that_says_whether_it_is_heard_of() {
        let told = printed(vec![worker("a", Duration::ZERO), worker("b\n", SILENT_AFTER + Duration::from_secs(80))]);
        let lines: Vec<_> = told.lines().collect();
        assert_eq!(lines.len(), 3, "{told}");
        assert!(lines[0].starts_with("worker    host"), "{told}");
        assert!(lines[1].contains("01234567  a ") && lines[1].contains("working") && lines[1].ends_with("one two"));
        assert!(lines[2].contains("silent") && lines[2].contains("2 min 0 s ago"), "{told}");
    }

    #[test]
    fn without_workers_it_says_so() {
        assert_eq!(printed(Vec::new()), "no workers\n");
    }
}
