//! The options of the commands that make a plugin.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::config::parse_duration;
use crate::project::LANGUAGES;

/// Of `plugin new`.
#[derive(Clone, Debug, Args)]
pub struct PluginNewArgs {
    /// Its name, and that of the folder which is made for it
    #[arg(value_name = "NAME")]
    pub name: String,
    /// What it is written in
    #[arg(long, short = 'l', value_name = "LANG", value_parser = LANGUAGES.iter().map(|one| one.name).collect::<Vec<_>>())]
    pub lang: Option<String>,
    /// A hook, which hears of the jobs of others, in place of a handler
    #[arg(long)]
    pub hooks: bool,
}

/// Of `plugin build`.
#[derive(Clone, Debug, Args)]
pub struct PluginBuildArgs {
    /// The project's folder
    #[arg(value_name = "DIR", default_value = ".")]
    pub folder: PathBuf,
    /// How long building may take, such as 90s or 2h; the tools are then ended
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = parse_timeout)]
    pub timeout: Duration,
}

/// Of `plugin test`.
#[derive(Clone, Debug, Args)]
pub struct PluginTestArgs {
    /// The project's folder
    #[arg(value_name = "DIR", default_value = ".")]
    pub folder: PathBuf,
    /// Write what came out into the files, as what is expected from now on
    #[arg(long, conflicts_with = "watch")]
    pub update: bool,
    /// Do it again whenever a file of the project changes, until told to stop
    #[arg(long)]
    pub watch: bool,
    /// How long building may take, such as 90s or 2h; the tools are then ended
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = parse_timeout)]
    pub timeout: Duration,
}

fn parse_timeout(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        none if none.is_zero() => Err("building takes some time".to_owned()),
        some => Ok(some),
    }
}
