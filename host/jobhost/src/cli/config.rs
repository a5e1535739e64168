//! `jobhost config check`: every problem of the configuration, or what is in
//! force and what of the store's settings endangers jobs. It creates no store
//! and compiles no plugin.

use std::fmt::Write;
use std::time::Duration;

use jobhost_runtime::{Clock, FsMode, Instances, Random};
use serde_json::{Map, Value, json};

use super::args::{ConfigCommand, GlobalArgs};
use super::output::{Output, Paint, harmless_line};
use super::{open_to_look, request};
use crate::config::{
    Config, Jobs, LIMITS, PluginConfig, QueueConfig, Request, SwapConfig, UpgradeGrants, load, show_duration,
    show_factor, show_share, show_size,
};
use crate::exit::{CliError, Exit};

pub(super) async fn run(global: &GlobalArgs, command: ConfigCommand, output: Output) -> Result<Exit, CliError> {
    let ConfigCommand::Check = command;
    let request = Request { check_paths: true, ..request(global) };
    match load(&request) {
        Ok(config) => {
            let warnings = store_warnings(&config).await;
            output.answer(&document(&config, &warnings), |paint| summary(&config, &warnings, *paint))?;
            Ok(Exit::Success)
        }
        Err(error) => {
            let document = json!({ "ok": false, "problems": error.problems });
            output.answer(&document, |paint| {
                error.problems.iter().fold(String::new(), |mut text, problem| {
                    let place = paint.bad(&problem.place.to_string());
                    let _ = writeln!(text, "{place}: {}", problem.message);
                    text
                })
            })?;
            Ok(Exit::NotSo)
        }
    }
}

/// Why jobs may not be safe in the store. One that cannot be asked is none of
/// the configuration's problems: it may be there when the worker starts.
async fn store_warnings(config: &Config) -> Vec<String> {
    let asked = async {
        match open_to_look(config).await? {
            Some(store) => Ok(store.warnings().await?),
            None => Ok(Vec::new()),
        }
    };
    asked.await.unwrap_or_else(|error: CliError| vec![format!("the store was not checked: {error}")])
}

fn document(config: &Config, warnings: &[String]) -> Value {
    let queues: Vec<_> = config
        .queues
        .iter()
        .map(|queue| {
            json!({
                "name": queue.name,
                "channel": queue.channel.as_str(),
                "ttr": queue.ttr,
                "attempts": queue.attempts,
                "hooks": queue.hooks,
                "max_crashes": queue.max_crashes,
            })
        })
        .collect();
    let plugins: Vec<_> = config
        .plugins
        .iter()
        .map(|plugin| {
            let jobs = match &plugin.jobs {
                Jobs::All => vec!["*".to_owned()],
                Jobs::Named(names) => names.clone(),
            };
            let limits: Map<String, Value> =
                LIMITS.iter().map(|limit| (limit.json_name(), (limit.get)(&plugin.limits).into())).collect();
            let grants = &plugin.grants;
            json!({
                "name": plugin.name,
                "path": plugin.path,
                "jobs": jobs,
                "limits": limits,
                "queues": grants.queues,
                "env": names(grants.env.iter().map(|grant| &grant.name)),
                "config": names(grants.config.iter().flat_map(|values| values.keys())),
                "secrets": names(grants.secrets.iter().map(|grant| &grant.name)),
                "buckets": names(grants.keyvalue.iter().map(|grant| &grant.bucket)),
                "instances": instances(&plugin.instances),
                "swap": json!({
                    "canary": plugin.swap.canary.map(|terms| json!({
                        "share": f64::from(terms.share) / 1e6,
                        "for_ms": terms.length,
                        "max_failures": f64::from(terms.factor) / 1e3,
                    })),
                    "grants_frozen": plugin.swap.grants == UpgradeGrants::Frozen,
                }),
            })
        })
        .collect();
    json!({
        "ok": true,
        "source": config.source,
        "store": without_password(&config.store),
        "concurrency": config.concurrency,
        "queues": queues,
        "plugins": plugins,
        "problems": [],
        "warnings": warnings,
    })
}

fn summary(config: &Config, warnings: &[String], paint: Paint) -> String {
    let source =
        config.source.as_ref().map_or_else(|| "no file, the defaults".to_owned(), |path| path.display().to_string());
    let mut text = lines(
        paint,
        "",
        &[
            ("configuration", source),
            ("store", without_password(&config.store)),
            ("concurrency", config.concurrency.to_string()),
            ("shutdown-grace", show_duration(config.shutdown_grace)),
        ],
    );
    for queue in &config.queues {
        let _ = writeln!(text, "\n{}", paint.good(&format!("queue {}", queue.name)));
        text.push_str(&lines(paint, "  ", &queue_lines(queue)));
    }
    for plugin in &config.plugins {
        let _ = writeln!(text, "\n{}", paint.good(&format!("plugin {}", plugin.name)));
        text.push_str(&lines(paint, "  ", &plugin_lines(plugin)));
    }
    for warning in warnings {
        let _ = writeln!(text, "\n{} {}", paint.bad("warning:"), harmless_line(warning));
    }
    text
}

fn queue_lines(queue: &QueueConfig) -> Vec<(&'static str, String)> {
    let (backoff, retain) = (&queue.backoff, &queue.retain);
    vec![
        ("channel", queue.channel.to_string()),
        ("ttr", show_duration(Duration::from_secs(queue.ttr.into()))),
        ("attempts", queue.attempts.to_string()),
        (
            "backoff",
            format!("{} to {}, times {}", show_duration(backoff.initial), show_duration(backoff.max), backoff.factor),
        ),
        ("hooks", queue.hooks.join(", ")),
        (
            "retain",
            format!(
                "done {}, failed {}, output {}",
                show_duration(retain.done),
                show_duration(retain.failed),
                show_size(retain.output)
            ),
        ),
    ]
}

