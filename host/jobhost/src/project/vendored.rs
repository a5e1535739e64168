//! What a new project gets of jobhost itself: the guest crate, made to stand alone, or the plugin interface with a world.

use toml::{Table, Value};

use super::languages::Library;
use super::template::EMBEDDED;

/// The crates that a plugin in Rust depends on.
const CRATES: [&str; 2] = ["jobhost-plugin", "jobhost-plugin-macros"];
/// Where the guest crate finds the interface in the repository, and in a project.
const INTERFACE: (&str, &str) = ("\"../../wit\"", "\"wit\"");

/// The guest crate, its macros and the interface, below `vendor`.
pub(super) fn guest_crate() -> Result<Vec<(String, String)>, String> {
    let mut files = Vec::new();
    for name in CRATES {
        let sources = format!("guest/{name}/src/");
        let source = |(path, text): &(&str, &str)| {
            let below = path.strip_prefix(&sources)?;
            Some((format!("vendor/{name}/src/{below}"), text.replace(INTERFACE.0, INTERFACE.1)))
        };
        files.extend(EMBEDDED.iter().filter_map(source));
        files.push((format!("vendor/{name}/Cargo.toml"), manifest(name)?));
    }
    let wit = |(path, text): &(&str, &str)| {
        path.starts_with("wit/").then(|| (format!("vendor/jobhost-plugin/{path}"), (*text).to_owned()))
    };
    files.extend(EMBEDDED.iter().filter_map(wit));
    Ok(files)
}

/// A world of the project's own, and the packages that it is made of. In one that prunes, all is imported that could be.
pub(super) fn interface(part: &str, prunes: bool) -> Vec<(String, String)> {
    let world = format!("world/{part}/world.wit");
    let place = |(path, text): &(&str, &str)| {
        let text = (*text).to_owned();
        if *path == world {
            let text = if prunes { text.replace("// import ", "import ") } else { text };
            return Some(("wit/world.wit".to_owned(), text));
        }
        let below = path.strip_prefix("wit/")?;
        let folder = if below.starts_with("deps/") { "wit" } else { "wit/deps/jobhost-plugin" };
        Some((format!("{folder}/{below}"), text))
    };
    EMBEDDED.iter().filter_map(place).collect()
}

/// The interface with what the library imports, and the library.
pub(super) fn library(library: &Library, part: &str, prunes: bool) -> Vec<(String, String)> {
    let mut files = interface(part, prunes);
    let imports: Vec<_> = library.imports.iter().map(|import| format!("    import {import};\n")).collect();
    for (_, text) in files.iter_mut().filter(|(path, _)| path == "wit/world.wit") {
        // Behind the line that says what kind of plugin it is.
        let at = text.find(";\n    ").map_or(0, |end| end + 2);
        text.insert_str(at, &imports.concat());
    }
    let own = format!("guest/{}/", library.name);
    let place = |(path, text): &(&str, &str)| {
        let below = path.strip_prefix(&own)?;
        let place = match below.strip_prefix("wit/") {
            Some(package) => format!("wit/deps/{package}"),
            None => format!("{}/{below}", library.place),
        };
        Some((place, (*text).to_owned()))
    };
    files.extend(EMBEDDED.iter().filter_map(place));
    files
}

/// A crate's manifest with what it inherits from its workspace written out.
fn manifest(name: &str) -> Result<String, String> {
    let read = |path: &str| {
        let text = EMBEDDED.iter().find(|(found, _)| *found == path).map(|(_, text)| *text).unwrap_or_default();
        text.parse::<Table>().map_err(|error| format!("the embedded {path} is broken: {error}"))
    };
    let workspace = read("guest/Cargo.toml")?;
    let given = |section: &str| workspace.get("workspace").and_then(|all| all.get(section)?.as_table()).cloned();
    let (package, dependencies) = (given("package").unwrap_or_default(), given("dependencies").unwrap_or_default());
    let mut manifest = read(&format!("guest/{name}/Cargo.toml"))?;
    // The lints are the repository's, and so are the examples.
    for key in ["lints", "example", "dev-dependencies"] {
        manifest.remove(key);
    }
    for (section, given) in [("package", package), ("dependencies", dependencies)] {
        for (key, value) in manifest.get_mut(section).and_then(Value::as_table_mut).into_iter().flatten() {
            if value.get("workspace").is_some() {
                let own = given.get(key).cloned().ok_or_else(|| format!("{name}: no {section}.{key} to inherit"))?;
                *value = if value.get("optional").is_some() { optional(own) } else { own };
            }
            if CRATES.contains(&key.as_str()) {
                *value = Table::from_iter([("path".to_owned(), Value::from(format!("../{key}")))]).into();
            }
        }
    }
    toml::to_string(&manifest).map_err(|error| format!("{name}: {error}"))
}

fn optional(dependency: Value) -> Value {
    let mut table = match dependency {
        Value::Table(table) => table,
        version => Table::from_iter([("version".to_owned(), version)]),
    };
    table.insert("optional".to_owned(), true.into());
    table.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guest_crate_of_a_project_needs_nothing_outside_of_it() {
        let files = guest_crate().unwrap();
        for (path, text) in &files {
            assert!(!text.contains("../../"), "{path} leaves the project");
            assert!(!path.ends_with("Cargo.toml") || !text.contains("workspace"), "{path}: {text}");
        }
        for path in ["src/lib.rs", "src/bindings.rs", "Cargo.toml", "wit/types.wit", "wit/deps/keyvalue/store.wit"] {
            let path = format!("vendor/jobhost-plugin/{path}");
            assert!(files.iter().any(|(found, _)| *found == path), "no {path}");
        }
        let manifest = files.iter().find(|(path, _)| path == "vendor/jobhost-plugin/Cargo.toml");
        let manifest: Table = manifest.unwrap().1.parse().unwrap();
        assert_eq!(manifest["dependencies"]["tracing-core"]["optional"].as_bool(), Some(true), "{manifest}");
    }
}
