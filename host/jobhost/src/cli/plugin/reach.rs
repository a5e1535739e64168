//! What a plugin may reach beyond itself, for the author of one whose job failed. A language's library that is given no folder
//! finds no file without asking the host, so that there was no refusal whose line could be told.

use std::path::Path;

use jobhost_runtime::{FsGrant, FsMode, Plugin, needs};

use super::inspect::key;
use crate::project::Language;

/// Whether the plugin can have tried to reach anything: what it imports may be of use with folders, or with requests.
pub(super) fn tries(plugin: &Plugin) -> bool {
    let ways = ["wasi:filesystem/", "wasi:sockets/", "wasi:http/", "jobhost:plugin/http"];
    plugin.imports().iter().any(|import| ways.iter().any(|way| import.starts_with(way)))
}

/// The folders and requests that are granted, and the lines that grant some. `config` is the file to write them to.
pub(super) fn told(plugin: &Plugin, language: &Language, config: &Path) -> String {
    let granted = plugin.grants();
    let table = format!("under `[plugins.{}.grants]` in {}", key(plugin.name()), config.display());
    let folders: Vec<_> = granted.fs.iter().map(folder).collect();
    let files = language.files.map(|module| format!("; it reads and writes files by `{module}`")).unwrap_or_default();
    let folders = match folders.as_slice() {
        [] => format!("none; to give it one, add `{}` {table}", line("wasi:filesystem/types")),
        some => format!("{}, and what is below", some.join(", ")),
    };
    let requests = if granted.http.is_empty() {
        format!("none; to let it send some, add `{}` {table}", line("wasi:http/types"))
    } else {
        "as granted by `http`".to_owned()
    };
    let imported = if language.prunes { "" } else { " and has `import jobhost:plugin/http@0.1.0;` in wit/world.wit" };
    let by = format!("it sends them by `{}`{imported}", language.requests);
    format!(
        "what `{}` may reach, should a job have failed for want of it:\n  folders: {folders}{files}\n  requests: {requests}; {by}, as sockets are refused to every plugin\n",
        plugin.name()
    )
}

/// A folder, and whether a plugin that cannot write may ask for more.
fn folder(grant: &FsGrant) -> String {
    match grant.mode {
        FsMode::ReadOnly => format!("`{}` (only to read, as its grant has no `mode = \"rw\"`)", grant.guest),
        FsMode::ReadWrite => format!("`{}`", grant.guest),
    }
}

/// The line that grants what this import is of use with.
fn line(import: &str) -> &'static str {
    needs(&[import.to_owned()]).iter().find_map(|need| need.line).unwrap_or_default()
}
