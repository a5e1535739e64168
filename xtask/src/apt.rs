//! Debian packages, installed where that is possible without asking anybody.

use std::process::Command;

use crate::process::{self, Failure, is_installed, output, succeeds};

/// Installs packages; the error says what to do instead.
pub(crate) fn install(packages: &[&str]) -> Result<(), Failure> {
    let names = packages.join(" ");
    if !is_installed("apt-get") {
        return Err(Failure::new(format!("There is no apt-get. Install what the Debian packages {names} have.")));
    }
    let root_user = output(Command::new("id").arg("-u"))? == "0";
    if !root_user && !succeeds(Command::new("sudo").args(["-n", "true"])) {
        return Err(Failure::new(format!(
            "Run `sudo apt-get install --no-install-recommends {names}`, then this again."
        )));
    }
    process::run(&mut apt_get(root_user, &["update"]))?;
    let install = ["install", "--yes", "--no-install-recommends"];
    process::run(&mut apt_get(root_user, &[&install, packages].concat()))
}

fn apt_get(root_user: bool, arguments: &[&str]) -> Command {
    let mut command = Command::new(if root_user { "env" } else { "sudo" });
    if !root_user {
        command.args(["-n", "env"]);
    }
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]);
    command.args(arguments);
    command
}
