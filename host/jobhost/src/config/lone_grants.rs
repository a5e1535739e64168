//! Grants that stand by themselves and not in a configuration, such as those of a sample job, read by the same rules.

use std::path::Path;

use jobhost_queue::Channel;
use jobhost_runtime::Grants;
use toml::Table;
use toml::de::DeTable;

use super::DEFAULT_QUEUE;
use super::check::check_paths;
use super::file::{self, Reading};
use super::problem::Findings;
use super::section::Section;

/// Where they stand for as long as they are read.
const PLACE: &str = "plugins.sample.";

/// Reads what could stand in `[plugins.NAME.grants]`; relative paths count from `folder`. What is wrong, or not there, is told
/// by key.
pub fn read_lone_grants(grants: Table, folder: &Path) -> Result<Grants, Vec<String>> {
    let one = |why: String| vec![format!("grants: {why}")];
    let plugin = Table::from_iter([("path".into(), "sample.wasm".into()), ("grants".into(), grants.into())]);
    let plugins = Table::from_iter([("sample".to_owned(), plugin.into())]);
    let file = Table::from_iter([("plugins".to_owned(), plugins.into())]);
    let text = toml::to_string(&file).map_err(|error| one(error.to_string()))?;
    let findings = Findings::new(String::new(), &text);
    let table = DeTable::parse(&text).map_err(|error| one(error.to_string()))?;
    let stand_in = Channel::new(DEFAULT_QUEUE).map_err(|error| one(error.to_string()))?;
    let reading = Reading { findings: &findings, folder, stand_in: &stand_in };
    let mut read = file::read(Section::root(&findings, table.get_ref()), &reading);
    for plugin in &mut read.plugins {
        // There is no such file, and need not be.
        plugin.path_at = None;
    }
    check_paths(&read, &findings);
    let problems = findings.into_problems();
    if !problems.is_empty() {
        return Err(problems.into_iter().map(|problem| problem.message.replace(PLACE, "")).collect());
    }
    Ok(read.plugins.into_iter().next().map(|plugin| plugin.config.grants).unwrap_or_default())
}
