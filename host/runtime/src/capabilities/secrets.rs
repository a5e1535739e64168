//! Secrets: read when a plugin is loaded, told to it by name, and kept out of everything that others see. Where a guest
//! itself says one in what it logs, prints or answers, its name is put in its place; that is a guard against mishaps and
//! not against a guest that means to give it away.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use zeroize::{Zeroize, Zeroizing};

use super::{VALUE, advice, env, few, named, refused, short};
use crate::bindings::secrets;
use crate::host::State;
use crate::limits::bytes;
use crate::load_error::Problem;
use crate::output::{printable, shown};

/// Shorter ones are not looked for in what a guest says: they would be found everywhere.
const HIDDEN: usize = 4;

/// One secret of a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretGrant {
    /// What the plugin asks for, 1 to 200 bytes.
    pub name: String,
    /// Where its value is.
    pub source: SecretSource,
}

/// Where the value of a secret is: text of 1 byte to 64 KiB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// In the host's environment variable of this name.
    Env(String),
    /// In this file, all of it except a line end at its end.
    File(PathBuf),
}

impl SecretSource {
    /// Whether there is a value that can be read; the error says what is wrong and what to do.
    pub fn check(&self) -> Result<(), String> {
        self.read().map(|_| ())
    }

    fn read(&self) -> Result<Zeroizing<String>, String> {
        let value = match self {
            Self::Env(name) => Zeroizing::new(env::of_host(name)?),
            Self::File(path) => of_file(path)?,
        };
        if value.is_empty() {
            return Err("its value is empty; put the secret there".to_owned());
        }
        short(&value)?;
        Ok(value)
    }
}

fn of_file(path: &Path) -> Result<Zeroizing<String>, String> {
    let trouble = |error: std::io::Error| {
        format!("file {}: {error}; create it, make it readable for this user, or correct the path", path.display())
    };
    // Asked before it is opened: opening a pipe would wait for its other end.
    if !std::fs::metadata(path).map_err(trouble)?.is_file() {
        return Err(format!("{} is not a file", path.display()));
    }
    let mut content = Zeroizing::new(Vec::with_capacity(VALUE + 3));
    // A line end more than a value may have, and a byte to see that it is too long.
    File::open(path).map_err(trouble)?.take(bytes(VALUE + 3)).read_to_end(&mut content).map_err(trouble)?;
    let text = std::str::from_utf8(&content).map_err(|_| format!("file {} is not UTF-8 text", path.display()))?;
    let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
    Ok(Zeroizing::new(text.to_owned()))
}

/// The values of a plugin's secrets. They are overwritten when the last of its calls is gone.
#[derive(Default)]
pub(crate) struct Secrets {
    values: BTreeMap<String, Zeroizing<String>>,
    /// What must not be shown, longest first, and what is shown instead.
    hidden: Vec<(Zeroizing<String>, String)>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.values.keys()).finish()
    }
}

impl Secrets {
    pub(super) fn read(grants: &[SecretGrant]) -> Result<Self, Problem> {
        few("secrets", grants.len())?;
        let mut values = BTreeMap::new();
        for grant in grants {
            let value = named(&grant.name).and_then(|()| grant.source.read());
            values.insert(grant.name.clone(), value.map_err(|why| refused("secrets", &grant.name, why))?);
        }
        Ok(Self::of(values))
    }

    fn of(values: BTreeMap<String, Zeroizing<String>>) -> Self {
        let mut hidden = Vec::new();
        for (name, value) in &values {
            hidden.extend(spellings(value).map(|spelling| (spelling, format!("[secret {name}]"))));
        }
        hidden.retain(|(value, _)| value.len() >= HIDDEN);
        hidden.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
        hidden.dedup();
        Self { values, hidden }
    }

    /// Whether there is nothing to hide.
    pub(crate) fn is_empty(&self) -> bool {
        self.hidden.is_empty()
    }

    /// Puts names in the place of values.
    pub(crate) fn hide(&self, text: &mut String) {
        for (value, name) in &self.hidden {
            if text.contains(value.as_str()) {
                let clean = text.replace(value.as_str(), name);
                text.zeroize();
                *text = clean;
            }
        }
    }

    /// A text for a message: without values, on one line, and at most so many characters.
    pub(crate) fn shown(&self, text: &str, most: usize) -> String {
        if self.is_empty() {
            return shown(text, most);
        }
        // Before it is cut, which might leave half of one.
        let mut text = text.to_owned();
        self.hide(&mut text);
        shown(&text, most)
    }

    /// As [`Self::hide`], in a text whose beginning was cut off, perhaps within a value.
    pub(crate) fn hide_after_cut(&self, text: &mut String) {
        self.hide(text);
        for (value, name) in &self.hidden {
            let rests = (1..value.len()).filter_map(|start| value.get(start..)).take_while(|rest| rest.len() >= HIDDEN);
            if let Some(rest) = rests.into_iter().find(|rest| text.starts_with(rest)) {
                text.replace_range(..rest.len(), name);
                return;
            }
        }
    }
}

