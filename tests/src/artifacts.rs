//! Where the things under test are. The program is built here if it is not
//! fresh; the WebAssembly, a matter of minutes, is not.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The `jobhost` program, built once for each test executable with the same
/// profile and target folder as the test itself; nothing to do when it is
/// fresh. `$JOBHOST_BIN` names another one to test.
pub fn jobhost() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| match env::var_os("JOBHOST_BIN") {
        Some(named) => named.into(),
        None => build(),
    })
}

/// A plugin that ships, by its crate's name.
pub fn plugin(name: &str) -> PathBuf {
    component("plugins", name)
}

/// A guest of `tests/guests`, by its behaviour.
pub fn guest(behaviour: &str) -> PathBuf {
    component("tests/guests", behaviour)
}

/// The repository's folder.
pub fn repository() -> &'static Path {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests)
}

fn component(workspace: &str, name: &str) -> PathBuf {
    let folder = repository().join(workspace).join("target/wasm32-wasip2/release");
    // Cargo writes a library's name with underscores, a program's as it is.
    let library = folder.join(format!("{}.wasm", name.replace('-', "_")));
    let program = folder.join(format!("{name}.wasm"));
    let found = [&library, &program].into_iter().find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("there is no {}; run `cargo xtask plugins`", library.display())).clone()
}

fn build() -> PathBuf {
    // target/PROFILE/deps/whole-…, or target/PROFILE/chaos
    let test = env::current_exe().expect("a running test has a file");
    let folder = test.parent().expect("it lies in target/PROFILE or in its deps");
    let profile = folder.parent().filter(|_| folder.ends_with("deps")).unwrap_or(folder);
    let target = profile.parent().expect("it lies in target/PROFILE or in its deps");
    let profile_name = match profile.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(name) => name,
    };
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args(["build", "--quiet", "--profile", profile_name])
        // As `cargo xtask` does, so that features, and with them wasmtime, are the same.
        .args(["--workspace", "--bins", "--examples", "--target-dir"])
        .arg(target)
        .current_dir(repository())
        .output()
        .expect("cargo can be run");
    assert!(
        built.status.success(),
        "`cargo build --workspace --bins --examples` failed:\n{}",
        String::from_utf8_lossy(&built.stderr)
    );
    profile.join("jobhost")
}
