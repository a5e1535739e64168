//! Makes a component of a core module, with the interface of the project's `wit` folder. Modules that use WASI preview 1 get
//! the adapter that the engine's own version ships with.

use std::path::Path;

use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wasmparser::{Parser, Payload};
use wit_component::metadata::decode;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};

use super::bindings::world;
use super::provided::check_module;

/// Where a component's header differs from that of a core module.
const LAYER: std::ops::Range<usize> = 4..8;
/// Version 13 and layer 1.
const COMPONENT: [u8; 4] = [0x0d, 0, 1, 0];

/// Whether the bytes are a component rather than a core module.
pub fn is_component(bytes: &[u8]) -> bool {
    bytes.get(LAYER) == Some(&COMPONENT)
}

/// The component of a core module of the project; the error is for the user.
pub fn encode(module: &[u8], folder: &Path) -> Result<Vec<u8>, String> {
    let made = |error: &dyn std::fmt::Display| format!("no component can be made of the module: {error:#}");
    let mut module = without_debug_data(module).map_err(|error| made(&error))?;
    // Bindings for C bring the interface along, in a section that the linker keeps.
    let (embedded, _) = decode(&module).map_err(|error| made(&error))?;
    if embedded.is_none() {
        let (resolve, world) = world(folder)?;
        check_module(&module, &resolve, world)?;
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

/// The module without what debuggers read of it, which is the most of it where it is there. The names of functions stay, for
/// backtraces: not every language's linker can leave out the one and keep the other.
fn without_debug_data(module: &[u8]) -> wasmparser::Result<Vec<u8>> {
    let (mut kept, mut end) = (Vec::with_capacity(module.len()), 0);
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload?;
        let range = match &payload {
            Payload::Version { range, .. } => range.clone(),
            other => match other.as_section() {
                Some((_, range)) => range,
                None => continue,
            },
        };
        // A section begins with its size, where the one before it ends.
        let whole = end..range.end;
        end = range.end;
        let is_debug_data = matches!(&payload, Payload::CustomSection(custom) if custom.name().starts_with(".debug_"));
        if !is_debug_data {
            kept.extend_from_slice(&module[whole]);
        }
    }
    Ok(kept)
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

    #[test]
    fn debug_data_is_left_out_and_the_names_stay() {
        let custom = |name: &str| {
            let length = u8::try_from(name.len()).unwrap();
            [&[0, length + 3, length][..], name.as_bytes(), b"\x07\x08"].concat()
        };
        let memory: &[u8] = b"\x05\x03\x01\x00\x01";
        let header: &[u8] = b"\0asm\x01\0\0\0";
        let module = [header, &custom(".debug_info"), memory, &custom("name"), &custom(".debug_line")].concat();
        assert_eq!(without_debug_data(&module).unwrap(), [header, memory, &custom("name")].concat());
        assert!(without_debug_data(&module[..module.len() - 1]).is_err());
    }
}
