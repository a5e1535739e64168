//! Looks at a component's file without compiling it: is it a component, which of our interfaces does it export. Types
//! are not checked here.

use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};
use wasmparser::{Parser, Payload};

use crate::exports::{self, Exports, Unrecognised};
use crate::limits::bytes;
use crate::load_error::{LoadError, Problem};
use crate::output::shown;

/// Exports that are looked at. Plugins have a few; each is compared with all of our names.
const EXPORTS: usize = 1_000;

/// Characters of a name that a message shows.
const NAME: usize = 200;

/// What a component's file says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// Which of our interfaces it exports.
    pub exports: Exports,
    /// `sha256:` and 64 hexadecimal digits, of the file's bytes.
    pub digest: String,
    /// The file's size in bytes.
    pub size: u64,
}

/// Looks at the component at `path`. It takes milliseconds, needs no engine and checks neither types nor imports. Files of
/// more than `limit` bytes are refused, see [`Limits::component_bytes`](crate::Limits::component_bytes).
pub fn inspect(path: &Path, limit: u64) -> Result<Inspection, LoadError> {
    read(path, limit).map(|(inspection, _)| inspection).map_err(|problem| LoadError {
        plugin: None,
        path: path.to_owned(),
        problem: Box::new(problem),
    })
}

/// As [`inspect`], with the file's bytes for those who go on to compile them.
pub(crate) fn read(path: &Path, limit: u64) -> Result<(Inspection, Vec<u8>), Problem> {
    let bytes = read_file(path, limit)?;
    header(&bytes)?;
    let names = export_names(&bytes)?;
    let exports = exports::recognise(&names).map_err(refuse)?;
    let inspection = Inspection { exports, digest: digest(&bytes), size: crate::limits::bytes(bytes.len()) };
    Ok((inspection, bytes))
}

fn read_file(path: &Path, limit: u64) -> Result<Vec<u8>, Problem> {
    let trouble = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => Problem::Missing,
        _ => Problem::Unreadable(error),
    };
    // Asked before it is opened: opening a pipe would wait for its other end.
    let metadata = std::fs::metadata(path).map_err(trouble)?;
    if !metadata.is_file() {
        return Err(Problem::NotAFile);
    }
    let too_large = |size| Problem::TooLarge { size, limit };
    if metadata.len() > limit {
        return Err(too_large(metadata.len()));
    }
    let mut content = Vec::new();
    let file = std::fs::File::open(path).map_err(trouble)?;
    // It may grow while it is read.
    file.take(limit.saturating_add(1)).read_to_end(&mut content).map_err(trouble)?;
    if bytes(content.len()) > limit {
        return Err(too_large(bytes(content.len())));
    }
    Ok(content)
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
        (_, Some(_)) => "a text file; name the component's .wasm file".to_owned(),
        (_, None) => "a file of unknown format; name the component's .wasm file".to_owned(),
    }
}

/// The names of the outermost component's exports. Nothing has validated them yet.
fn export_names(bytes: &[u8]) -> Result<Vec<String>, Problem> {
    let mut names = Vec::new();
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(invalid)? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    if names.len() == EXPORTS {
                        return Err(Problem::TooManyExports { most: EXPORTS });
                    }
                    names.push(export.map_err(invalid)?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    Ok(names)
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

fn digest(bytes: &[u8]) -> String {
    let hexadecimal = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>();
    format!("sha256:{}", hexadecimal.concat())
}
