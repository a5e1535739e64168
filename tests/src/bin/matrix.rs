//! The matrix of `jobhost bench`, for `cargo xtask bench`. It only reads arguments and writes what came of it; what is
//! measured is in the library.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line for developers")]

use std::path::Path;
use std::process::ExitCode;

use jobhost_tests::Workplace;
use jobhost_tests::matrix::{Choice, Row};
use jobhost_tests::measure::Conditions;
use serde_json::json;

const USAGE: &str =
    "usage: cargo xtask bench [--only sandboxes|stores|drains|backlogs]… [--store sqlite|sqlite-normal|redis]…
       [--guest no-op|rust|javascript|python|NAME=FILE]… [--concurrency N]… [--threads 1|all]… [--backlog N]…
       [--jobs N] [--runs N] [--table FILE] [--json FILE]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let choice = match Choice::read(&arguments) {
        Ok(choice) => choice,
        Err(why) => {
            eprintln!("{why}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let conditions = Conditions::now();
    println!("{conditions}\n{}", Row::heads());
    let (mut rows, guests) = (Vec::new(), Workplace::bare());
    for cell in choice.cells() {
        for row in cell.run(choice.jobs, choice.runs, &guests) {
            println!("{}", row.line());
            rows.push(row);
        }
        // After each cell: the whole takes long, and what was measured is not to be lost.
        if let Err(error) = write(&choice, &conditions, &rows) {
            eprintln!("the figures cannot be written: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn write(choice: &Choice, conditions: &Conditions, rows: &[Row]) -> std::io::Result<()> {
    let put = |file: &Path, text: String| {
        std::fs::write(file, text).map_err(|error| std::io::Error::other(format!("{}: {error}", file.display())))
    };
    if let Some(file) = &choice.table {
        let lines: Vec<_> = rows.iter().map(Row::line).collect();
        put(file, format!("```\n{conditions}```\n\n{}\n{}\n", Row::heads(), lines.join("\n")))?;
    }
    if let Some(file) = &choice.json {
        let rows: Vec<_> = rows.iter().map(Row::json).collect();
        put(file, format!("{:#}\n", json!({"conditions": conditions.json(), "rows": rows})))?;
    }
    Ok(())
}
