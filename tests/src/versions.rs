//! Versions of a plugin that behave alike, and how a deploy puts one in the place of another.

use std::fs;
use std::path::Path;

use crate::artifacts::guest;

/// The guest's component with a section that nothing reads: for each number a version of its own.
#[track_caller]
pub fn version(behaviour: &str, number: usize) -> Vec<u8> {
    version_of(&guest(behaviour), number)
}

/// The same of any component.
#[track_caller]
pub(crate) fn version_of(component: &Path, number: usize) -> Vec<u8> {
    let mut content = fs::read(component).unwrap_or_else(|error| panic!("{}: {error}", component.display()));
    let name = format!("v{number:08}").into_bytes();
    let size = u8::try_from(name.len()).expect("eight digits are enough");
    // A custom section: its id, its size, the size of its name, its name, and no content.
    content.extend([0, size + 1, size]);
    content.extend(name);
    content
}

/// Puts a file in the place of another as a deploy does: written whole under another name, then renamed.
#[track_caller]
pub fn replace(path: &Path, content: &[u8]) {
    let new = path.with_extension("new");
    fs::write(&new, content)
        .and_then(|()| fs::rename(&new, path))
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}
