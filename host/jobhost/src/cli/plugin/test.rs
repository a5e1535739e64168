//! `jobhost plugin test`: builds the plugin and runs the jobs beside it in the real sandbox, as they would run but for the
//! store, and says where what came out is not what was expected.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::time::Duration;

use jobhost_runtime::{Engine, Plugin};
use serde_json::{Value, json};

use super::super::args::{GlobalArgs, PluginTestArgs};
use super::super::output::{Output, Paint, compiling, complain, harmless, harmless_line, human_duration};
use super::build::{build, request_in};
use super::difference::{Difference, differences, told};
use super::observe::{self, Run, Setting};
use super::reach;
use super::replace::replace;
use super::sources::Sources;
use super::tools::Tools;
use crate::config::{Config, Jobs, PluginConfig, Request, load};
use crate::exit::{CliError, Exit};
use crate::host::engine_that_tells;
use crate::project::Project;
use crate::project::sample::{Ending, Observed, SUFFIX, Sample, read_all};
use crate::registry::settings_of;

pub(super) async fn run(global: &GlobalArgs, args: &PluginTestArgs, output: Output) -> Result<Exit, CliError> {
    let request = request_in(global, &args.folder);
    let mut tools = None;
    if !args.watch {
        return round(args, &request, output, &mut tools).await;
    }
    let mut sources = Sources::of(&Project::open(&args.folder, &request)?);
    let mut warned = false;
    loop {
        if let Some(warning) = sources.warning().filter(|_| !warned) {
            complain(&warning);
            warned = true;
        }
        match round(args, &request, output, &mut tools).await {
            Err(error) if error.is_closed_pipe() => return Err(error),
            Err(error) => complain(&error.to_string()),
            Ok(_) => {}
        }
        sources.built();
        sources.changed().await;
        // One that is saved half-written is told by the round, and looked at as it was until it is whole.
        if let Ok(project) = Project::open(&args.folder, &request) {
            sources = Sources::of(&project);
        }
    }
}

/// Builds, runs every sample, and tells what came of it.
async fn round(
    args: &PluginTestArgs,
    request: &Request,
    output: Output,
    tools: &mut Option<Tools>,
) -> Result<Exit, CliError> {
    let project = Project::open(&args.folder, request)?;
    // What is wrong with them is told before anything is built.
    let samples = read_all(&project.folder)?;
    if samples.is_empty() {
        return Err(CliError::NotSo(format!(
            "there is no job to test with; write one as sample{SUFFIX}: {{\"payload\": {{}}, \"expect\": {{\"outcome\": \"done\"}}}}"
        )));
    }
    let took = build(&project, tools, args.timeout).await?;
    let (config, configured) = configured(&project, request)?;
    let engine = engine_that_tells(&config, compiling)?;
    let mut results = Vec::new();
    // The file is read once. What has the grants of the configuration is used again: every call has an instance of its own
    // all the same.
    let (mut version, mut usual): (Option<Plugin>, Option<Plugin>) = (None, None);
    let mut reachable = None;
    for sample in samples {
        let plugin = match usual.clone().filter(|_| sample.grants.is_none()) {
            Some(plugin) => plugin,
            None => loaded(&engine, &configured, &sample, version.take()).await?,
        };
        if sample.grants.is_none() {
            usual = Some(plugin.clone());
        }
        version = Some(plugin.clone());
        let queue = &config.queues[0];
        let name = match &configured.jobs {
            Jobs::Named(names) => names.first().unwrap_or(&configured.name),
            Jobs::All => &configured.name,
        };
        let ttr = Duration::from_secs(u64::from(queue.ttr));
        let setting = Setting { name, queue: &queue.name, ttr };
        let ran = observe::run(&plugin, &sample, &setting).await.map_err(|error| match error {
            CliError::NotSo(why) => CliError::NotSo(format!("{}: {why}", sample.path.display())),
            CliError::Usage(why) => CliError::Usage(format!("{}: {why}", sample.path.display())),
            other => other,
        })?;
        let result = compared(sample, ran)?;
        if reachable.is_none() && reach::tries(&plugin) && result.may_want_grants() {
            let config = config.source.clone().unwrap_or_else(|| project.folder.join("jobhost.toml"));
            reachable = Some(reach::told(&plugin, project.language, &config));
        }
        results.push(result);
    }
    if args.update {
        for result in results.iter_mut().filter(|result| !result.differences.is_empty()) {
            result.update()?;
        }
    }
    let passed = results.iter().all(|result| result.differences.is_empty() || result.updated);
    let documents: Vec<_> = results.iter().map(SampleResult::document).collect();
    let document = json!({
        "ok": passed, "plugin": project.wasm, "build_ms": milliseconds(took), "samples": documents,
    });
    output.answer(&document, |paint| {
        let advice = reachable.filter(|_| !passed).unwrap_or_default();
        format!("{}{advice}", text(&project, took, &results, *paint))
    })?;
    Ok(if passed { Exit::Success } else { Exit::NotSo })
}

