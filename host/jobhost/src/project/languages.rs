//! The languages that a plugin project can be written in, as data: how a project is recognised, which tools it needs, how it
//! is built. Its template is the folder of the same name in `templates`. To add a language is to add both.

mod go;
mod javascript;
mod python;

use go::GO;
use javascript::{JAVASCRIPT, TYPESCRIPT};
use python::PYTHON;

/// A language.
#[derive(Debug)]
pub struct Language {
    /// As `--lang` has it; also the name of the folder of its template.
    pub name: &'static str,
    /// As people write it.
    pub title: &'static str,
    /// The file of a project by which it is recognised; the first language of the table whose file is there is meant.
    pub mark: &'static str,
    /// Names that no plugin can have.
    pub taken: &'static [&'static str],
    /// What a new project gets besides its template.
    pub supplies: Supplies,
    /// Whether a plugin imports nothing of its world that it does not use. In other languages the author of a plugin says
    /// what it imports.
    pub prunes: bool,
    /// By what a plugin in it sends requests.
    pub requests: &'static str,
    /// By what it reads and writes files, where that is not the language's own library.
    pub files: Option<&'static str>,
    /// What has to be installed.
    pub tools: &'static [Tool],
    /// What the tools of the language themselves install.
    pub packages: Option<Packages>,
    /// Run in the folder, one after the other. A word `{NAME}` stands for the command of the tool of that name.
    pub commands: &'static [&'static [&'static str]],
    /// What the commands read, besides the packages, where these do all of their work every time: they are not run while none
    /// of it has changed. Nothing where they find out by themselves.
    pub reads: &'static [&'static str],
    /// What the commands leave.
    pub made: Made,
    /// Folders and files that builds make, by name: no sources, and no reason to build again.
    pub derived: &'static [&'static str],
    /// Files that tools write and people keep, by name: a reason to build again if somebody else has changed them.
    pub locks: &'static [&'static str],
}

/// What a new project gets besides its template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Supplies {
    /// The guest crate, in `vendor`.
    GuestCrate,
    /// The plugin interface, in `wit`.
    Interface,
    /// The same, and bindings in `bindings`, which each build brings up to date.
    CBindings,
    /// The interface, and a guest library.
    Library(&'static Library),
}

/// A guest library that is no Rust crate: the folder of this name in `plugins`.
#[derive(Debug, PartialEq, Eq)]
pub struct Library {
    /// The folder's name.
    pub name: &'static str,
    /// Where it is in a project.
    pub place: &'static str,
    /// What it imports besides the plugin interface. Its own `wit` folder has the packages.
    pub imports: &'static [&'static str],
}

/// Packages that a project has in its own folder, as those who know the language expect.
#[derive(Debug)]
pub struct Packages {
    /// The folder that they are in.
    pub folder: &'static str,
    /// The files that say which, the first of them for people. The packages are installed again where one is another than at
    /// the last installation, or where one of the language's locks or tools is.
    pub declared: &'static [&'static str],
    /// Further files that such a file names in its text, by their paths from its own folder.
    pub names: fn(&str) -> Vec<&str>,
    /// A file in the folder without which nothing is installed, whatever else is there.
    pub program: Option<&'static str>,
    /// Install them: run as the commands of a build are.
    pub commands: &'static [&'static [&'static str]],
}

/// A tool, or one of several that do the same.
#[derive(Debug)]
pub struct Tool {
    /// By which commands call it.
    pub name: &'static str,
    /// What it is, for people.
    pub what: &'static str,
    /// The first that answers is taken.
    pub candidates: &'static [Candidate],
    /// Ways to install it: for whom, and the command line.
    pub install: &'static [(&'static str, &'static str)],
}

/// A command that may be the tool.
#[derive(Debug)]
pub struct Candidate {
    /// The command and its first arguments.
    pub command: &'static [&'static str],
    /// The arguments by which it is asked whether it can do the work. Where it installs packages its answer has its version.
    pub probe: &'static [&'static str],
    /// What the answer has to be.
    pub answer: Answer,
}

/// How a tool answers when it can do the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// With success.
    Success,
    /// With the path of a folder that is there.
    Folder,
}

