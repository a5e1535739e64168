//! `jobhost plugin new`: writes a small project that builds as it is. It overwrites nothing.

use std::fs::{self, File};
use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::path::Path;

use serde_json::json;

use super::super::args::PluginNewArgs;
use super::super::output::{Output, ask};
use super::bindings;
use crate::exit::{CliError, Exit};
use crate::project::languages::{Supplies, language, names};
use crate::project::{Kind, Language, check_new_name, files};

/// Bytes of an answer that are read.
const ANSWER: u64 = 100;

pub(super) fn run(args: &PluginNewArgs, output: Output) -> Result<Exit, CliError> {
    let language = match &args.lang {
        Some(name) => language(name),
        None => asked()?,
    };
    let language = language.ok_or_else(|| CliError::Usage(format!("a plugin can be written in {}", names())))?;
    check_new_name(&args.name, language).map_err(CliError::Usage)?;
    let kind = if args.hooks { Kind::Hooks } else { Kind::Handler };
    let files = files(&args.name, language, kind).map_err(CliError::Bug)?;
    let folder = Path::new(&args.name);
    write(folder, &files)?;
    if language.supplies == Supplies::CBindings {
        bindings::bring_up_to_date(folder)?;
    }
    let paths: Vec<_> = files.iter().map(|(path, _)| path.as_str()).collect();
    let document = json!({ "name": args.name, "language": language.name, "folder": folder, "files": paths });
    output.answer(&document, |paint| {
        let name = &args.name;
        let made = paint.good(&format!("{name}/ is a plugin in {}", language.title));
        format!("{made}\n\n  cd {name}\n  jobhost plugin test     # builds it, and runs its sample jobs\n  jobhost plugin build    # makes {name}.wasm\n")
    })?;
    Ok(Exit::Success)
}

/// Asks on the terminal. Without one nobody could answer.
fn asked() -> Result<Option<&'static Language>, CliError> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return Err(CliError::Usage(format!(
            "say --lang LANG where there is no terminal to ask; it is one of {}",
            names()
        )));
    }
    ask(&format!("Which language? ({}): ", names()));
    let mut answer = String::new();
    stdin
        .lock()
        .take(ANSWER)
        .read_line(&mut answer)
        .map_err(|error| CliError::Stream { what: "the answer cannot be read".to_owned(), error })?;
    Ok(language(&answer.trim().to_ascii_lowercase()))
}

/// Writes the files into a folder that is not there yet.
fn write(folder: &Path, files: &[(String, String)]) -> Result<(), CliError> {
    fs::create_dir(folder).map_err(|error| {
        let folder = folder.display();
        CliError::NotSo(match error.kind() {
            io::ErrorKind::AlreadyExists => {
                format!("there is a `{folder}` already, and nothing is overwritten; choose another name or remove it")
            }
            _ => format!("the folder `{folder}` cannot be made: {error}"),
        })
    })?;
    for (path, text) in files {
        let path = folder.join(path);
        let wrong = |error: io::Error| CliError::NotSo(format!("{} cannot be written: {error}", path.display()));
        fs::create_dir_all(path.parent().unwrap_or(folder)).map_err(wrong)?;
        File::create_new(&path).and_then(|mut file| file.write_all(text.as_bytes())).map_err(wrong)?;
    }
    Ok(())
}
