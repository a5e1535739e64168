//! What is found out about one plugin: its file, what is in it, and what came
//! of loading it. The same for `inspect` and `check`.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use jobhost_runtime::{
    Contents, Engine, Exports, LoadError, Need, Plugin, PluginSettings, Problem, Signed, Source, VERSION, needs,
};
use serde_json::{Value, json};

use super::super::output::{Paint, harmless_line, human_bytes};

/// Names that are printed of a list; `--json` has all of them.
const SHOWN: usize = 40;

/// What is known of a plugin's file.
pub(super) struct Report {
    pub(super) path: PathBuf,
    /// Size in bytes and digest, if the file can be read.
    pub(super) file: Option<(u64, String)>,
    /// The signature beside it.
    signed: Option<Signed>,
    /// If it is a component.
    pub(super) contents: Option<Contents>,
    /// If it is a plugin by its exports.
    pub(super) exports: Option<Exports>,
    /// Why this host would not load it; empty if it would.
    pub(super) problems: Vec<String>,
    /// Whether all that is missing are grants.
    pub(super) ungranted: bool,
    warnings: Vec<String>,
    /// Lines for `jobhost.toml`.
    pub(super) add: String,
}

impl Report {
    /// Reads the file once, looks at it and loads it. The plugin is there if
    /// no problem is. It blocks while it compiles.
    pub(super) fn of(engine: &Engine, name: &str, path: &Path, settings: PluginSettings) -> (Self, Option<Plugin>) {
        let mut report = Self {
            path: path.to_owned(),
            file: None,
            signed: None,
            contents: None,
            exports: None,
            problems: Vec::new(),
            ungranted: false,
            warnings: Vec::new(),
            add: String::new(),
        };
        let loaded = report.fill(engine, name, settings);
        match loaded {
            Ok(plugin) => {
                report.warnings = plugin.warnings().to_vec();
                (report, Some(plugin))
            }
            Err(error) => {
                report.ungranted = matches!(*error.problem, Problem::NotGranted { .. });
                report.problems.push(error.reason());
                (report, None)
            }
        }
    }

    fn fill(&mut self, engine: &Engine, name: &str, settings: PluginSettings) -> Result<Plugin, LoadError> {
        let source = Source::read(&self.path, settings.limits.component_bytes)?;
        self.file = Some((source.size(), source.digest().to_owned()));
        self.signed = source.signed(settings.pin.signer.as_ref())?;
        let contents = self.contents.insert(source.contents()?);
        self.exports = contents.recognised().ok();
        Plugin::load_source(engine, name, &source, settings)
    }

    /// Imports by grant.
    fn needs(&self) -> Vec<Need> {
        self.contents.as_ref().map(|contents| needs(&contents.imports)).unwrap_or_default()
    }

    /// The versions of the plugin interface that its names have.
    fn versions(&self) -> BTreeSet<&str> {
        let contents = self.contents.iter();
        let names = contents.flat_map(|contents| contents.exports.iter().chain(&contents.imports));
        names.filter_map(|name| Some(name.strip_prefix("jobhost:plugin/")?.split_once('@')?.1)).collect()
    }

    pub(super) fn document(&self) -> Value {
        let imports: Vec<_> = self
            .needs()
            .into_iter()
            .map(|need| json!({ "grant": need.grant, "names": need.imports, "usual": need.usual, "known": need.known, "line": need.line }))
            .collect();
        let producers: Vec<_> = self
            .contents
            .iter()
            .flat_map(|contents| &contents.producers)
            .map(|one| json!({ "field": one.field, "name": one.name, "version": one.version }))
            .collect();
        json!({
            "path": self.path,
            "size": self.file.as_ref().map(|(size, _)| size),
            "digest": self.file.as_ref().map(|(_, digest)| digest),
            "signature": self.signed.as_ref().map(|signed| json!({
                "key_id": signed.key_id,
                "trusted_comment": signed.trusted_comment,
                "verified": signed.verified,
            })),
            "kind": self.exports.map(kind),
            "interface": { "host": VERSION, "plugin": self.versions() },
            "jobs": self.exports.map(jobs).unwrap_or_default(),
            "hooks": self.exports.map(hooks).unwrap_or_default(),
            "exports": self.contents.as_ref().map(|contents| &contents.exports),
            "imports": imports,
            "producers": producers,
            "loads": self.problems.is_empty(),
            "problems": self.problems,
            "warnings": self.warnings,
            "config": self.add,
        })
    }