/// The configuration and what it says of the plugin; with the defaults where it says nothing.
fn configured(project: &Project, request: &Request) -> Result<(Config, PluginConfig), CliError> {
    let named = |config: &Config| config.plugins.iter().find(|plugin| plugin.path == project.wasm).cloned();
    let config = load(&Request { check_paths: true, ..request.clone() })?;
    if let Some(plugin) = named(&config) {
        return Ok((config, plugin));
    }
    let config = load(&Request { plugins: vec![project.wasm.clone()], check_paths: true, ..request.clone() })?;
    let plugin = named(&config).ok_or_else(|| CliError::Bug("the plugin is not in the configuration".to_owned()))?;
    Ok((config, plugin))
}

/// The plugin with the sample's grants; `version` is what was loaded for another sample, and saves to read the file again.
async fn loaded(
    engine: &Engine,
    configured: &PluginConfig,
    sample: &Sample,
    version: Option<Plugin>,
) -> Result<Plugin, CliError> {
    let mut settings = settings_of(configured);
    if let Some(grants) = &sample.grants {
        settings.grants = grants.clone();
    }
    let (engine, name, path) = (engine.clone(), configured.name.clone(), configured.path.clone());
    let load = move || match version {
        Some(version) => version.with_settings(settings),
        None => Plugin::load(&engine, &name, &path, settings),
    };
    tokio::task::spawn_blocking(load)
        .await
        .map_err(|panic| CliError::Bug(panic.to_string()))?
        .map_err(|error| CliError::NotSo(format!("{error}{}", of_its_own(sample))))
}

/// Which grants were meant, where the line that is advised would not help.
fn of_its_own(sample: &Sample) -> String {
    match &sample.grants {
        Some(_) => format!("\n{} has grants of its own: there they are in `\"grants\"`", sample.path.display()),
        None => String::new(),
    }
}

/// A sample and what came of it.
struct SampleResult {
    sample: Sample,
    run: Run,
    came: Value,
    differences: Vec<Difference>,
    updated: bool,
}

fn compared(mut sample: Sample, run: Run) -> Result<SampleResult, CliError> {
    let expected = &mut sample.job.expect;
    if expected.outcome.is_none() {
        expected.outcome = Some(Ending::Done);
    }
    let document = |observed: &Observed| serde_json::to_value(observed).map_err(|e| CliError::Bug(e.to_string()));
    let (expected, came) = (document(expected)?, document(&run.observed)?);
    let differences = differences(&expected, &came);
    Ok(SampleResult { sample, run, came, differences, updated: false })
}

impl SampleResult {
    /// Writes what came out in place of what was expected: what was compared, and what is not empty.
    fn update(&mut self) -> Result<(), CliError> {
        let path = &self.sample.path;
        let wrong = |why: String| CliError::NotSo(format!("{} cannot be updated: {why}", path.display()));
        let mut document: Value = serde_json::from_str(&self.sample.text).map_err(|error| wrong(error.to_string()))?;
        let before = document["expect"].as_object().cloned().unwrap_or_default();
        let is_empty = |value: &Value| match value {
            Value::Null => true,
            Value::Array(items) => items.is_empty(),
            Value::String(text) => text.is_empty(),
            _ => false,
        };
        let came = self.came.as_object().cloned().unwrap_or_default();
        // What a language writes to its own streams by the way is only kept where it was asked for.
        let kept = |key: &str, value: &Value| {
            before.contains_key(key) || !is_empty(value) && !["stdout", "stderr"].contains(&key)
        };
        document["expect"] = came.into_iter().filter(|(key, value)| kept(key, value)).collect();
        let mut text = serde_json::to_string_pretty(&document).map_err(|error| wrong(error.to_string()))?;
        text.push('\n');
        // Building and running took a while.
        if fs::read(path).map_err(|error| wrong(error.to_string()))? != self.sample.text.as_bytes() {
            return Err(wrong("somebody else has changed it meanwhile; test again".to_owned()));
        }
        replace(path, text.as_bytes()).map_err(|error| wrong(error.to_string()))?;
        self.updated = true;
        Ok(())
    }

