//! Whether a plugin's file is the one that the operator meant: its pinned digest, and who signed it. It reads the
//! signature file beside the plugin and nothing else.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use minisign_verify::{Error, PublicKey, Signature};

use crate::load_error::{LoadError, Problem};
use crate::output::shown;
use crate::source::{self, Source};

/// Bytes of a signature file. One has four lines; the comments may be long.
const SIGNATURE: u64 = 16 << 10;

/// Characters of a comment that are kept.
const COMMENT: usize = 1_000;

/// What is asked of a plugin's file before anything in it is compiled. The default asks for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pin {
    /// The only digest that is accepted: `sha256:` and 64 lowercase hexadecimal digits.
    pub digest: Option<String>,
    /// Who must have signed it, in a minisign file beside it: `X.wasm.minisig` for `X.wasm`.
    pub signer: Option<Signer>,
}

/// A minisign public key.
#[derive(Clone, PartialEq, Eq)]
pub struct Signer {
    key: PublicKey,
    text: String,
}

impl Signer {
    /// Reads a key as the second line of `minisign.pub` has it: `RWQ` and more base64. The error says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let key = PublicKey::from_base64(text).map_err(|_| {
            format!("{:?} is not a minisign public key; give the second line of minisign.pub, RWQ…", shown(text, 100))
        })?;
        Ok(Self { key, text: text.to_owned() })
    }

    /// The key's id as minisign prints it: 16 hexadecimal digits.
    pub fn key_id(&self) -> String {
        key_id(&self.text)
    }
}

impl fmt::Display for Signer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Signer").field(&self.text).finish()
    }
}

/// What stands in a signature file beside a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The id of the key that it was made with, so it says: 16 hexadecimal digits.
    pub key_id: String,
    /// What the signer wrote into it, such as a name and a version; covered by the signature, so to be trusted only if
    /// that was verified.
    pub trusted_comment: String,
    /// Whether it is the signature of that file by the signer who was asked for.
    pub verified: bool,
}

impl Source {
    /// The signature file beside the plugin, if there is one that can be read. With a signer it must be there, be theirs
    /// and fit.
    pub fn signed(&self, signer: Option<&Signer>) -> Result<Option<Signed>, LoadError> {
        match signer {
            Some(signer) => verify(self, signer).map(Some),
            None => Ok(read(self).ok().map(|(signature, key_id)| signed(&signature, key_id, false))),
        }
        .map_err(|problem| LoadError::of_file(self.path(), problem))
    }
}

/// Refuses a file that is not the one that was meant.
pub(crate) fn check(source: &Source, pin: &Pin) -> Result<(), Problem> {
    if let Some(expected) = &pin.digest
        && expected != source.digest()
    {
        return Err(Problem::Digest { expected: expected.clone(), found: source.digest().to_owned() });
    }
    if let Some(signer) = &pin.signer {
        verify(source, signer)?;
    }
    Ok(())
}

fn verify(source: &Source, signer: &Signer) -> Result<Signed, Problem> {
    let (signature, found) = read(source)?;
    let refused = |why: String| Problem::Signature { file: signature_path(source.path()), why };
    signer.key.verify(source.bytes(), &signature, true).map_err(|error| {
        refused(match error {
            Error::UnexpectedKeyId => {
                format!("made with the key {found}, expected is the signer {}", signer.key_id())
            }
            _ => format!(
                "it claims to be by {found} but does not fit the file, whose digest is {}; sign the file again, or copy both again",
                source.digest()
            ),
        })
    })?;
    Ok(signed(&signature, found, true))
}

/// The signature and the id of its key.
fn read(source: &Source) -> Result<(Signature, String), Problem> {
    let file = signature_path(source.path());
    let refused = |why: String| Problem::Signature { file: file.clone(), why };
    let bytes = source::read_file(&file, SIGNATURE).map_err(|problem| match problem {
        Problem::Missing => refused("no such file; sign the plugin with `minisign -Sm FILE`".to_owned()),
        other => refused(other.to_string()),
    })?;
    let broken = || refused("not a minisign signature of four lines; sign the plugin again".to_owned());
    let text = String::from_utf8(bytes).map_err(|_| broken())?;
    let signature = Signature::decode(&text).map_err(|_| broken())?;
    let key_id = key_id(text.lines().nth(1).unwrap_or_default());
    Ok((signature, key_id))
}

fn signed(signature: &Signature, key_id: String, verified: bool) -> Signed {
    Signed { key_id, trusted_comment: shown(signature.trusted_comment(), COMMENT), verified }
}

/// Where the signature of the plugin at `path` is looked for: `X.wasm.minisig` for `X.wasm`.
pub fn signature_path(path: &Path) -> PathBuf {
    let mut path = OsString::from(path);
    path.push(".minisig");
    path.into()
}

/// The id in the base64 of a key or a signature that was decoded before: two bytes of the algorithm, then eight of the
/// id, the lowest first.
fn key_id(base64: &str) -> String {
    let mut bits = 0_u128;
    // Fourteen digits hold the first ten bytes, and four bits more.
    for digit in base64.bytes().take(14) {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            _ => 63,
        };
        bits = bits << 6 | u128::from(value);
    }
    let id = u64::try_from(bits >> 4 & u128::from(u64::MAX)).unwrap_or_default();
    format!("{:016X}", id.swap_bytes())
}
