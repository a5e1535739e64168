//! `jobhost plugin build`: from a project's sources to its plugin, and what that plugin is.

use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::time::{Duration, Instant};

use super::super::args::{GlobalArgs, PluginBuildArgs};
use super::super::output::{Output, compiling, complain};
use super::super::request;
use super::check::grants_to_add;
use super::inspect::lines_to_add;
use super::install::install;
use super::replace::replace;
use super::report::Report;
use super::tools::{Timeout, Tools};
use super::unchanged::Unchanged;
use super::{bindings, tools};
use crate::config::{Request, load};
use crate::exit::{CliError, Exit};
use crate::host::engine_that_takes;
use crate::project::languages::{Made, Supplies};
use crate::project::{Project, check_bundle, encode, is_component, unimported};
use crate::registry::settings_of;

/// Bytes of what a build may leave. A host's own limit is `component-bytes`.
const LARGEST: u64 = 1 << 30;

pub(super) async fn run(global: &GlobalArgs, args: &PluginBuildArgs, output: Output) -> Result<Exit, CliError> {
    let request = request_in(global, &args.folder);
    let project = Project::open(&args.folder, &request)?;
    let took = build(&project, &mut None, args.timeout).await?;
    let config = load(&Request { check_paths: false, ..request })?;
    let configured = config.plugins.iter().find(|plugin| plugin.path == project.wasm).cloned();
    let settings = configured.as_ref().map(settings_of).unwrap_or_default();
    let engine = engine_that_takes(&config, settings.limits.memory, compiling)?;
    let (name, path) = (project.name.clone(), project.wasm.clone());
    let examined = tokio::task::spawn_blocking(move || Report::of(&engine, &name, &path, settings)).await;
    let (mut report, _) = examined.map_err(|panic| CliError::Bug(panic.to_string()))?;
    report.add = match &configured {
        Some(plugin) => grants_to_add(plugin, &report),
        None => lines_to_add(&report, &project.name, None),
    };
    let mut document = report.document();
    document["language"] = project.language.name.into();
    document["build_ms"] = u64::try_from(took.as_millis()).unwrap_or(u64::MAX).into();
    output.answer(&document, |paint| report.text(*paint))?;
    Ok(if report.problems.is_empty() { Exit::Success } else { Exit::NotSo })
}

/// How the configuration of a project is found.
pub(super) fn request_in(global: &GlobalArgs, folder: &Path) -> Request {
    Request { folder: if folder == Path::new(".") { "".into() } else { folder.to_owned() }, ..request(global) }
}

/// Makes the plugin's file, which is left alone where it would be the same; says how long it took. The tools are looked for
/// where there are none yet.
pub(super) async fn build(
    project: &Project,
    tools: &mut Option<Tools>,
    timeout: Duration,
) -> Result<Duration, CliError> {
    let began = Instant::now();
    let timeout = Timeout::begins(timeout);
    let Project { folder, language, wasm, .. } = project;
    let tools = match tools {
        Some(tools) => tools,
        None => tools.insert(tools::find(language, folder).await?),
    };
    let _turn = turn(folder).await;
    if language.supplies == Supplies::CBindings {
        bindings::bring_up_to_date(folder)?;
    }
    if let Some(packages) = &language.packages {
        install(project, packages, tools, timeout).await?;
    }
    let unchanged = Unchanged::of(project, tools);
    let mut said = String::new();
    if !unchanged.as_ref().is_some_and(Unchanged::holds) {
        complain(&format!("building {} ({})", project.name, language.title));
        for command in language.commands {
            let ran = tools.run(command, folder, language.made == Made::ByCargo, timeout).await;
            said = ran.map_err(|error| explained(error, project))?;
        }
        unchanged.iter().for_each(Unchanged::keep);
    }
    let bytes = match language.made {
        Made::ByCargo => read(Path::new(&tools::made_by_cargo(&said)?))?,
        Made::Component(path) => read(&folder.join(path))?,
        Made::Bundle { component, exports, .. } => {
            // Whose build script does not write it is not asked.
            if let Ok(document) = fs::read_to_string(folder.join(exports)) {
                check_bundle(folder, &document).map_err(CliError::NotSo)?;
            }
            read(&folder.join(component))?
        }
        Made::Core(path) => {
            let module = read(&folder.join(path))?;
            if is_component(&module) { module } else { encode(&module, folder).map_err(CliError::NotSo)? }
        }
    };
    if !fs::read(wasm).is_ok_and(|found| found == bytes) {
        replace(wasm, &bytes)
            .map_err(|error| CliError::NotSo(format!("{} cannot be written: {error}", wasm.display())))?;
    }
    Ok(began.elapsed())
}

/// Waits for other builds of the project, as two at once are in each other's way, and keeps others waiting for as long as it
/// lives. None where the file system has no locks.
async fn turn(folder: &Path) -> Option<File> {
    let lock = File::open(folder).ok()?;
    if matches!(lock.try_lock(), Err(TryLockError::WouldBlock)) {
        complain(&format!("another build of {} is under way; waiting for its end", folder.display()));
        return tokio::task::spawn_blocking(move || lock.lock().ok().map(|()| lock)).await.ok()?;
    }
    Some(lock)
}

/// The error of a build, with what the world lacks of what the plugin imports.
fn explained(error: CliError, project: &Project) -> CliError {
    let (CliError::NotSo(why), Made::Bundle { bundle, .. }) = (&error, project.language.made) else { return error };
    let lacking = unimported(&project.folder, bundle);
    let line = |name: &String| format!("\nthe plugin uses `{name}`; add `import {name};` to wit/world.wit");
    let lines: String = lacking.iter().map(line).collect();
    if lines.is_empty() { error } else { CliError::NotSo(format!("{why}{lines}")) }
}

fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    let wrong = |why: String| CliError::NotSo(format!("the build was to leave {}: {why}", path.display()));
    let size = fs::metadata(path).map_err(|error| wrong(error.to_string()))?.len();
    if size > LARGEST {
        return Err(wrong(format!("it has {size} bytes, at most {LARGEST} are read")));
    }
    fs::read(path).map_err(|error| wrong(error.to_string()))
}
