//! Which file is read, and how it, the command line and the defaults make
//! one configuration.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jobhost_queue::{Channel, StoreUrl};
use jobhost_runtime::Limits;
use toml::de::DeTable;

use super::check::{check_file, check_paths, check_plugin_file};
use super::file::{self, FileConfig, Reading, check_name, default_plugin, default_queue};
use super::problem::{ConfigError, Findings, Place};
use super::section::Section;
use super::{Config, DEFAULT_FILE, DEFAULT_QUEUE, DEFAULT_STORE, Jobs, PluginConfig, Problem};

/// The longest configuration file, in bytes.
const MAX_FILE: u64 = 4 << 20;

/// What the command line says of the configuration.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// `--config` or `$JOBHOST_CONFIG`. Without it `jobhost.toml` in `folder`
    /// is read if it is there.
    pub config: Option<PathBuf>,
    /// Where `jobhost.toml` is looked for; empty is the working directory.
    pub folder: PathBuf,
    /// `--store` or `$JOBHOST_STORE`.
    pub store: Option<String>,
    /// `--concurrency`.
    pub concurrency: Option<u32>,
    /// The files of `--plugin`.
    pub plugins: Vec<PathBuf>,
    /// Whether plugin files and granted folders must be there, as for
    /// running jobs. Looking at a queue does without them.
    pub check_paths: bool,
}

/// Reads, resolves and checks. The error holds every problem that was found.
pub fn load(request: &Request) -> Result<Config, ConfigError> {
    resolve(request, source_of(request))
}

/// The same without any file: what was requested, and the defaults.
pub fn load_without_file(request: &Request) -> Result<Config, ConfigError> {
    resolve(request, None)
}

fn resolve(request: &Request, source: Option<PathBuf>) -> Result<Config, ConfigError> {
    let stand_in =
        Channel::new(DEFAULT_QUEUE).map_err(|error| ConfigError::one(Place::option("default"), error.to_string()))?;
    let mut problems = Vec::new();
    let file = match &source {
        Some(path) => read_file(path, &stand_in, request.check_paths, &mut problems)?,
        None => FileConfig::default(),
    };
    let store = store_of(request, file.store, &mut problems);
    let mut queues: Vec<_> = file.queues.into_iter().map(|queue| queue.config).collect();
    if queues.is_empty() {
        let place = Place::option("default");
        queues.push(default_queue(DEFAULT_QUEUE, stand_in, place));
    }
    let mut plugins: Vec<_> = file.plugins.into_iter().map(|plugin| plugin.config).collect();
    add_plugins(request, &file.limits, &mut plugins, &mut problems);
    if !problems.is_empty() {
        return Err(ConfigError { problems });
    }
    Ok(Config {
        source,
        store,
        concurrency: request.concurrency.or(file.concurrency).unwrap_or(16),
        shutdown_grace: file.shutdown_grace.unwrap_or(Duration::from_secs(25)),
        cache: file.cache.unwrap_or_default(),
        cache_size: file.cache_size.unwrap_or(1 << 30),
        compile: file.compile,
        queues,
        plugins,
    })
}

fn source_of(request: &Request) -> Option<PathBuf> {
    let named = request.config.clone().filter(|path| !path.as_os_str().is_empty());
    named.or_else(|| {
        let path = request.folder.join(DEFAULT_FILE);
        path.exists().then_some(path)
    })
}

fn read_file(
    path: &Path,
    stand_in: &Channel,
    with_paths: bool,
    problems: &mut Vec<Problem>,
) -> Result<FileConfig, ConfigError> {
    let source = path.display().to_string();
    let text = read_text(path).map_err(|why| ConfigError::one(Place::option(&source), why))?;
    let findings = Findings::new(source, &text);
    let (table, errors) = DeTable::parse_recoverable(&text);
    for error in &errors {
        let at = error.span().map_or(0, |span| span.start);
        findings.note(at, format!("not TOML: {}", error.message()));
    }
    // What could be made of broken TOML would only give problems that are none.
    if !errors.is_empty() {
        problems.extend(findings.into_problems());
        return Ok(FileConfig::default());
    }
    let reading = Reading { findings: &findings, folder: path.parent().unwrap_or(Path::new("")), stand_in };
    let file = file::read(Section::root(&findings, table.get_ref()), &reading);
    check_file(&file, &findings);
    if with_paths {
        check_paths(&file, &findings);
    }
    problems.extend(findings.into_problems());
    Ok(file)
}

fn read_text(path: &Path) -> Result<String, String> {
    let unreadable = |error: std::io::Error| {
        format!("the configuration cannot be read: {error}; create it or name another with --config")
    };
    let file = fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(format!("the configuration has more than {MAX_FILE} bytes; is it the right file?"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        format!("the configuration is not UTF-8 text, first at byte {at}")
    })
}

fn store_of(request: &Request, file: Option<String>, problems: &mut Vec<Problem>) -> String {
    let Some(store) = request.store.clone().filter(|store| !store.is_empty()) else {
        return file.unwrap_or_else(|| DEFAULT_STORE.to_owned());
    };
    if let Err(error) = StoreUrl::parse(&store) {
        problems.push(Problem { place: Place::option("--store or $JOBHOST_STORE"), message: error.to_string() });
    }
    store
}

/// Adds the plugins of the command line. One that is alone handles every
/// job; otherwise each handles the job of its name.
fn add_plugins(request: &Request, limits: &Limits, plugins: &mut Vec<PluginConfig>, problems: &mut Vec<Problem>) {
    let alone = plugins.is_empty() && request.plugins.len() == 1;
    for path in &request.plugins {
        let place = Place::option(&format!("--plugin {}", path.display()));
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        // It is there already, with what the file grants it.
        if plugins.iter().any(|other| other.name == name && is_same_file(&other.path, path)) {
            continue;
        }
        let mut note = |message| {
            problems.push(Problem { place: place.clone(), message });
        };
        if let Err(why) = check_name(&name) {
            note(format!("{why}; rename the file, or define the plugin in {DEFAULT_FILE}"));
        }
        if request.check_paths
            && let Err(why) = check_plugin_file(path)
        {
            note(why);
        }
        for other in plugins.iter() {
            if other.name == name {
                note(format!(
                    "plugin `{name}` is already defined at {}, with the file {}; give this one another name, or its path there, by which it gets the same grants",
                    other.place,
                    other.path.display()
                ));
            } else if let Jobs::Named(jobs) = &other.jobs
                && jobs.contains(&name)
            {
                note(format!("job `{name}` is already handled by plugin `{}`", other.name));
            }
        }
        let mut plugin = default_plugin(&name, path.clone(), place, limits);
        if alone {
            plugin.jobs = Jobs::All;
        }
        plugins.push(plugin);
    }
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}
