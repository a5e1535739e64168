//! Loads a plugin: reads, compiles, links and tries it out. Nothing of it runs after that but in calls.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use wasmtime::component::Component;

use crate::capabilities::{Granted, fs, http};
use crate::compiled::{self, Compiled};
use crate::engine::{Build, Engine, Machine};
use crate::exports::{self, Exports};
use crate::imports;
use crate::inspect;
use crate::limits::Limits;
use crate::load_error::{LoadError, Problem};
use crate::origin;
use crate::plugin::{Loaded, Plugin, PluginSettings};
use crate::source::Source;
use crate::try_out::{indices, try_out};

/// Bytes of a page of linear memory.
const PAGE: u64 = 64 << 10;

impl Plugin {
    /// Reads, compiles and links the component at `path`, instantiates it once and checks the types of its exports.
    ///
    /// It blocks, for seconds where the component is large: from asynchronous code, call it on a thread for blocking
    /// work.
    pub fn load(engine: &Engine, name: &str, path: &Path, settings: PluginSettings) -> Result<Self, LoadError> {
        let source = Source::read(path, settings.limits.component_bytes)
            .map_err(|error| LoadError { plugin: Some(name.to_owned()), ..error })?;
        Self::load_source(engine, name, &source, settings)
    }

    /// The same with a file that was read before, whose size is not looked at again.
    pub fn load_source(
        engine: &Engine,
        name: &str,
        source: &Source,
        settings: PluginSettings,
    ) -> Result<Self, LoadError> {
        load(engine, name, source, settings, None).map_err(|problem| failed(name, source, problem))
    }

    /// The same with the settings of now, for the plugin that this one is a version of: everything is read and checked
    /// anew, but what was compiled is used again if the file and the build are the same.
    pub fn load_again(&self, engine: &Engine, source: &Source, settings: PluginSettings) -> Result<Self, LoadError> {
        load(engine, self.name(), source, settings, Some(self)).map_err(|problem| failed(self.name(), source, problem))
    }
}

fn failed(name: &str, source: &Source, problem: Problem) -> LoadError {
    LoadError { plugin: Some(name.to_owned()), path: source.path().to_owned(), problem: Box::new(problem) }
}

/// What of a plugin does not depend on its settings.
pub(crate) struct Version {
    pub(crate) name: Arc<str>,
    pub(crate) path: PathBuf,
    pub(crate) digest: String,
    pub(crate) exports: Exports,
    pub(crate) imports: Vec<String>,
}

fn load(
    engine: &Engine,
    name: &str,
    source: &Source,
    settings: PluginSettings,
    before: Option<&Plugin>,
) -> Result<Plugin, Problem> {
    origin::check(source, &settings.pin)?;
    let contents = inspect::contents(source.bytes())?;
    let version = Version {
        name: Arc::from(name),
        path: source.path().to_owned(),
        digest: source.digest().to_owned(),
        exports: contents.recognised()?,
        imports: contents.imports,
    };
    let settings = checked(engine, settings)?;
    let granted = Granted::read(&settings.grants)?;
    let build = engine.build_for(&settings.limits);
    let reused =
        before.filter(|before| before.digest() == source.digest()).and_then(|before| reuse(engine, build, before));
    let (machine, component) = match reused {
        Some(reused) => reused,
        None => compile(engine, name, build, source)?,
    };
    link(engine, version, (&machine, component, build), (settings, granted))
}

/// From compiled code to a plugin that was tried out.
pub(crate) fn link(
    engine: &Engine,
    version: Version,
    (machine, component, build): (&Machine, Component, Build),
    (settings, granted): (PluginSettings, Arc<Granted>),
) -> Result<Plugin, Problem> {
    let Version { name, path, digest, exports, imports } = version;
    let wanted = imports::check(&machine.engine, &component, &name, &settings.grants)?;
    check_resources(&component, &settings.limits)?;
    let pre = machine.linker.instantiate_pre(&component).map_err(|error| Problem::WrongImport(format!("{error:#}")))?;
    let indices = indices(&pre, exports)?;
    // Otherwise the first call would pay for it.
    component.initialize_copy_on_write_image().map_err(|error| Problem::Host(format!("{error:#}")))?;
    let http = if wanted.http { Some(Arc::new(client(engine, &settings)?)) } else { None };
    let loaded = Arc::new(Loaded {
        name,
        path,
        digest,
        exports,
        imports,
        indices,
        warnings: warnings(exports),
        pre,
        ticker: Arc::clone(&machine.ticker),
        build,
        engine: engine.clone(),
        granted,
        http,
        settings,
        number: engine.places().number(),
        kept_in_vain: AtomicBool::new(false),
    });
    try_out(&loaded, &component)?;
    Ok(Plugin(loaded))
}

/// The settings as they are kept: possible, and with the folders where they really are.
pub(crate) fn checked(engine: &Engine, mut settings: PluginSettings) -> Result<PluginSettings, Problem> {
    let granted = &mut settings.grants.fs;
    for index in 0..granted.len() {
        let (before, grant) = (&granted[..index], &granted[index]);
        let found = if before.iter().any(|other| other.guest == grant.guest) {
            Err("another grant has the same guest path; give each its own".to_owned())
        } else {
            fs::resolve(grant)
        };
        match found {
            Ok(host) => granted[index].host = host,
            Err(why) => {
                let (host, guest) = (grant.host.clone(), grant.guest.clone());
                return Err(Problem::Grant { host, guest, why });
            }
        }
    }
    let (wanted, most) = (settings.limits.memory, engine.settings().memory);
    if wanted > most {
        return Err(Problem::Limit(format!(
            "its memory limit is {wanted} bytes, the engine was made for at most {most}; restart the host with the larger limit"
        )));
    }
    Ok(settings)
}