/// What the commands leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// A component, of which Cargo says where it is.
    ByCargo,
    /// A component, here.
    Component(&'static str),
    /// A component of a bundle of JavaScript.
    Bundle {
        /// Where the component is.
        component: &'static str,
        /// Where the bundle is.
        bundle: &'static str,
        /// Where the bundler says what the bundle exports: esbuild's metafile.
        exports: &'static str,
    },
    /// A core module, here, of which a component is made with the interface in `wit`.
    Core(&'static str),
}

/// All of them. Those with the most telling file come first.
pub static LANGUAGES: &[Language] = &[RUST, GO, PYTHON, TYPESCRIPT, JAVASCRIPT, ZIG, C];

const RUST: Language = Language {
    name: "rust",
    title: "Rust",
    mark: "Cargo.toml",
    taken: &[
        "httpdate",
        "jobhost-plugin",
        "jobhost-plugin-macros",
        "serde",
        "serde_json",
        "serde_path_to_error",
        "tracing",
        "tracing-core",
        "wasip2",
        "wit-bindgen",
    ],
    supplies: Supplies::GuestCrate,
    prunes: true,
    requests: "jobhost_plugin::http",
    files: None,
    tools: &[
        Tool {
            name: "cargo",
            what: "Cargo, which builds Rust",
            candidates: &[Candidate { command: &["cargo"], probe: &["--version"], answer: Answer::Success }],
            install: &[("everywhere", "curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh")],
        },
        Tool {
            name: "rustc",
            what: "Rust's standard library for wasm32-wasip2",
            candidates: &[Candidate {
                command: &["rustc"],
                probe: &["--print", "target-libdir", "--target", "wasm32-wasip2"],
                answer: Answer::Folder,
            }],
            install: &[("with rustup", "rustup target add wasm32-wasip2")],
        },
    ],
    packages: None,
    commands: &[&[
        "{cargo}",
        "build",
        "--release",
        "--target",
        "wasm32-wasip2",
        "--message-format",
        "json-render-diagnostics",
    ]],
    reads: &[],
    made: Made::ByCargo,
    derived: &["target"],
    locks: &["Cargo.lock"],
};

const C: Language = Language {
    name: "c",
    title: "C",
    mark: "Makefile",
    taken: &[],
    supplies: Supplies::CBindings,
    prunes: true,
    requests: "jobhost_plugin_http_send",
    files: None,
    tools: &[
        Tool {
            name: "make",
            what: "make",
            candidates: &[Candidate { command: &["make"], probe: &["--version"], answer: Answer::Success }],
            install: &[
                ("on Debian", "sudo apt-get install make"),
                ("on Fedora", "sudo dnf install make"),
                ("on Alpine", "doas apk add make"),
                ("on macOS", "xcode-select --install"),
            ],
        },
        Tool {
            name: "cc",
            what: "a C compiler and library for wasm32-wasi: clang with wasi-libc, or zig",
            candidates: &[
                Candidate {
                    command: &["clang"],
                    // All that is needed has a part in linking an empty file.
                    probe: &["--target=wasm32-wasi", "-mexec-model=reactor", "-xc", "/dev/null", "-o", "/dev/null"],
                    answer: Answer::Success,
                },
                Candidate { command: &["zig", "cc"], probe: &["--version"], answer: Answer::Success },
                Candidate {
                    command: &["python3", "-m", "ziglang", "cc"],
                    probe: &["--version"],
                    answer: Answer::Success,
                },
            ],
            install: &[
                (
                    "on Debian",
                    "sudo apt-get install --no-install-recommends clang lld wasi-libc libclang-rt-dev-wasm32",
                ),
                // Their clang finds no library for wasm32-wasi by itself, or there is none for its run time.
                ("on Fedora", "sudo dnf install zig"),
                ("on Alpine", "doas apk add zig"),
                ("on macOS", "brew install zig"),
                ("with Python", "pip install ziglang"),
            ],
        },
    ],
    packages: None,
    commands: &[&["{make}", "--no-print-directory", "CC={cc}"]],
    reads: &[],
    made: Made::Core("build/plugin.wasm"),
    derived: &["bindings", "build"],
    locks: &[],
};

const ZIG: Language = Language {
    name: "zig",
    title: "Zig",
    mark: "build.zig",
    taken: &[],
    supplies: Supplies::CBindings,
    prunes: true,
    requests: "jobhost_plugin_http_send",
    files: None,
    tools: &[Tool {
        name: "zig",
        what: "Zig 0.17",
        candidates: &[
            Candidate { command: &["zig"], probe: &["version"], answer: Answer::Success },
            Candidate { command: &["python3", "-m", "ziglang"], probe: &["version"], answer: Answer::Success },
        ],
        install: &[("with Python", "pip install ziglang==0.17.1"), ("everywhere", "see https://ziglang.org/download/")],
    }],
    packages: None,
    // Zig compiles its build system itself, once for each cache; with optimisations that takes two minutes and is not worth it.
    commands: &[&["env", "ZIG_DEBUG_CMD=1", "{zig}", "build"]],
    reads: &[],
    made: Made::Core("zig-out/bin/plugin.wasm"),
    derived: &[".zig-cache", "bindings", "zig-out"],
    locks: &[],
};

/// The language of this name.
pub fn language(name: &str) -> Option<&'static Language> {
    LANGUAGES.iter().find(|language| language.name == name)
}

/// Their names, for a message.
pub fn names() -> String {
    LANGUAGES.iter().map(|language| language.name).collect::<Vec<_>>().join(", ")
}
