//! Embeds the templates of `jobhost plugin new`, the guest crate and the plugin interface as they lie in the repository, so
//! that the program needs no checkout to make a project of them; and assembles the component that `jobhost bench` runs.

use std::error::Error;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// Where files lie, and the folder under which they are embedded.
const ROOTS: [(&str, &str); 8] = [
    ("templates", ""),
    ("../../wit", "wit/"),
    ("../../plugins/jobhost-plugin/src", "guest/jobhost-plugin/src/"),
    ("../../plugins/jobhost-plugin-macros/src", "guest/jobhost-plugin-macros/src/"),
    ("../../plugins/go", "guest/go/"),
    ("../../plugins/javascript", "guest/javascript/"),
    ("../../plugins/python", "guest/python/"),
    ("../../plugins", "guest/"),
];
/// Of the last root these alone.
const MANIFESTS: [&str; 3] = ["Cargo.toml", "jobhost-plugin/Cargo.toml", "jobhost-plugin-macros/Cargo.toml"];

fn main() -> Result<(), Box<dyn Error>> {
    let home = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("templates.rs"), templates(&home)?)?;
    println!("cargo::rerun-if-changed=src/bench/no-op.wat");
    fs::write(out.join("no-op.wasm"), wat::parse_file(home.join("src/bench/no-op.wat"))?)?;
    Ok(())
}

/// An array of names and contents.
fn templates(home: &Path) -> Result<String, Box<dyn Error>> {
    let mut files = Vec::new();
    for (folder, prefix) in ROOTS {
        let root = home.join(folder);
        let found =
            if prefix == "guest/" { MANIFESTS.map(PathBuf::from).to_vec() } else { below(&root, Path::new(""))? };
        // A folder counts with all that is in it, and so with a file that is new.
        let watched =
            if prefix == "guest/" { found.iter().map(|file| root.join(file)).collect() } else { vec![root.clone()] };
        for path in watched {
            println!("cargo::rerun-if-changed={}", path.display());
        }
        files.extend(found.into_iter().map(|file| (format!("{prefix}{}", file.display()), root.join(file))));
    }
    files.sort();
    let mut code = String::from("&[\n");
    for (name, path) in files {
        writeln!(code, "    ({name:?}, include_str!({:?})),", path.display().to_string())?;
    }
    code.push_str("]\n");
    Ok(code)
}

/// The files below a folder, relative to it. What tools leave there is none of it.
fn below(root: &Path, folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let path = folder.join(entry.file_name());
        match entry.file_name().to_str() {
            Some("target" | "Cargo.lock" | "node_modules" | "__pycache__" | "zig-out" | ".zig-cache") => {}
            _ if entry.file_type()?.is_dir() => files.extend(below(root, &path)?),
            _ => files.push(path),
        }
    }
    Ok(files)
}