    pub(super) fn text(&self, paint: Paint) -> String {
        let mut text = String::new();
        let mut line = |label: &str, value: &str| {
            if !value.is_empty() {
                let _ = writeln!(text, "{} {}", paint.label(&format!("{label}:")), harmless_line(value));
            }
        };
        line("file", &self.path.display().to_string());
        if let Some((size, digest)) = &self.file {
            line("size", &format!("{} ({size} bytes)", human_bytes(*size)));
            line("digest", digest);
        }
        if let Some(signed) = &self.signed {
            let verdict = if signed.verified { "verified" } else { "not verified, no signer was given" };
            line("signature", &format!("by {}, {verdict}: {}", signed.key_id, signed.trusted_comment));
        }
        line("kind", &self.exports.map(kind).unwrap_or_default());
        let versions: Vec<_> = self.versions().into_iter().collect();
        if !versions.is_empty() {
            let told = short(&versions);
            let host = if versions == [VERSION] { String::new() } else { format!(" (this host has {VERSION})") };
            line("interface", &format!("jobhost:plugin@{told}{host}"));
        }
        line("jobs", &self.exports.map(jobs).unwrap_or_default().join(", "));
        line("hooks", &self.exports.map(hooks).unwrap_or_default().join(", "));
        if let (Some(contents), None) = (&self.contents, self.exports) {
            line("exports", &short(&contents.exports));
        }
        for need in self.needs() {
            let label = match need.grant {
                Some(grant) if need.usual => format!("imports of `{grant}`, as most do"),
                Some(grant) => format!("imports of `{grant}`"),
                None if need.known => "imports that need no grant".to_owned(),
                None => "imports that this host does not have".to_owned(),
            };
            line(&label, &short(&need.imports));
        }
        let producers = self.contents.as_ref().map(|contents| contents.producers.as_slice()).unwrap_or_default();
        let made: Vec<_> = producers.iter().map(|one| format!("{} {}", one.name, one.version)).collect();
        line("made by", &made.iter().map(|one| one.trim()).collect::<Vec<_>>().join(", "));
        for warning in &self.warnings {
            line("warning", warning);
        }
        let verdict = if self.problems.is_empty() { paint.good("yes") } else { paint.bad("no") };
        let _ = writeln!(text, "{} {verdict}", paint.label("this host would load it:"));
        for problem in &self.problems {
            let _ = writeln!(text, "- {}", harmless_line(problem));
        }
        if !self.add.is_empty() {
            let _ = write!(text, "\n{}\n{}", paint.label("to add to jobhost.toml:"), self.add);
        }
        text
    }
}

fn kind(exports: Exports) -> String {
    match (exports.handler, exports.hook()) {
        (true, true) => "handler and hook",
        (true, false) => "handler",
        (false, true) => "hook",
        (false, false) => "neither handler nor hook",
    }
    .to_owned()
}

/// The interfaces that it exports around its own jobs.
fn jobs(exports: Exports) -> Vec<&'static str> {
    present(&[
        (exports.handler, "handler"),
        (exports.time_to_run, "time-to-run"),
        (exports.retry_policy, "retry-policy"),
    ])
}

fn hooks(exports: Exports) -> Vec<&'static str> {
    present(&[
        (exports.before_push, "before-push"),
        (exports.before_exec, "before-exec"),
        (exports.after_exec, "after-exec"),
        (exports.after_error, "after-error"),
    ])
}

fn present(all: &[(bool, &'static str)]) -> Vec<&'static str> {
    all.iter().filter_map(|(present, name)| present.then_some(*name)).collect()
}

/// Names with commas, at most so many that they can be read.
fn short(names: &[impl AsRef<str>]) -> String {
    let cut = |name: &str| match name.char_indices().nth(100) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    };
    let mut text = names.iter().take(SHOWN).map(|name| cut(name.as_ref())).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        let _ = write!(text, " and {} more", names.len() - SHOWN);
    }
    text
}
