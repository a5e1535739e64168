//! Assembles the component that `jobhost bench` runs.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=src/bench/no-op.wat");
    let component = wat::parse_file("src/bench/no-op.wat")?;
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("no-op.wasm"), component)?;
    Ok(())
}