    /// Whether it failed, which was not expected, of something that neither a refusal explains nor a limit. One with grants
    /// of its own is about these.
    fn may_want_grants(&self) -> bool {
        let explained = ["done", "out-of-memory", "out-of-fuel", "limit"];
        let failed = self.differences.iter().any(|one| one.place == "outcome")
            && !explained.iter().any(|outcome| self.came["outcome"] == *outcome);
        failed && self.run.refused.is_empty() && self.sample.grants.is_none()
    }

    fn name(&self) -> String {
        let name = self.sample.path.file_name().unwrap_or(self.sample.path.as_os_str());
        harmless_line(&name.to_string_lossy())
    }

    fn document(&self) -> Value {
        let differences: Vec<_> = self
            .differences
            .iter()
            .map(|one| json!({ "place": one.place, "expected": one.expected, "came": one.came }))
            .collect();
        json!({
            "file": self.sample.path,
            "ok": self.differences.is_empty(),
            "updated": self.updated,
            "differences": differences,
            "came": self.came,
            "refused": self.run.refused,
            "backtrace": self.run.backtrace,
            "duration_us": u64::try_from(self.run.usage.duration.as_micros()).unwrap_or(u64::MAX),
            "peak_memory_bytes": self.run.usage.peak_memory,
        })
    }

    fn text(&self, paint: Paint) -> String {
        let differs = !self.differences.is_empty();
        let verdict = match (differs, self.updated) {
            (false, _) => paint.good("ok     "),
            (true, true) => paint.label("updated"),
            (true, false) => paint.bad("differs"),
        };
        let mut text = format!("{verdict} {} ({})\n", self.name(), human_duration(self.run.usage.duration));
        if differs && !self.updated {
            text.push_str(&told(&self.differences, paint));
            self.add_context(&mut text, paint);
        }
        for advice in &self.run.refused {
            let _ =
                writeln!(text, "  {} {}{}", paint.label("refused:"), harmless_line(advice), of_its_own(&self.sample));
        }
        text
    }

    /// What helps to see why it differs.
    fn add_context(&self, text: &mut String, paint: Paint) {
        let told = Some(&self.came["error"]).filter(|_| self.sample.job.expect.error.is_none());
        let error = told.and_then(|told| told["message"].as_str());
        let details = told.and_then(|told| told["details"].as_object()).into_iter().flatten();
        let details = details.map(|(name, detail)| (name.as_str(), detail.as_str().unwrap_or_default()));
        let parts = [
            ("error", error.unwrap_or_default()),
            ("stdout", &self.run.usage.stdout),
            ("stderr", &self.run.usage.stderr),
            ("backtrace", self.run.backtrace.as_deref().unwrap_or_default()),
        ];
        for (label, part) in parts.into_iter().chain(details).filter(|(_, part)| !part.is_empty()) {
            let _ = writeln!(text, "  {}", paint.label(&format!("{label}:")));
            for line in harmless(part).lines() {
                let _ = writeln!(text, "    {line}");
            }
        }
    }
}

fn text(project: &Project, took: Duration, results: &[SampleResult], paint: Paint) -> String {
    let size = fs::metadata(&project.wasm).map(|found| found.len()).unwrap_or_default();
    let file = project.wasm.file_name().map_or(project.wasm.as_path(), Path::new).display();
    let size = super::super::output::human_bytes(size);
    let mut text = format!("{file}: {size}, built in {}\n", human_duration(took));
    for result in results {
        text.push_str(&result.text(paint));
    }
    let differ = results.iter().filter(|result| !result.differences.is_empty() && !result.updated).count();
    let updated = results.iter().filter(|result| result.updated).count();
    let _ = write!(text, "{} as expected", results.len() - differ - updated);
    if updated > 0 {
        let _ = write!(text, ", {updated} updated");
    }
    if differ > 0 {
        let _ = write!(text, ", {}", paint.bad(&format!("{differ} differ")));
    }
    text.push('\n');
    text
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
