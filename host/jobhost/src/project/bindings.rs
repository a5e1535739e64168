//! Reads the `wit` folder of a project and makes C bindings of its world.

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

/// Bindings for C, as names of files and what is in them; the error is for the user.
pub fn generate(folder: &Path) -> Result<Vec<(String, Vec<u8>)>, String> {
    let (mut resolve, world) = world(folder)?;
    let mut files = Files::default();
    let made = wit_bindgen_c::Opts::default().build().generate(&mut resolve, world, &mut files);
    made.map_err(|error| format!("no bindings can be made of {}: {error:#}", folder.join("wit").display()))?;
    Ok(files.iter().map(|(name, content)| (name.to_owned(), content.to_vec())).collect())
}
