//! The project's own commands. Only the standard library is used, so that it
//! compiles at once on a new machine; it builds and runs, and decides nothing
//! that the programs themselves could.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line for developers")]

mod apt;
mod binary;
mod chaos;
mod demo;
mod lint;
mod measure;
mod plugins;
mod process;
mod test;
mod toolchains;

use std::process::ExitCode;

use process::Failure;

const USAGE: &str = "\
cargo xtask plugins             build the plugins and the guests of the tests
cargo xtask demo [--store URL]  tell the story of a job, with the program itself
cargo xtask chaos …             the chaos test, long: --minutes N, --seed S, --store sqlite|redis
cargo xtask measure …           lateness, recovery, swaps, memory and more: --only NAME, --json FILE
cargo xtask bench …             the matrix of `jobhost bench`: --only GROUP, --table FILE, --json FILE and more
cargo xtask test                run every test; installs what they need
cargo xtask tools               install what the tests build plugins with in each language
cargo xtask lint                formatting and clippy, warnings denied
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match *arguments {
        [] | ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            Ok(())
        }
        ["plugins"] => plugins::run(),
        ["demo"] => demo::run("sqlite:jobhost.db"),
        ["demo", "--store", url] => demo::run(url),
        ["test"] => test::run(),
        ["chaos", ref options @ ..] => chaos::run(options),
        ["bench", ref options @ ..] => measure::matrix(options),
        ["measure", ref options @ ..] => measure::run(options),
        ["tools"] => toolchains::run(),
        ["lint"] => lint::run(),
        _ => {
            eprintln!("`cargo xtask {}` is no command.\n\n{USAGE}", arguments.join(" "));
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { message, code }) => {
            if !message.is_empty() {
                eprintln!("{message}");
            }
            ExitCode::from(code)
        }
    }
}
