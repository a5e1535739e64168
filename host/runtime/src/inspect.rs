//! Looks at a component's file without compiling it: is it a component, what does it export and import, what made it.
//! Types are not checked here.

use std::path::Path;

use wasmparser::{KnownCustom, Parser, Payload};

use crate::exports::{self, Exports, Unrecognised};
use crate::load_error::{LoadError, Problem};
use crate::output::shown;
use crate::source::Source;

/// Exports, and imports, that are looked at. Plugins have a few; each is compared with all of our names.
const NAMES: usize = 1_000;

/// Producers that are kept. Toolchains write a handful.
const PRODUCERS: usize = 50;

/// Characters of a name that a message shows.
const NAME: usize = 200;

/// What a plugin's file says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// Which of our interfaces it exports.
    pub exports: Exports,
    /// `sha256:` and 64 hexadecimal digits, of the file's bytes.
    pub digest: String,
    /// The file's size in bytes.
    pub size: u64,
}

/// What is in a component, plugin or not. Nothing has validated the names: they may hold anything, at any length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// Names of what the outermost component exports, at most 1,000.
    pub exports: Vec<String>,
    /// Names of what it imports, at most 1,000.
    pub imports: Vec<String>,
    /// The languages and tools that made it, at most 50, each once.
    pub producers: Vec<Producer>,
}

/// A line of a component's producers section, or of those of the modules in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Producer {
    /// `language`, `sdk` or `processed-by`.
    pub field: String,
    /// Such as `Rust`.
    pub name: String,
    /// May be empty.
    pub version: String,
}

impl Contents {
    /// Which of our interfaces are exported, or why the component is no plugin for this host.
    pub fn recognised(&self) -> Result<Exports, Problem> {
        exports::recognise(&self.exports).map_err(refuse)
    }
}

/// Looks at the component at `path`. It takes milliseconds, needs no engine and checks neither types nor imports. Files of
/// more than `limit` bytes are refused, see [`Limits::component_bytes`](crate::Limits::component_bytes).
pub fn inspect(path: &Path, limit: u64) -> Result<Inspection, LoadError> {
    let source = Source::read(path, limit)?;
    let exports = exports_of(source.bytes()).map_err(|problem| LoadError::of_file(path, problem))?;
    Ok(Inspection { exports, digest: source.digest().to_owned(), size: source.size() })
}

/// Which of our interfaces a plugin exports.
pub(crate) fn exports_of(bytes: &[u8]) -> Result<Exports, Problem> {
    contents(bytes)?.recognised()
}

/// What is in a component.
pub(crate) fn contents(bytes: &[u8]) -> Result<Contents, Problem> {
    header(bytes)?;
    let mut contents = Contents { exports: Vec::new(), imports: Vec::new(), producers: Vec::new() };
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(invalid)? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    let name = export.map_err(invalid)?.name.name;
                    add(&mut contents.exports, name, "exports")?;
                }
            }
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    let name = import.map_err(invalid)?.name.name;
                    add(&mut contents.imports, name, "imports")?;
                }
            }
            Payload::CustomSection(section) => {
                if let KnownCustom::Producers(section) = section.as_known() {
                    add_producers(&mut contents.producers, section);
                }
            }
            _ => {}
        }
    }
    Ok(contents)
}

fn add(names: &mut Vec<String>, name: &str, what: &'static str) -> Result<(), Problem> {
    if names.len() == NAMES {
        return Err(Problem::TooManyNames { what, most: NAMES });
    }
    names.push(name.to_owned());
    Ok(())
}

/// What can be read of it: a broken section of this kind means nothing to the component.
fn add_producers(producers: &mut Vec<Producer>, section: wasmparser::ProducersSectionReader<'_>) {
    for field in section.into_iter().map_while(Result::ok) {
        for value in field.values.into_iter().map_while(Result::ok) {
            let producer = Producer {
                field: field.name.to_owned(),
                name: shown(value.name, NAME),
                version: shown(value.version, NAME),
            };
            if producers.len() < PRODUCERS && !producers.contains(&producer) {
                producers.push(producer);
            }
        }
    }
}

/// Whether this is a component, by its first bytes.
fn header(bytes: &[u8]) -> Result<(), Problem> {
    if wasmtime::Engine::detect_precompiled(bytes).is_some() {
        Err(Problem::Precompiled)
    } else if Parser::is_component(bytes) {
        Ok(())
    } else if Parser::is_core_wasm(bytes) {
        Err(Problem::CoreModule)
    } else {
        Err(Problem::NotWasm { looks_like: looks_like(bytes) })
    }
}

fn looks_like(bytes: &[u8]) -> String {
    let text = bytes.get(..bytes.len().min(512)).and_then(|head| {
        let end = match std::str::from_utf8(head) {
            Ok(_) => head.len(),
            // The cut may have gone through a character.
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Err(_) => return None,
        };
        std::str::from_utf8(&head[..end]).ok()
    });
    match (bytes, text) {
        ([], _) => "an empty file; was its build interrupted?".to_owned(),
        ([0, b'a', b's', b'm', ..], _) => {
            "WebAssembly of a version that is not known; build it with current tools".to_owned()
        }
        ([0x7f, b'E', b'L', b'F', ..], _) => {
            "a native program or library (ELF); build for the target wasm32-wasip2".to_owned()
        }
        ([0x1f, 0x8b, ..] | [0x28, 0xb5, 0x2f, 0xfd, ..], _) => "a compressed file; unpack it".to_owned(),
        ([b'P', b'K', 3, 4, ..], _) => "a zip archive; unpack it".to_owned(),
        (_, Some(text)) if text.trim_start().starts_with(['(', ';']) => {
            "WebAssembly in its text form; turn it into the binary form with `wasm-tools parse`".to_owned()
        }
        (_, Some(text)) if text.contains('\0') => {
            "a file of unknown format; name the component's .wasm file, and copy it again if this is it".to_owned()
        }
        (_, Some(_)) => "a text file; name the component's .wasm file".to_owned(),
        (_, None) => "a file of unknown format; name the component's .wasm file".to_owned(),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is used as a function of map_err")]
fn invalid(error: wasmparser::BinaryReaderError) -> Problem {
    Problem::Invalid(error.to_string())
}

fn refuse(refusal: Unrecognised) -> Problem {
    match refusal {
        Unrecognised::Nearly { found, why } => Problem::NearlyOurs { export: shown(&found, NAME), why },
        Unrecognised::Nothing { found } => Problem::NoExports {
            wanted: listed(exports::INTERFACES.map(exports::full).iter()),
            found: if found.is_empty() { "nothing".to_owned() } else { listed(found.iter()) },
        },
    }
}

/// Names in backticks, with commas; at most so many that a message stays readable.
pub(crate) fn listed<'a>(names: impl ExactSizeIterator<Item = &'a String>) -> String {
    const MOST: usize = 12;
    let rest = match names.len().saturating_sub(MOST) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let names: Vec<String> = names.take(MOST).map(|name| format!("`{}`", shown(name, NAME))).collect();
    names.join(", ") + &rest
}
