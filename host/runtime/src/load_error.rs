//! Why a plugin is refused when it is loaded. Every message names the plugin, its file and the remedy.

use std::path::{Path, PathBuf};

use crate::output::shown;

/// Characters of a problem that are shown. Some quote names from the file, which may be long and hold anything.
const SHOWN: usize = 4_000;

/// A plugin that is refused.
#[derive(Debug, thiserror::Error)]
#[error(
    "{}{}: {}",
    match .plugin { Some(name) => format!("plugin `{name}`: "), None => String::new() },
    .path.display(),
    self.reason()
)]
pub struct LoadError {
    /// The plugin's configured name; none where a file was only inspected.
    pub plugin: Option<String>,
    /// Its file.
    pub path: PathBuf,
    /// What is wrong.
    pub problem: Box<Problem>,
}

impl LoadError {
    /// What is wrong, on one line and of limited length, without plugin and file.
    pub fn reason(&self) -> String {
        shown(&self.problem.to_string(), SHOWN)
    }

    /// Whether the same file may be taken at another time: it was this machine that could not read, compile or start it.
    pub fn may_pass(&self) -> bool {
        matches!(*self.problem, Problem::Unreadable(_) | Problem::Host(_) | Problem::Compiling { .. })
    }

    /// A file that is only looked at and has no configured name.
    pub(crate) fn of_file(path: &Path, problem: Problem) -> Self {
        Self { plugin: None, path: path.to_owned(), problem: Box::new(problem) }
    }
}

/// What is wrong with a plugin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// There is nothing at the path.
    #[error("no such file; build the plugin or correct its path")]
    Missing,
    /// There is something else at the path.
    #[error("not a file; name the component's .wasm file")]
    NotAFile,
    /// The file cannot be read.
    #[error("cannot be read: {0}; correct its path or make it readable")]
    Unreadable(std::io::Error),
    /// The file is larger than the plugin's limit.
    #[error(
        "{size} bytes, more than the {limit} that a component may have; strip its debug data or raise the limit `component-bytes`"
    )]
    TooLarge {
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The file is not the one that was pinned.
    #[error("its digest is {found}, the configuration expects {expected}; restore that file, or correct `digest`")]
    Digest {
        /// As configured.
        expected: String,
        /// Of the file that is there.
        found: String,
    },
    /// The file is not signed as it must be.
    #[error("its signature {}: {why}", file.display())]
    Signature {
        /// The signature's file.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Not WebAssembly at all.
    #[error("not a WebAssembly component but {looks_like}")]
    NotWasm {
        /// What the first bytes say.
        looks_like: String,
    },
    /// WebAssembly, but not a component.
    #[error(
        "a core WebAssembly module, not a component; build for the target wasm32-wasip2, or turn it into one with `wasm-tools component new`"
    )]
    CoreModule,
    /// Native code made from a component.
    #[error(
        "a precompiled artefact, which would run as native code outside of the sandbox; give the component from which it was made"
    )]
    Precompiled,
    /// Not a valid component.
    #[error("not a valid component: {0}; build it or copy it again")]
    Invalid(String),
    /// A component with so many exports or imports that it is no plugin.
    #[error("more than {most} {what}; a plugin has those of its interfaces and nothing else")]
    TooManyNames {
        /// `exports` or `imports`.
        what: &'static str,
        /// The limit.
        most: usize,
    },
    /// A component that is no plugin.
    #[error("exports nothing that this host calls; wanted is at least one of {wanted}, it exports {found}")]
    NoExports {
        /// What the host looks for.
        wanted: String,
        /// What there is.
        found: String,
    },
    /// An export that looks like one of ours but is not.
    #[error("exports `{export}`, which this host does not know: {why}")]
    NearlyOurs {
        /// The export's name.
        export: String,
        /// What it probably should be.
        why: String,
    },
    /// An export of ours without its function.
    #[error(
        "export `{export}` lacks its function `{function}: {expected}`; build the plugin against this host's WIT files"
    )]
    MissingFunction {
        /// The interface's full name.
        export: String,
        /// The function's name.
        function: String,
        /// As the interface has it.
        expected: String,
    },
    /// An export of ours that has another type.
    #[error(
        "export `{export}` has the wrong type: expected `{expected}`, found `{found}` ({why}); build the plugin against this host's WIT files"
    )]
    WrongType {
        /// The export's full name.
        export: String,
        /// As the interface has it.
        expected: String,
        /// As the component has it.
        found: String,
        /// The first difference.
        why: String,
    },
    /// Imports that this host does not have.
    #[error("imports {imports}, which this host does not have{hint}")]
    UnknownImports {
        /// Their names.
        imports: String,
        /// A remedy, where there is one.
        hint: String,
    },
    /// An import that this host has with another type.
    #[error("an import does not fit this host: {0}; build the plugin against this host's WIT files")]
    WrongImport(String),
    /// The component needs more than its limits, or the engine, allow.
    #[error("{0}")]
    Limit(String),
    /// The compiler ended before it was done.
    #[error(
        "cannot be compiled within {memory} bytes of address space and {seconds} s ({how}); build it smaller, or raise `compile` in the configuration"
    )]
    Compiling {
        /// The limit of address space in bytes.
        memory: u64,
        /// The limit of time in seconds.
        seconds: u64,
        /// How it ended.
        how: String,
    },
    /// The component cannot be started.
    #[error("cannot be started: {0}")]
    Start(String),
    /// A grant that cannot be kept.
    #[error("grant fs {host} (guest `{guest}`): {why}", host = .host.display())]
    Grant {
        /// The folder.
        host: PathBuf,
        /// Where the guest would see it.
        guest: String,
        /// What is wrong with it.
        why: String,
    },
    /// A variable, setting or secret that cannot be granted. Values are never shown.
    #[error("grant {grant}{}: {why}", if .name.is_empty() { String::new() } else { format!(" `{name}`") })]
    GrantedValue {
        /// Which kind of grant.
        grant: &'static str,
        /// What the plugin would call it; empty where all of them are meant.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// Imports that have to be granted and are not.
    #[error("imports {imports}, which is not granted; {advice}")]
    NotGranted {
        /// Their names.
        imports: String,
        /// The lines that would grant them.
        advice: String,
    },
    /// A grant of requests that cannot be kept.
    #[error("grant http {grant}: {why}")]
    HttpGrant {
        /// The grant, as it is written.
        grant: String,
        /// What is wrong with it.
        why: String,
    },
    /// The host's own trouble.
    #[error("the host cannot load it now: {0}")]
    Host(String),
}
