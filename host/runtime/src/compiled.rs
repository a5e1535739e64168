//! Native code made from a component: how it is kept in a file, and the one place where it is taken for code. Anybody who
//! could choose these bytes could run anything as this process, so they come from the compiler, or from an entry of the
//! cache that was checked first.

use std::borrow::Cow;
use std::hash::{Hash, Hasher};

use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::load_error::Problem;

/// Begins every entry; the number changes with the layout.
const MAGIC: &[u8] = b"jobhost compiled component 1\n";

const CHECKSUM: usize = 32;

/// The code of one component for one kind of engine.
pub(crate) struct Compiled {
    bytes: Vec<u8>,
    /// What stands before the code.
    header: usize,
}

impl Compiled {
    /// Compiles in this process, for as long and with as much memory as it takes.
    pub(crate) fn here(engine: &Engine, wasm: &[u8]) -> Result<Self, Problem> {
        let compiled = engine.precompile_component(wasm).map_err(|error| {
            // The engine has one error for what is invalid and what it cannot run; the validator tells them apart.
            match wasmparser::Validator::new().validate_all(wasm) {
                Err(invalid) => Problem::Invalid(invalid.to_string()),
                Ok(_) => unsupported(&format!("{error:#}")),
            }
        })?;
        Ok(Self::of_compiler(compiled))
    }

    /// The code alone.
    pub(crate) fn into_code(mut self) -> Vec<u8> {
        self.bytes.split_off(self.header)
    }

    /// What a compiler that this process started has answered.
    pub(crate) fn of_compiler(bytes: Vec<u8>) -> Self {
        Self { bytes, header: 0 }
    }

    /// What an entry of the cache holds; none if it is not whole, or that of another key.
    pub(crate) fn of_entry(bytes: Vec<u8>, key: &str) -> Option<Self> {
        let rest = bytes.strip_prefix(MAGIC)?;
        let (sum, code) = rest.split_at_checked(CHECKSUM)?;
        (sum == checksum(key, code)).then_some(())?;
        Some(Self { bytes, header: MAGIC.len() + CHECKSUM })
    }

    /// The entry to keep under this key.
    pub(crate) fn entry(&self, key: &str) -> [Cow<'_, [u8]>; 2] {
        [[MAGIC, &checksum(key, self.code())].concat().into(), self.code().into()]
    }

    /// The component, ready to be instantiated. An error means that the engine is not the one it was compiled for, or
    /// that its pool cannot hold it.
    #[expect(unsafe_code, reason = "native code is nothing but bytes until somebody vouches for it")]
    pub(crate) fn component(&self, engine: &Engine) -> wasmtime::Result<Component> {
        // SAFETY: the bytes are what a compiler of this very program has made: it ran in this process, or in a child of
        // it, or they lay in a folder that nobody else can write to, in a file of our own whose checksum covers them.
        // They are in our memory, where nobody changes them between that check and this line.
        unsafe { Component::deserialize(engine, self.code()) }
    }

    fn code(&self) -> &[u8] {
        &self.bytes[self.header..]
    }
}

/// A component that is valid and cannot be run.
pub(crate) fn unsupported(why: &str) -> Problem {
    Problem::Limit(format!("needs what this host does not support: {why}; build it without that"))
}

/// The name under which a component's code is kept: it differs where the component, this program's version, the compiler
/// or any of its settings does.
pub(crate) fn key(engine: &Engine, digest: &str) -> String {
    let mut settings = Settings(Sha256::new());
    env!("CARGO_PKG_VERSION").hash(&mut settings);
    engine.precompile_compatibility_hash().hash(&mut settings);
    let settings: Vec<_> = settings.0.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let settings = settings.concat();
    format!("{}-{settings}", digest.trim_start_matches("sha256:"))
}

fn checksum(key: &str, code: &[u8]) -> [u8; CHECKSUM] {
    Sha256::new().chain_update(key).chain_update([0]).chain_update(code).finalize().into()
}

/// Hashes for the key: unlike the standard hashers it is the same in every build.
struct Settings(Sha256);

impl Hasher for Settings {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_that_is_not_whole_or_of_another_key_is_not_taken_for_code() {
        let compiled = Compiled::of_compiler(b"code".to_vec());
        let entry = compiled.entry("key").concat();
        assert_eq!(Compiled::of_entry(entry.clone(), "key").unwrap().code(), b"code");
        assert!(Compiled::of_entry(entry.clone(), "other").is_none());
        for cut in 0..entry.len() {
            assert!(Compiled::of_entry(entry[..cut].to_vec(), "key").is_none(), "cut at {cut}");
        }
        for flipped in 0..entry.len() {
            let mut entry = entry.clone();
            entry[flipped] ^= 1;
            assert!(Compiled::of_entry(entry, "key").is_none(), "flipped at {flipped}");
        }
    }

    #[test]
    fn the_key_is_the_same_for_equal_settings_and_no_other() {
        let engine = |fuel: bool| Engine::new(wasmtime::Config::new().consume_fuel(fuel)).unwrap();
        assert_eq!(key(&engine(false), "sha256:ab"), key(&engine(false), "sha256:ab"));
        assert_ne!(key(&engine(false), "sha256:ab"), key(&engine(true), "sha256:ab"));
        assert_ne!(key(&engine(false), "sha256:ab"), key(&engine(false), "sha256:ac"));
    }
}
