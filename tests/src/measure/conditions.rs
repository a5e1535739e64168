//! Where and when something was measured. Without this a figure says nothing.

use std::fmt;
use std::fs;
use std::process::Command;
use std::thread::available_parallelism;

use serde_json::{Value, json};

use crate::artifacts::repository;

/// Of one run of measurements, at its start.
#[derive(Clone, Debug)]
pub struct Conditions {
    rows: Vec<(&'static str, String)>,
}

impl Conditions {
    /// Those of here and now. What cannot be found out is told as `unknown`.
    pub fn now() -> Self {
        let profile = if cfg!(debug_assertions) { "dev (its figures say little)" } else { "release" };
        let commit = printed("git", &["rev-parse", "--short=12", "HEAD"]);
        let dirty = !printed("git", &["status", "--porcelain"]).is_empty();
        Self {
            rows: vec![
                ("date", printed("date", &["-u", "+%Y-%m-%d %H:%M:%S UTC"])),
                ("commit", if dirty { format!("{commit}, with changes") } else { commit }),
                ("build", profile.to_owned()),
                ("cores", available_parallelism().map_or("unknown".to_owned(), |cores| cores.to_string())),
                ("processor", processor()),
                ("kernel", printed("uname", &["-sr"])),
                ("load average", load_average()),
            ],
        }
    }

    /// For programs.
    pub fn json(&self) -> Value {
        self.rows.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect()
    }
}

impl fmt::Display for Conditions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rows.iter().try_for_each(|(name, value)| writeln!(f, "{name:>12}  {value}"))
    }
}

/// Of the last 1, 5 and 15 minutes, separated by blanks.
pub fn load_average() -> String {
    let all = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let three: Vec<_> = all.split(' ').take(3).collect();
    if three.is_empty() { "unknown".to_owned() } else { three.join(" ") }
}

fn processor() -> String {
    let all = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = all.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or("unknown".to_owned(), |(_, name)| name.trim().to_owned())
}

fn printed(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(repository()).output();
    output.map_or("unknown".to_owned(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
