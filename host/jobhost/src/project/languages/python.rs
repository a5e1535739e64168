//! Python, by componentize-py: the interpreter and all modules that the plugin imports are initialised when the component is
//! made.

use super::{Answer, Candidate, Language, Library, Made, Packages, Supplies, Tool};

const ANSWERS: &[&str] =
    &["-c", "import ensurepip, sys, venv; print(sys.version); sys.exit(sys.version_info < (3, 10))"];

/// One that works stays, with what else is in it. One whose interpreter is gone does not, and would hinder a new one.
const ENVIRONMENT: &str = "(.venv/bin/python -m pip --version || {python} -m venv .venv && .venv/bin/python -m pip --version) \
                           > /dev/null 2>&1 || exec {python} -m venv --clear .venv";

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
        names: further_requirements,
        program: Some("bin/python"),
        commands: &[
            &["sh", "-c", ENVIRONMENT],
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
            // Its own first line has the path that the folder had when it was installed.
            ".venv/bin/python",
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
    reads: &["wit", "src", "vendor/jobhost-plugin"],
    made: Made::Component("build/plugin.wasm"),
    derived: &[".venv", "build", "__pycache__"],
    locks: &[],
};

/// The files that one for pip includes.
fn further_requirements(text: &str) -> Vec<&str> {
    text.lines().filter_map(included).filter(|file| !file.is_empty()).collect()
}

fn included(line: &str) -> Option<&str> {
    let options = ["--requirement", "--constraint", "-r", "-c"];
    let rest = options.iter().find_map(|option| line.trim().strip_prefix(option))?;
    let file = rest.trim_start_matches([' ', '\t', '=']);
    Some(file.split(" #").next().unwrap_or(file).trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_requirements_include_are_found() {
        let text =
            "# -r no.txt\nrequests\n-r a.txt\n  --requirement=b/b.txt # why\n-cc.txt\n--constraint d.txt\n-e ./x\n";
        assert_eq!(further_requirements(text), ["a.txt", "b/b.txt", "c.txt", "d.txt"]);
    }

    #[test]
    fn all_that_the_component_is_made_of_counts_when_it_is_asked_whether_that_has_changed() {
        let words = PYTHON.commands[1];
        for pair in words.windows(2).filter(|pair| ["--wit-path", "--python-path", "-d", "-p"].contains(&pair[0])) {
            assert!(PYTHON.reads.contains(&pair[1]), "{} is read, too", pair[1]);
        }
    }
}
