//! JavaScript and TypeScript, on `QuickJS`. The larger engine that there is for plugins, `StarlingMonkey`, has more of the Web's
//! interfaces, and costs eight times the size and ten times the time for each job.

use super::{Answer, Candidate, Language, Library, Made, Packages, Supplies, Tool};

const NODE: Tool = Tool {
    name: "node",
    what: "Node.js 20 or later",
    candidates: &[Candidate {
        command: &["node"],
        probe: &["--eval", "console.log(process.version); process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)"],
        answer: Answer::Success,
    }],
    install: &[("on Debian 13 and later", "sudo apt-get install nodejs"), ("elsewhere", "see https://nodejs.org")],
};

const NPM: Tool = Tool {
    name: "npm",
    what: "npm, which installs packages for Node.js",
    candidates: &[Candidate { command: &["npm"], probe: &["--version"], answer: Answer::Success }],
    install: &[("on Debian 13 and later", "sudo apt-get install npm"), ("elsewhere", "it comes with Node.js")],
};

const PACKAGES: Packages = Packages {
    folder: "node_modules",
    // The library is a package of its own.
    declared: &["package.json", "vendor/jobhost-plugin/package.json"],
    names: |_| Vec::new(),
    program: None,
    // In a folder above there may be a workspace, of which the project is no part.
    commands: &[&["{npm}", "install", "--workspaces=false", "--no-audit", "--no-fund"]],
};

static LIBRARY: Library = Library {
    name: "javascript",
    place: "vendor/jobhost-plugin",
    imports: &["wasi:random/random@0.2.0", "wasi:filesystem/preopens@0.2.0"],
};

pub(super) const JAVASCRIPT: Language = Language {
    name: "javascript",
    title: "JavaScript",
    mark: "package.json",
    taken: &["jobhost-plugin", "componentize-qjs", "esbuild", "node_modules"],
    supplies: Supplies::Library(&LIBRARY),
    prunes: false,
    requests: "jobhost-plugin/http",
    files: Some("jobhost-plugin/files"),
    tools: &[NODE, NPM],
    packages: Some(PACKAGES),
    commands: &[&["{npm}", "run", "--workspaces=false", "--silent", "build"]],
    reads: &[],
    made: Made::Bundle { component: "build/plugin.wasm", bundle: "build/plugin.js", exports: "build/plugin.json" },
    derived: &["node_modules", "build"],
    locks: &["package-lock.json"],
};

pub(super) const TYPESCRIPT: Language = Language {
    name: "typescript",
    title: "TypeScript",
    mark: "tsconfig.json",
    taken: &["jobhost-plugin", "componentize-qjs", "esbuild", "typescript", "node_modules"],
    ..JAVASCRIPT
};
