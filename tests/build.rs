//! Refuses to compile the tests while a guest of `tests/guests` has none: a behaviour that nobody looks at is dead weight,
//! or worse, one that everybody believes to be tested. A guest has a test if a module of the runtime's tests has its name
//! and loads it, or a test of the whole program does.

use std::error::Error;
use std::fs;
use std::path::Path;

const GUESTS: &str = "guests/behaviours";
/// A module for each guest.
const RUNTIME: &str = "../host/runtime/tests/guests";
/// Whatever loads one.
const WHOLE: [&str; 2] = ["tests/whole", "src/chaos"];

fn main() -> Result<(), Box<dyn Error>> {
    for folder in [&[GUESTS, RUNTIME][..], &WHOLE].concat() {
        println!("cargo::rerun-if-changed={folder}");
    }
    let runtime = sources(RUNTIME)?;
    let whole = [sources(WHOLE[0])?, sources(WHOLE[1])?].concat();
    for guest in fs::read_dir(GUESTS)? {
        let name = guest?.file_name().to_string_lossy().into_owned();
        let module = format!("mod {} {{", name.replace('-', "_"));
        let loads = format!("\"{name}\"");
        let tested = runtime.iter().any(|source| source.contains(&module) && source.contains(&loads))
            || whole.iter().any(|source| source.contains(&loads));
        if !tested {
            println!(
                "cargo::error=tests/{GUESTS}/{name} has no test; write a module `{}` in host/runtime/tests/guests, \
                 or load it in tests/tests/whole",
                name.replace('-', "_")
            );
        }
    }
    Ok(())
}

/// The Rust files of a folder.
fn sources(folder: &str) -> Result<Vec<String>, Box<dyn Error>> {
    let mut sources = Vec::new();
    for entry in fs::read_dir(Path::new(folder))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push(fs::read_to_string(path)?);
        }
    }
    Ok(sources)
}
