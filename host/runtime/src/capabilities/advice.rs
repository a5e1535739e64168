//! The lines of configuration that allow what a plugin imports or was refused.

use serde_json::Value;

use super::Grants;

/// A kind of grant, and the imports that are of use only with it.
pub(crate) struct Kind {
    /// The grant's key.
    pub(crate) grant: &'static str,
    /// How the names of the imports begin.
    pub(crate) prefixes: &'static [&'static str],
    /// The line that grants it, with names in capitals to fill in; none where nothing can be granted.
    pub(crate) line: Option<&'static str>,
    /// Whether nearly every toolchain imports it unasked.
    pub(crate) usual: bool,
    /// Whether a plugin that imports it is loaded only with the grant.
    pub(crate) required: bool,
    /// Whether anything of the kind is granted.
    pub(crate) given: fn(&Grants) -> bool,
}

/// In the order in which they are told.
pub(crate) static KINDS: [Kind; 8] = [
    Kind {
        grant: "queues",
        prefixes: &["jobhost:plugin/queue@"],
        line: Some("queues = [\"QUEUE\"]"),
        usual: false,
        required: false,
        given: |grants| !grants.queues.is_empty(),
    },
    Kind {
        grant: "fs",
        prefixes: &["wasi:filesystem/"],
        line: Some("fs = [{ host = \"FOLDER\", guest = \"/FOLDER\", mode = \"ro\" }]"),
        usual: true,
        required: false,
        given: |grants| !grants.fs.is_empty(),
    },
    Kind {
        grant: "env",
        prefixes: &["wasi:cli/environment@"],
        line: Some("env = { VARIABLE = \"value\" }"),
        usual: true,
        required: false,
        given: |grants| !grants.env.is_empty(),
    },
    Kind {
        grant: "config",
        prefixes: &["wasi:config/"],
        line: Some("config = { KEY = \"value\" }"),
        usual: false,
        required: true,
        given: |grants| grants.config.is_some(),
    },
    Kind {
        grant: "secrets",
        prefixes: &["jobhost:plugin/secrets@"],
        line: Some("secrets = { NAME = { env = \"VARIABLE\" } }"),
        usual: false,
        required: true,
        given: |grants| !grants.secrets.is_empty(),
    },
    Kind {
        grant: "keyvalue",
        prefixes: &["wasi:keyvalue/"],
        line: Some("keyvalue = [{ bucket = \"BUCKET\", mode = \"rw\" }]"),
        usual: false,
        required: true,
        given: |grants| !grants.keyvalue.is_empty(),
    },
    Kind {
        grant: "http",
        prefixes: &["jobhost:plugin/http@", "wasi:http/"],
        line: Some("http = [\"https://HOST/PATH/\"]"),
        usual: false,
        required: true,
        given: |grants| !grants.http.is_empty(),
    },
    // Nothing can be granted of these, which refuse.
    Kind { grant: "sockets", prefixes: &["wasi:sockets/"], line: None, usual: true, required: false, given: |_| false },
];

/// The kind of grant that an import is of use with.
pub(crate) fn kind(import: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.prefixes.iter().any(|prefix| import.starts_with(prefix)))
}

/// What to do to grant `line` to a plugin.
pub(crate) fn add(plugin: &str, line: &str) -> String {
    format!("to allow it, add `{line}` under `[plugins.{}.grants]`", key(plugin))
}

/// What to do to grant one more of a kind of which a plugin has some.
pub(crate) fn add_to(plugin: &str, grant: &str, entry: &str) -> String {
    format!("to allow it, add `{entry}` to `{grant}` under `[plugins.{}.grants]`", key(plugin))
}

/// A key of TOML, quoted where it has to be.
pub(crate) fn key(name: &str) -> String {
    let bare = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_');
    if !name.is_empty() && name.chars().all(bare) { name.to_owned() } else { quoted(name) }
}

/// A string of TOML. JSON's escapes are a subset of TOML's.
pub(crate) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}
