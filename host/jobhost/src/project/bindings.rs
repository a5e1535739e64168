//! Reads the `wit` folder of a project and makes C bindings of its world.

use std::fs;
use std::path::Path;

use wit_bindgen_core::Files;
use wit_parser::{Resolve, WorldId};

/// The world that a project's `wit` folder declares; the error is for the user.
pub(super) fn world(folder: &Path) -> Result<(Resolve, WorldId), String> {
    let wit = folder.join("wit");
    let wrong = |error: &dyn std::fmt::Display| format!("{}: {error:#}", wit.display());
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(&wit).map_err(|error| wrong(&error))?;
    let world = resolve.select_world(&[package], None).map_err(|error| wrong(&error))?;
    Ok((resolve, world))
}

/// The interfaces that a project's bundle of JavaScript imports and its world does not, such as `wasi:config/store@0.2.0-rc.1`;
/// none where one of the two cannot be read.
pub fn unimported(folder: &Path, bundle: &str) -> Vec<String> {
    let (Ok(text), Ok((resolve, world))) = (fs::read_to_string(folder.join(bundle)), world(folder)) else {
        return Vec::new();
    };
    let known: Vec<_> = resolve.worlds[world].imports.keys().map(|key| resolve.name_world_key(key)).collect();
    let mut names: Vec<_> = text.split(" from \"").skip(1).filter_map(|rest| Some(rest.split_once('"')?.0)).collect();
    names.retain(|name| name.contains(':') && name.contains('@') && !known.iter().any(|known| known == name));
    names.sort_unstable();
    names.dedup();
    names.into_iter().map(str::to_owned).collect()
}

/// Bindings for C, as names of files and what is in them; the error is for the user.
pub fn generate(folder: &Path) -> Result<Vec<(String, Vec<u8>)>, String> {
    let (mut resolve, world) = world(folder)?;
    let mut files = Files::default();
    let made = wit_bindgen_c::Opts::default().build().generate(&mut resolve, world, &mut files);
    made.map_err(|error| format!("no bindings can be made of {}: {error:#}", folder.join("wit").display()))?;
    Ok(files.iter().map(|(name, content)| (name.to_owned(), content.to_vec())).collect())
}