/// A value as it is, and as texts have it that are not written by hand: without control characters, as JSON has it, with
/// its slashes escaped, too, as PHP does, as Rust prints it, and in a URL.
fn spellings(value: &str) -> impl Iterator<Item = Zeroizing<String>> {
    let inner = |quoted: &Zeroizing<String>| Zeroizing::new(quoted[1..quoted.len() - 1].to_owned());
    let json = Zeroizing::new(serde_json::Value::from(value).to_string());
    let php = Zeroizing::new(json.replace('/', "\\/"));
    let debug = Zeroizing::new(format!("{value:?}"));
    let mut escaped = Zeroizing::new(String::with_capacity(value.len() * 3));
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(*escaped, "%{byte:02X}");
        }
    }
    let plain = Zeroizing::new(value.to_owned());
    [plain, Zeroizing::new(printable(value)), inner(&json), inner(&php), inner(&debug), escaped].into_iter()
}

impl secrets::Host for State {
    async fn get(&mut self, name: String) -> wasmtime::Result<Result<String, secrets::SecretError>> {
        if let Some(value) = self.granted().secrets.values.get(&name) {
            return Ok(Ok(value.as_str().to_owned()));
        }
        let name = self.quoted(&name);
        let plugin = self.plugin();
        let entry = format!("{} = {{ env = \"VARIABLE\" }}", advice::key(&name));
        let remedy = advice::add_to(plugin, "secrets", &entry);
        let advice = format!("plugin `{plugin}` may not read the secret `{name}`; {remedy}");
        self.advise(advice);
        Ok(Err(secrets::SecretError::Denied(format!("the secret `{name}` is not granted"))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(values: &[(&str, &str)]) -> Secrets {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), Zeroizing::new((*value).to_owned()));
        Secrets::of(values.iter().map(owned).collect())
    }

    fn hidden(secrets: &Secrets, text: &str) -> String {
        let mut text = text.to_owned();
        secrets.hide(&mut text);
        text
    }

    #[test]
    fn names_take_the_place_of_values() {
        let secrets = secrets(&[("A", "open sesame"), ("B", "open sesame twice"), ("C", "abc"), ("D", "two\r\nlines")]);
        assert_eq!(hidden(&secrets, "say open sesame"), "say [secret A]");
        assert_eq!(hidden(&secrets, "open sesame twice, open sesame"), "[secret B], [secret A]");
        assert_eq!(hidden(&secrets, "abc is too short to be looked for"), "abc is too short to be looked for");
        assert_eq!(hidden(&secrets, "x two\r\nlines"), "x [secret D]");
        assert_eq!(hidden(&secrets, &printable("x two\r\nlines")), "x [secret D]");
        assert_eq!(format!("{secrets:?}"), r#"{"A", "B", "C", "D"}"#);
    }

    #[test]
    fn a_value_is_hidden_however_a_program_wrote_it() {
        let value = "-----KEY-----\nMII/+\"\\x\u{1}\n-----";
        let secrets = secrets(&[("PEM", value)]);
        let json = serde_json::json!({"error": format!("no {value}")}).to_string();
        assert_eq!(hidden(&secrets, &json), r#"{"error":"no [secret PEM]"}"#);
        let php = json.replace('/', "\\/");
        assert_eq!(hidden(&secrets, &php), r#"{"error":"no [secret PEM]"}"#);
        assert_eq!(hidden(&secrets, &format!("{value:?}")), "\"[secret PEM]\"");
        let url = "/v1/-----KEY-----%0AMII%2F%2B%22%5Cx%01%0A-----?a";
        assert_eq!(hidden(&secrets, url), "/v1/[secret PEM]?a");
    }

    #[test]
    fn what_is_shown_is_hidden_before_it_is_cut() {
        let secrets = secrets(&[("A", "open sesame")]);
        assert_eq!(secrets.shown("say open sesame", 10), "say [secre…");
        assert_eq!(Secrets::default().shown("say open", 5), "say o…");
    }

    #[test]
    fn a_value_that_was_cut_is_hidden_too() {
        let secrets = secrets(&[("A", "open sesame")]);
        let mut text = "same and so on".to_owned();
        secrets.hide_after_cut(&mut text);
        assert_eq!(text, "[secret A] and so on");
    }

    #[test]
    fn a_file_is_taken_without_its_last_line_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let read = |content: &[u8]| {
            std::fs::write(&path, content).unwrap();
            SecretSource::File(path.clone()).read().map(|value| value.to_string())
        };
        assert_eq!(read(b"a b \n"), Ok("a b ".to_owned()));
        assert_eq!(read(b"a\r\n"), Ok("a".to_owned()));
        assert_eq!(read(b"a\n\n"), Ok("a\n".to_owned()));
        assert!(read(b"\n").unwrap_err().contains("is empty"));
        assert!(read(b"\xff").unwrap_err().contains("not UTF-8"));
        assert_eq!(read(&vec![b'a'; VALUE]).unwrap().len(), VALUE);
        assert!(read(&vec![b'a'; VALUE + 1]).unwrap_err().contains("at most 65536"));
        assert!(SecretSource::File(folder.path().to_owned()).check().unwrap_err().contains("is not a file"));
        assert!(SecretSource::File(folder.path().join("no")).check().unwrap_err().contains("create it"));
    }
}