/// What sends the plugin's requests.
fn client(engine: &Engine, settings: &PluginSettings) -> Result<http::Client, Problem> {
    let resolver = Arc::clone(&engine.settings().resolver);
    http::Client::new(&settings.grants.http, resolver).map_err(|(grant, why)| Problem::HttpGrant { grant, why })
}

/// The code of a version that was loaded into this engine for this build, and the machine on which it runs.
pub(crate) fn reuse(engine: &Engine, build: Build, before: &Plugin) -> Option<(Machine, Component)> {
    let (pre, made_for) = (&before.0.pre, before.0.build);
    // It may live outside of the pool, see `place`.
    let machines =
        [build, Build { pooling: false, ..build }].into_iter().filter_map(|build| engine.machine(build).ok());
    let machine = machines.into_iter().find(|machine| wasmtime::Engine::same(&machine.engine, pre.engine()));
    machine.filter(|_| made_for == build).map(|machine| (machine, pre.component().clone()))
}

/// Takes the code from the cache, or compiles it and keeps it there.
fn compile(engine: &Engine, name: &str, build: Build, source: &Source) -> Result<(Machine, Component), Problem> {
    let machine = engine.machine(build).map_err(|error| Problem::Host(error.to_string()))?;
    let key = compiled::key(&machine.engine, source.digest());
    let cache = engine.settings().cache.as_ref();
    if let Some(kept) = cache.and_then(|cache| cache.get(&key)) {
        match place(engine, build, &kept) {
            Ok(placed) => {
                tracing::debug!(plugin = name, digest = source.digest(), "loaded from cache");
                return Ok(placed);
            }
            Err(error) => {
                tracing::warn!(plugin = name, %error, "compiled code from the cache does not fit; it is made anew");
            }
        }
    }
    if let Some(tell) = engine.settings().compiling {
        tell(name, source.size());
    }
    let began = Instant::now();
    let compiled = match &engine.settings().compiler {
        Some(compiler) => {
            // One at a time: the limits are those of a single compiler, and it uses all processors by itself.
            let _alone = engine.compiling();
            compiler.compile(build, source.bytes())?
        }
        None => Compiled::here(&machine.engine, source.bytes())?,
    };
    let took = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    tracing::info!(plugin = name, digest = source.digest(), milliseconds = took, "compiled");
    let placed = place(engine, build, &compiled).map_err(|error| compiled::unsupported(&format!("{error:#}")))?;
    if let Some(cache) = cache {
        cache.put(&key, &compiled);
    }
    Ok(placed)
}

/// Puts code into the pool if the limits allow it. What does not fit there all the same lives outside of it, where the
/// limits alone say whether it is too much; the code is the same for both.
fn place(engine: &Engine, build: Build, compiled: &Compiled) -> wasmtime::Result<(Machine, Component)> {
    let machine = |build| engine.machine(build).map_err(|error| wasmtime::Error::msg(error.to_string()));
    let chosen = machine(build)?;
    match compiled.component(&chosen.engine) {
        Err(_) if build.pooling => {
            let outside = machine(Build { pooling: false, ..build })?;
            let component = compiled.component(&outside.engine)?;
            Ok((outside, component))
        }
        placed => placed.map(|component| (chosen, component)),
    }
}

/// What is odd about these exports.
fn warnings(exports: Exports) -> Vec<String> {
    let mut warnings = Vec::new();
    for (present, interface, function) in
        [(exports.time_to_run, "time-to-run", "get-ttr"), (exports.retry_policy, "retry-policy", "can-retry")]
    {
        if present && !exports.handler {
            warnings.push(format!(
                "exports {interface} but no handler, so that its {function} is never asked; export `{}` too",
                exports::full("handler")
            ));
        }
    }
    warnings
}

/// Whether the component fits into its limits before it has run at all.
fn check_resources(component: &Component, limits: &Limits) -> Result<(), Problem> {
    let Some(needed) = component.resources_required() else {
        return Ok(());
    };
    let memory = needed.max_initial_memory_size.unwrap_or(0).saturating_mul(PAGE);
    let table = needed.max_initial_table_size.unwrap_or(0);
    let checks = [
        ("memories", "memories", u64::from(needed.num_memories), u64::from(limits.memories)),
        ("tables", "tables", u64::from(needed.num_tables), u64::from(limits.tables)),
        ("bytes of memory at the start", "memory", memory, limits.memory),
        ("elements in one table", "table-elements", table, u64::from(limits.table_elements)),
    ];
    for (what, key, needed, limit) in checks {
        if needed > limit {
            let text = format!("needs {needed} {what}, its limit is {limit}; raise the limit `{key}`");
            return Err(Problem::Limit(text));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_a_handler_is_asked_is_odd_without_one() {
        let exports = Exports { retry_policy: true, before_push: true, ..Exports::default() };
        let warnings_without = warnings(exports);
        assert_eq!(warnings_without.len(), 1);
        assert!(warnings_without[0].contains("its can-retry is never asked"), "{warnings_without:?}");
        assert!(warnings(Exports { handler: true, ..exports }).is_empty());
    }
}