fn plugin_lines(plugin: &PluginConfig) -> Vec<(&'static str, String)> {
    let jobs = match &plugin.jobs {
        Jobs::All => "all that no other plugin handles".to_owned(),
        Jobs::Named(names) => names.join(", "),
    };
    let mut lines = vec![("path", plugin.path.display().to_string()), ("jobs", jobs)];
    lines.extend(plugin.grants.fs.iter().map(|grant| {
        let mode = match grant.mode {
            FsMode::ReadOnly => "read only",
            FsMode::ReadWrite => "read and write",
        };
        let host = grant.host.display();
        ("folder", format!("{host} as {}, {mode}", grant.guest))
    }));
    let grants = &plugin.grants;
    lines.extend(grants.http.iter().map(|grant| ("may send to", grant.to_string())));
    lines.push(("may push to", grants.queues.join(", ")));
    lines.push(("environment", names(grants.env.iter().map(|grant| &grant.name)).join(", ")));
    lines.push(("config", names(grants.config.iter().flat_map(|values| values.keys())).join(", ")));
    lines.push(("secrets", names(grants.secrets.iter().map(|grant| &grant.name)).join(", ")));
    lines.extend(grants.keyvalue.iter().map(|grant| {
        let mode = if grant.write { "read and write" } else { "read only" };
        let most = format!("at most {} keys, {}", grant.keys, show_size(grant.bytes));
        ("bucket", format!("{} as {}, {mode}, {most}", grant.bucket, harmless_line(&grant.guest)))
    }));
    lines.push(("warm instances", instances_line(&plugin.instances)));
    lines.push(("new versions", swap_line(plugin.swap)));
    lines.push(("clock", clock_line(grants.clock)));
    if let Random::Seeded(seed) = grants.random {
        lines.push(("random", format!("seeded with {seed}: the same numbers in every call")));
    }
    lines.extend(LIMITS.iter().map(|limit| (limit.key, limit.shown(&plugin.limits))));
    lines
}

fn instances(instances: &Instances) -> Value {
    match instances {
        Instances::Fresh => json!({ "policy": "fresh" }),
        Instances::Warm(reuse) => json!({
            "policy": "warm",
            "max_jobs": reuse.max_jobs,
            "max_memory_bytes": reuse.max_memory,
            "max_age_ms": millis(reuse.max_age),
            "max_idle_ms": millis(reuse.max_idle),
        }),
    }
}

/// Empty where each call has a new one.
fn instances_line(instances: &Instances) -> String {
    match instances {
        Instances::Fresh => String::new(),
        Instances::Warm(reuse) => format!(
            "for at most {} calls, {} and {} each, or until idle for {}",
            reuse.max_jobs,
            show_size(reuse.max_memory),
            show_duration(reuse.max_age),
            show_duration(reuse.max_idle)
        ),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Empty where they are in force at once, whatever they ask for.
fn swap_line(swap: SwapConfig) -> String {
    let canary = swap.canary.map(|terms| {
        format!(
            "{} of the jobs for {}, then all if they fail at most {} as often",
            show_share(terms.share),
            show_duration(Duration::from_millis(terms.length)),
            show_factor(terms.factor)
        )
    });
    let frozen = (swap.grants == UpgradeGrants::Frozen).then(|| "refused if they ask for more grants".to_owned());
    [canary, frozen].into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// Names alone: a value may be a password, whatever the operator called it.
fn names<'n>(names: impl Iterator<Item = &'n String>) -> Vec<String> {
    names.map(|name| harmless_line(name)).collect()
}

/// Empty for the host's own clock.
fn clock_line(clock: Clock) -> String {
    match clock {
        Clock::System => String::new(),
        Clock::Ahead(by) => format!("{} ahead", show_duration(by)),
        Clock::Behind(by) => format!("{} behind", show_duration(by)),
        Clock::Fixed(at) => jiff::SignedDuration::try_from(at)
            .ok()
            .and_then(|at| jiff::Timestamp::from_duration(at).ok())
            .map_or_else(|| "fixed".to_owned(), |at| format!("fixed at {at}")),
    }
}

/// A line for each value that is not empty.
fn lines(paint: Paint, indent: &str, lines: &[(&str, String)]) -> String {
    let mut text = String::new();
    for (label, value) in lines.iter().filter(|(_, value)| !value.is_empty()) {
        let _ = writeln!(text, "{indent}{} {value}", paint.label(&format!("{label}:")));
    }
    text
}

/// A store's address for people to read.
fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let authority = rest.find('/').unwrap_or(rest.len());
    match rest[..authority].rfind('@') {
        Some(at) => {
            let user = rest[..at].split(':').next().unwrap_or_default();
            format!("{scheme}://{user}:…@{}", &rest[at + 1..])
        }
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        for (url, shown) in [
            ("redis://user:se:c@ret@host:1/0", "redis://user:…@host:1/0"),
            ("redis://:secret@host/0", "redis://:…@host/0"),
            ("redis://host/a@b", "redis://host/a@b"),
            ("sqlite:jobhost.db", "sqlite:jobhost.db"),
        ] {
            assert_eq!(without_password(url), shown);
        }
    }
}
