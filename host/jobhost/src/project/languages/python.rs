//! Python, by componentize-py: the interpreter and all modules that the plugin imports are initialised when the component is
//! made.

use super::{Answer, Candidate, Language, Library, Made, Packages, Supplies, Tool};

const ANSWERS: &[&str] = &["-c", "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))"];

static LIBRARY: Library = Library { name: "python", place: "vendor/jobhost-plugin", imports: &[] };

pub(super) const PYTHON: Language = Language {
    name: "python",
    title: "Python",
    mark: "pyproject.toml",
    taken: &["jobhost_plugin", "jobhost-plugin", "componentize-py"],
    supplies: Supplies::Library(&LIBRARY),
    prunes: false,
    requests: "jobhost_plugin.http",
    files: None,
    bundle: None,
    tools: &[Tool {
        name: "python",
        what: "Python 3.10 or later, with pip and venv",
        candidates: &[
            Candidate { command: &["python3"], probe: ANSWERS, answer: Answer::Success },
            Candidate { command: &["python"], probe: ANSWERS, answer: Answer::Success },
        ],
        install: &[
            ("on Debian 12 and later", "sudo apt-get install python3 python3-venv"),
            ("elsewhere", "see https://www.python.org"),
        ],
    }],
    packages: Some(Packages {
        folder: ".venv",
        declared: &["requirements.txt"],
        commands: &[
            &["{python}", "-m", "venv", ".venv"],
            // By `env`, as a program's path counts from the folder only once that has been entered.
            &[
                "env",
                ".venv/bin/python",
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--requirement",
                "requirements.txt",
            ],
        ],
    }),
    commands: &[
        &["mkdir", "-p", "build"],
        &[
            "env",
            // So that the packages in it are found.
            "VIRTUAL_ENV=.venv",
            ".venv/bin/componentize-py",
            "--quiet",
            "--wit-path",
            "wit",
            "--world",
            "plugin",
            // Of two interfaces that are both called `store`.
            "--import-interface-name",
            "wasi:config/store@0.2.0-rc.1=wasi_config_store",
            "--import-interface-name",
            "wasi:keyvalue/store@0.2.0-draft2=wasi_keyvalue_store",
            "--import-interface-name",
            "wasi:keyvalue/atomics@0.2.0-draft2=wasi_keyvalue_atomics",
            "componentize",
            "plugin",
            "--python-path",
            "src",
            "--python-path",
            "vendor/jobhost-plugin",
            "--output",
            "build/plugin.wasm",
        ],
    ],
    made: Made::Component("build/plugin.wasm"),
    derived: &[".venv", "build", "__pycache__"],
};
