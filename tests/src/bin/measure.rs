//! The measurements, for `cargo xtask measure`. It only reads arguments and shows what came of it; what is measured is
//! in the library.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line for developers")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use jobhost_tests::measure::{Conditions, Figure, Measurement};
use serde_json::json;

const USAGE: &str = "usage: cargo xtask measure [--only lateness|recovery|duplicates|neighbours] [--json FILE]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((chosen, file)) = choice(&arguments) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let conditions = Conditions::now();
    println!("{conditions}\n{}", Figure::heads());
    let mut figures = Vec::new();
    for measurement in chosen {
        for figure in measurement.run() {
            println!("{figure}");
            figures.push(figure);
        }
    }
    let missed: Vec<_> = figures.iter().filter(|figure| !figure.is_good()).collect();
    println!("\n{} figures, goals missed: {}", figures.len(), missed.len());
    for figure in &missed {
        println!("MISSED  {figure}");
    }
    if let Some(file) = file
        && let Err(error) = write(&file, &conditions, &figures)
    {
        eprintln!("{} cannot be written: {error}", file.display());
        return ExitCode::FAILURE;
    }
    if missed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What to measure, and the file for the figures; `None` if the arguments are wrong.
fn choice(arguments: &[String]) -> Option<(Vec<Measurement>, Option<PathBuf>)> {
    let (mut chosen, mut file) = (Measurement::ALL.to_vec(), None);
    for pair in arguments.chunks(2) {
        let [option, value] = pair else { return None };
        match option.as_str() {
            "--only" => chosen = vec![*Measurement::ALL.iter().find(|known| known.name() == value)?],
            "--json" => file = Some(PathBuf::from(value)),
            _ => return None,
        }
    }
    Some((chosen, file))
}

fn write(file: &Path, conditions: &Conditions, figures: &[Figure]) -> std::io::Result<()> {
    let figures: Vec<_> = figures.iter().map(Figure::json).collect();
    let document = json!({"conditions": conditions.json(), "figures": figures});
    std::fs::write(file, format!("{document:#}\n"))
}
