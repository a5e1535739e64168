//! Makes a component of a core module, with the interface of the project's `wit` folder. Modules that use WASI preview 1 get
//! the adapter that the engine's own version ships with.

use std::path::Path;

use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wit_component::metadata::decode;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};

use super::bindings::world;

/// Where a component's header differs from that of a core module.
const LAYER: std::ops::Range<usize> = 4..8;
/// Version 13 and layer 1.
const COMPONENT: [u8; 4] = [0x0d, 0, 1, 0];

/// Whether the bytes are a component rather than a core module.
pub fn is_component(bytes: &[u8]) -> bool {
    bytes.get(LAYER) == Some(&COMPONENT)
}

/// The component of a core module of the project; the error is for the user.
pub fn encode(mut module: Vec<u8>, folder: &Path) -> Result<Vec<u8>, String> {
    let made = |error: &dyn std::fmt::Display| format!("no component can be made of the module: {error:#}");
    // Bindings for C bring the interface along, in a section that the linker keeps.
    let (embedded, _) = decode(&module).map_err(|error| made(&error))?;
    if embedded.is_none() {
        let (resolve, world) = world(folder)?;
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).map_err(|error| made(&error))?;
    }
    ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .and_then(|encoder| {
            encoder.adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER)
        })
        .and_then(|mut encoder| encoder.encode())
        .map_err(|error| made(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_is_told_from_a_core_module() {
        assert!(is_component(b"\0asm\x0d\0\x01\0..."));
        assert!(!is_component(b"\0asm\x01\0\0\0..."));
        assert!(!is_component(b"\0asm"));
    }
}
