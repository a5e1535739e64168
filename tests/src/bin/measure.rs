//! The measurements, for `cargo xtask measure`. It only reads arguments and shows what came of it; what is measured is
//! in the library.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line for developers")]

use std::path::{Path, PathBuf, absolute};
use std::process::ExitCode;

use jobhost_tests::measure::{Conditions, Figure, Measurement};
use serde_json::json;

const USAGE: &str = "usage: cargo xtask measure \
                     [--only lateness|recovery|duplicates|neighbours|swaps|starts|buckets|memory|hooks] \
                     [--component FILE] [--json FILE]";

/// What to do, as the arguments say.
struct Choice {
    measurements: Vec<Measurement>,
    /// A handler of any jobs, to start hosts with.
    component: Option<PathBuf>,
    /// Where to write the figures.
    file: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(choice) = choice(&arguments) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let conditions = Conditions::now();
    println!("{conditions}\n{}", Figure::heads());
    let mut figures = Vec::new();
    for measurement in choice.measurements {
        for figure in measurement.run(choice.component.as_deref()) {
            println!("{figure}");
            figures.push(figure);
        }
    }
    let missed: Vec<_> = figures.iter().filter(|figure| !figure.is_good()).collect();
    println!("\n{} figures, goals missed: {}", figures.len(), missed.len());
    for figure in &missed {
        println!("MISSED  {figure}");
    }
    if let Some(file) = choice.file
        && let Err(error) = write(&file, &conditions, &figures)
    {
        eprintln!("{} cannot be written: {error}", file.display());
        return ExitCode::FAILURE;
    }
    if missed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// `None` if the arguments are wrong.
fn choice(arguments: &[String]) -> Option<Choice> {
    let mut choice = Choice { measurements: Measurement::ALL.to_vec(), component: None, file: None };
    for pair in arguments.chunks(2) {
        let [option, value] = pair else { return None };
        match option.as_str() {
            "--only" => choice.measurements = vec![*Measurement::ALL.iter().find(|known| known.name() == value)?],
            // The hosts run in folders of their own.
            "--component" => choice.component = Some(absolute(value).ok()?),
            "--json" => choice.file = Some(PathBuf::from(value)),
            _ => return None,
        }
    }
    Some(choice)
}

fn write(file: &Path, conditions: &Conditions, figures: &[Figure]) -> std::io::Result<()> {
    let figures: Vec<_> = figures.iter().map(Figure::json).collect();
    let document = json!({"conditions": conditions.json(), "figures": figures});
    std::fs::write(file, format!("{document:#}\n"))
}
