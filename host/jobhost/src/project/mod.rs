//! Plugin projects: folders with sources of which one plugin is made. Here is what `jobhost plugin new`, `build` and `test`
//! know of languages; nothing is run and nothing printed here.

mod bindings;
mod component;
mod grants;
pub mod languages;
mod name;
mod provided;
pub mod sample;
mod template;
mod vendored;

use std::path::{Path, PathBuf};

use crate::config::{Config, ConfigError, Place, Request, is_name, load};

pub use bindings::{generate, unimported};
pub use component::{encode, is_component};
pub use languages::{LANGUAGES, Language};
pub use name::check_new_name;
pub use provided::check_bundle;
pub use template::{Kind, files};

/// A folder in which a plugin is made.
pub struct Project {
    /// The folder; `.` where it is the working directory.
    pub folder: PathBuf,
    /// What it is written in.
    pub language: &'static Language,
    /// The plugin's name.
    pub name: String,
    /// The plugin's file, which need not be there yet.
    pub wasm: PathBuf,
}

impl Project {
    /// Recognises the language by the file that its build begins with, and the plugin by the configuration in the folder,
    /// else by the folder's name. The error is for the user.
    pub fn open(folder: &Path, request: &Request) -> Result<Self, ConfigError> {
        let problem = |message: String| ConfigError::one(Place::option(&folder.display().to_string()), message);
        if folder.exists() && !folder.is_dir() {
            return Err(problem("this is no folder; name the one that the project is in".to_owned()));
        }
        if !folder.is_dir() {
            return Err(problem("there is no such folder; `jobhost plugin new NAME` makes one".to_owned()));
        }
        let Some(language) = LANGUAGES.iter().find(|language| folder.join(language.mark).is_file()) else {
            let marks: Vec<_> = LANGUAGES.iter().map(|one| format!("{} ({})", one.mark, one.title)).collect();
            return Err(problem(format!(
                "this is no plugin's project: it has none of {}; `jobhost plugin new NAME` makes one",
                marks.join(", ")
            )));
        };
        let config = load(&Request { check_paths: false, ..request.clone() })?;
        let (name, wasm) = match of_config(&config, folder).as_slice() {
            [one] => one.clone(),
            [] => of_folder(folder).map_err(problem)?,
            several => {
                let names: Vec<_> = several.iter().map(|(name, _)| name.as_str()).collect();
                let names = names.join(", ");
                return Err(problem(format!(
                    "the configuration has several plugins of this folder: {names}; leave one"
                )));
            }
        };
        Ok(Self { folder: folder.to_owned(), language, name, wasm })
    }
}

/// The plugins whose file lies in the folder itself.
fn of_config(config: &Config, folder: &Path) -> Vec<(String, PathBuf)> {
    let lies_here = |path: &Path| {
        let parent = path.parent().unwrap_or(Path::new(""));
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        match (parent.canonicalize(), folder.canonicalize()) {
            (Ok(parent), Ok(folder)) => parent == folder,
            _ => false,
        }
    };
    let here = config.plugins.iter().filter(|plugin| lies_here(&plugin.path));
    here.map(|plugin| (plugin.name.clone(), plugin.path.clone())).collect()
}

fn of_folder(folder: &Path) -> Result<(String, PathBuf), String> {
    let full = folder.canonicalize().map_err(|error| error.to_string())?;
    let name = full.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if !is_name(&name) {
        return Err(format!(
            "the folder's name `{name}` cannot be a plugin's; name it in jobhost.toml: [plugins.NAME]"
        ));
    }
    let wasm = folder.join(format!("{name}.wasm"));
    Ok((name, wasm))
}
