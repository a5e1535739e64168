//! `jobhost plugin check`: every plugin of the configuration, with its limits
//! and grants, and whether they fit together. What is wrong with the
//! configuration itself is for `jobhost config check`.

use std::fmt::Write;

use jobhost_runtime::needs;
use serde_json::{Value, json};

use super::super::args::GlobalArgs;
use super::super::load_to_look;
use super::super::output::{Output, compiling, harmless_line};
use super::inspect::key;
use super::report::Report;
use crate::config::{Config, PluginConfig, Problem};
use crate::exit::{CliError, Exit};
use crate::host::engine_that_tells;
use crate::registry::{Registry, settings_of};

pub(super) async fn run(global: &GlobalArgs, output: Output) -> Result<Exit, CliError> {
    let config = load_to_look(global)?;
    let (reports, problems) = examine(&config).await?;
    let ok = problems.is_empty() && reports.iter().all(|(_, report)| report.problems.is_empty());
    let plugins: Vec<Value> = reports
        .iter()
        .map(|(plugin, report)| {
            let mut document = report.document();
            document["name"] = plugin.name.as_str().into();
            document
        })
        .collect();
    let document = json!({ "ok": ok, "source": config.source, "plugins": plugins, "problems": problems });
    output.answer(&document, |paint| {
        let mut text = String::new();
        if reports.is_empty() {
            text.push_str("no plugin is configured\n");
        }
        for (index, (plugin, report)) in reports.iter().enumerate() {
            let before = if index == 0 { "" } else { "\n" };
            let _ = writeln!(text, "{before}{}", paint.good(&format!("plugin {}", plugin.name)));
            text.push_str(&report.text(*paint));
        }
        for problem in &problems {
            let place = paint.bad(&problem.place.to_string());
            let _ = writeln!(text, "\n{place}: {}", harmless_line(&problem.message));
        }
        text
    })?;
    Ok(if ok { Exit::Success } else { Exit::NotSo })
}

/// Each plugin by itself, then what is wrong between those that load.
async fn examine(config: &Config) -> Result<(Vec<(PluginConfig, Report)>, Vec<Problem>), CliError> {
    let (mut reports, mut loaded) = (Vec::new(), Vec::new());
    if !config.plugins.is_empty() {
        let engine = engine_that_tells(config, compiling)?;
        for plugin in &config.plugins {
            let (engine, configured) = (engine.clone(), plugin.clone());
            let examined = tokio::task::spawn_blocking(move || {
                Report::of(&engine, &configured.name, &configured.path, settings_of(&configured))
            });
            let (mut report, found) = examined.await.map_err(|panic| CliError::Bug(panic.to_string()))?;
            report.add = grants_to_add(plugin, &report);
            loaded.extend(found);
            reports.push((plugin.clone(), report));
        }
    }
    let problems = Registry::of(config, loaded).err().unwrap_or_default();
    Ok((reports, problems))
}

/// The grants that it has no use without and was not given.
pub(super) fn grants_to_add(plugin: &PluginConfig, report: &Report) -> String {
    let needs = report.contents.as_ref().map(|contents| needs(&contents.imports)).unwrap_or_default();
    let lines = needs.iter().filter(|need| !need.usual && !need.given(&plugin.grants)).filter_map(|need| need.line);
    let lines: Vec<_> = lines.collect();
    if lines.is_empty() {
        return String::new();
    }
    format!("[plugins.{}.grants]\n{}\n", key(&plugin.name), lines.join("\n"))
}
