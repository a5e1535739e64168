//! A plugin's file, read once: what is checked is what is compiled, whatever becomes of the file meanwhile. Or a component
//! that is part of the host.

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use sha2::{Digest, Sha256};

use crate::inspect::{self, Contents};
use crate::limits::bytes;
use crate::load_error::{LoadError, Problem};

/// The bytes of a plugin's file as they were when it was read.
#[derive(Clone)]
pub struct Source {
    path: PathBuf,
    bytes: Vec<u8>,
    digest: String,
}

impl Source {
    /// Reads the file at `path`, whatever is in it, if it has at most `limit` bytes.
    pub fn read(path: &Path, limit: u64) -> Result<Self, LoadError> {
        let bytes = read_file(path, limit).map_err(|problem| LoadError::of_file(path, problem))?;
        let digest = digest(&bytes);
        Ok(Self { path: path.to_owned(), bytes, digest })
    }

    /// A component that is no file. It is called `name` where the path of a file would be told.
    pub fn of(name: &str, bytes: Vec<u8>) -> Self {
        let digest = digest(&bytes);
        Self { path: PathBuf::from(name), bytes, digest }
    }

    /// Where it was read.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        bytes(self.bytes.len())
    }

    /// `sha256:` and 64 hexadecimal digits.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// What it says of itself, if it is a component. Nothing is compiled, and its code is not validated.
    pub fn contents(&self) -> Result<Contents, LoadError> {
        inspect::contents(&self.bytes).map_err(|problem| LoadError::of_file(&self.path, problem))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// The content of an ordinary file of at most `limit` bytes.
pub(crate) fn read_file(path: &Path, limit: u64) -> Result<Vec<u8>, Problem> {
    let trouble = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => Problem::Missing,
        // A socket, or a device without a driver.
        _ if error.raw_os_error() == Some(Errno::ENXIO as i32) => Problem::NotAFile,
        _ => Problem::Unreadable(error),
    };
    // Opening a pipe would otherwise wait for its other end.
    let flags = (OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC).bits();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(trouble)?;
    // Asked of what is open: at the path another may lie by now.
    let metadata = file.metadata().map_err(trouble)?;
    if !metadata.is_file() {
        return Err(Problem::NotAFile);
    }
    let too_large = |size| Problem::TooLarge { size, limit };
    if metadata.len() > limit {
        return Err(too_large(metadata.len()));
    }
    let mut content = Vec::new();
    // It may grow while it is read.
    file.take(limit.saturating_add(1)).read_to_end(&mut content).map_err(trouble)?;
    if bytes(content.len()) > limit {
        return Err(too_large(bytes(content.len())));
    }
    Ok(content)
}

fn digest(bytes: &[u8]) -> String {
    let hexadecimal = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>();
    format!("sha256:{}", hexadecimal.concat())
}
