//! What is wrong only when two parts of the configuration are seen together,
//! or when a file that it names is looked for.

use std::fs;
use std::path::Path;

use jobhost_queue::envelope::same_name;

use super::file::{FileConfig, FilePlugin, FileQueue};
use super::problem::{Findings, Problem, did_you_mean};
use super::{Jobs, OnFailure, PluginConfig};

/// Notes what is wrong between the tables of a file.
pub(super) fn check_file(file: &FileConfig, findings: &Findings<'_>) {
    for (index, queue) in file.queues.iter().enumerate() {
        check_channel(queue, &file.queues[..index], findings);
        check_hooks(queue, &file.plugins, findings);
    }
    for (index, plugin) in file.plugins.iter().enumerate() {
        check_jobs(plugin, &file.plugins[..index], findings);
        check_grants(plugin, &file.queues, findings);
    }
}

/// Notes plugin files, and granted folders, variables and secrets that are not there.
pub(super) fn check_paths(file: &FileConfig, findings: &Findings<'_>) {
    for plugin in &file.plugins {
        let name = &plugin.config.name;
        if let Some(at) = plugin.path_at
            && let Err(why) = check_plugin_file(&plugin.config.path)
        {
            findings.note(at, format!("plugins.{name}.path: {why}"));
        }
        for (grant, at) in plugin.config.grants.fs.iter().zip(&plugin.fs_at) {
            if let Err(why) = check_folder(&grant.host) {
                findings.note(*at, format!("plugins.{name}.grants.fs: {why}"));
            }
        }
        for (grant, at) in plugin.config.grants.env.iter().zip(&plugin.env_at) {
            if let Err(why) = grant.value.read() {
                findings.note(*at, format!("plugins.{name}.grants.env.{}: {why}", grant.name));
            }
        }
        for (grant, at) in plugin.config.grants.secrets.iter().zip(&plugin.secrets_at) {
            if let Err(why) = grant.source.check() {
                findings.note(*at, format!("plugins.{name}.grants.secrets.{}: {why}", grant.name));
            }
        }
        for (grant, at) in plugin.config.grants.http.iter().zip(&plugin.ca_files_at) {
            if let Some(file) = &grant.ca_file
                && let Err(error) = fs::File::open(file)
            {
                findings.note(*at, format!("plugins.{name}.grants.http: `ca-file` {}: {error}", file.display()));
            }
        }
    }
}

/// Whether a plugin's file can be looked at.
pub(super) fn check_plugin_file(path: &Path) -> Result<(), String> {
    match fs::metadata(path) {
        Ok(found) if found.is_file() => Ok(()),
        Ok(_) => Err(format!("{} is not a file", path.display())),
        Err(error) => Err(format!("there is no plugin at {}: {error}; build it or correct the path", path.display())),
    }
}

/// What the configuration says of a plugin that does not fit its exports:
/// `"closed"` on a hook that only hears of jobs that are done already.
/// `exports` are the names of the interfaces without package and version.
pub fn check_exports(plugin: &PluginConfig, exports: &[&str]) -> Option<Problem> {
    let has = |name: &str| exports.contains(&name);
    let too_late = has("after-exec") && !["before-push", "before-exec", "after-error"].into_iter().any(has);
    (plugin.on_failure == OnFailure::Closed && too_late).then(|| Problem {
        place: plugin.place.clone(),
        message: format!(
            "plugins.{}.on-failure: \"closed\" can stop nothing, since the plugin only exports after-exec, \
             which is called when the job is done; write on-failure = \"open\"",
            plugin.name
        ),
    })
}

fn check_channel(queue: &FileQueue, earlier: &[FileQueue], findings: &Findings<'_>) {
    let Some(at) = queue.channel_at else { return };
    let channel = queue.config.channel.as_str();
    for other in earlier.iter().filter(|other| other.channel_at.is_some()) {
        let (name, other_name) = (&queue.config.name, &other.config.name);
        let other = other.config.channel.as_str();
        if channel == other {
            findings.note(
                at,
                format!(
                    "queues.{name}: channel `{channel}` is also that of queue `{other_name}`; each queue needs its own"
                ),
            );
            continue;
        }
        let (outer, inner) = if channel.len() < other.len() { (channel, other) } else { (other, channel) };
        if inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('.')) {
            findings.note(
                at,
                format!(
                    "queues.{name}: channels `{outer}` and `{inner}` (of `{name}` and `{other_name}`) overlap: \
                     a PHP program's `queue/clear` of `{outer}` deletes `{outer}.*`; use a channel that does not begin with `{outer}.`"
                ),
            );
        }
    }
}

fn check_hooks(queue: &FileQueue, plugins: &[FilePlugin], findings: &Findings<'_>) {
    let name = &queue.config.name;
    let names = || plugins.iter().map(|plugin| plugin.config.name.as_str());
    for (index, (hook, at)) in queue.config.hooks.iter().zip(&queue.hooks_at).enumerate() {
        if !names().any(|known| known == hook) {
            let near = did_you_mean(hook, names());
            findings
                .note(*at, format!("queues.{name}.hooks: there is no plugin `{hook}`; define [plugins.{hook}]{near}"));
        } else if queue.config.hooks[..index].contains(hook) {
            findings.note(*at, format!("queues.{name}.hooks: `{hook}` stands here twice"));
        }
    }
}

fn check_jobs(plugin: &FilePlugin, earlier: &[FilePlugin], findings: &Findings<'_>) {
    let name = &plugin.config.name;
    let at = |index: usize| plugin.jobs_at.get(index).copied().unwrap_or_default();
    for other in earlier {
        let other_name = &other.config.name;
        match (&plugin.config.jobs, &other.config.jobs) {
            (Jobs::All, Jobs::All) => findings.note(
                at(0),
                format!("plugins.{name}.jobs: `{other_name}` already handles every job; only one plugin can"),
            ),
            (Jobs::Named(jobs), Jobs::Named(taken)) => {
                for (index, job) in jobs.iter().enumerate() {
                    if taken.iter().any(|taken| same_name(taken, job)) {
                        findings.note(
                            at(index),
                            format!(
                                "plugins.{name}.jobs: job `{job}` is already handled by plugin `{other_name}`; a job has one handler"
                            ),
                        );
                    }
                }
            }
            _ => {}
        }
    }
}

fn check_grants(plugin: &FilePlugin, queues: &[FileQueue], findings: &Findings<'_>) {
    let name = &plugin.config.name;
    let names = || queues.iter().map(|queue| queue.config.name.as_str());
    for (queue, at) in plugin.config.grants.queues.iter().zip(&plugin.queues_at) {
        let implied = queues.is_empty() && queue == super::DEFAULT_QUEUE;
        if !implied && !names().any(|known| known == queue) {
            let near = did_you_mean(queue, names());
            findings.note(
                *at,
                format!("plugins.{name}.grants.queues: there is no queue `{queue}`; define [queues.{queue}]{near}"),
            );
        }
    }
    let folders = &plugin.config.grants.fs;
    for (index, (grant, at)) in folders.iter().zip(&plugin.fs_at).enumerate() {
        if folders[..index].iter().any(|other| other.guest == grant.guest) {
            findings.note(
                *at,
                format!("plugins.{name}.grants.fs: two folders are to be `{}`; give one another `guest`", grant.guest),
            );
        }
    }
}

fn check_folder(path: &Path) -> Result<(), String> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(format!("{} is not a folder", path.display())),
        Err(error) => Err(format!("folder {} cannot be granted: {error}; create it or correct `host`", path.display())),
    }
}
