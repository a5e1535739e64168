//! `jobhost plugin inspect`: one file, with the default limits and without
//! grants, whatever the configuration says.

use std::fmt::Write;
use std::path::Path;

use jobhost_runtime::{Engine, EngineSettings, Need, PluginSettings, Signer, needs};

use super::super::args::PluginInspectArgs;
use super::super::output::{Output, compiling};
use super::report::Report;
use crate::config::{Compile, is_name};
use crate::exit::{CliError, Exit};
use crate::host::{HostError, compiler};

pub(super) async fn run(args: PluginInspectArgs, output: Output) -> Result<Exit, CliError> {
    let settings = EngineSettings {
        calls: 1,
        hook_calls: 1,
        compiler: Some(compiler(Compile::default())),
        compiling: Some(compiling),
        ..EngineSettings::default()
    };
    let engine = Engine::new(&settings).map_err(HostError::from)?;
    let path = args.file;
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).filter(|stem| is_name(stem));
    let name = stem.unwrap_or_else(|| "NAME".to_owned());
    let configured = name.clone();
    let mut settings = PluginSettings::default();
    settings.pin.signer = args.signer.clone();
    let examined = tokio::task::spawn_blocking(move || Report::of(&engine, &configured, &path, settings)).await;
    let (mut report, _) = examined.map_err(|panic| CliError::Bug(panic.to_string()))?;
    report.add = lines_to_add(&report, &name, args.signer.as_ref());
    output.answer(&report.document(), |paint| report.text(*paint))?;
    Ok(if report.problems.is_empty() { Exit::Success } else { Exit::NotSo })
}

/// What to write into `jobhost.toml` to use the plugin, grants that it cannot be loaded without included; nothing where it
/// cannot be used.
pub(super) fn lines_to_add(report: &Report, name: &str, signer: Option<&Signer>) -> String {
    let (Some(exports), true) = (report.exports, report.problems.is_empty() || report.ungranted) else {
        return String::new();
    };
    let mut text = String::new();
    let key = key(name);
    if exports.hook() {
        let _ = writeln!(text, "[queues.QUEUE]\nhooks = [\"{name}\"]\n");
    }
    let _ = writeln!(text, "[plugins.{key}]\npath = {}", quoted(&report.path));
    if let Some(signer) = signer {
        let _ = writeln!(text, "signer = \"{signer}\"");
    }
    if let Some((_, digest)) = &report.file {
        let _ = writeln!(text, "# digest = \"{digest}\"   # to accept no other file");
    }
    if exports.handler {
        let _ = writeln!(text, "jobs = [\"{name}\"]");
    }
    let needs = report.contents.as_ref().map(|contents| needs(&contents.imports)).unwrap_or_default();
    text.push_str(&grants(&key, &needs));
    text
}

/// The table of grants. What toolchains import unasked stands in a comment.
fn grants(key: &str, needs: &[Need]) -> String {
    let mut text = String::new();
    for (line, usual) in needs.iter().filter_map(|need| Some((need.line?, need.usual))) {
        if text.is_empty() {
            let _ = writeln!(text, "[plugins.{key}.grants]");
        }
        let _ = if usual {
            writeln!(text, "# {line}   # only if it uses them: most toolchains import them unasked")
        } else {
            writeln!(text, "{line}")
        };
    }
    text
}

/// A plugin's name as a key of TOML, where a point would part it.
pub(super) fn key(name: &str) -> String {
    if name.contains('.') { format!("\"{name}\"") } else { name.to_owned() }
}

/// A string of TOML. JSON's escapes are a subset of TOML's.
fn quoted(path: &Path) -> String {
    serde_json::Value::from(path.to_string_lossy()).to_string()
}
