//! Runs every test, after installing what they need.

use std::process::Command;

use crate::process::{self, Failure, cargo, guest_cargo, is_installed, output, root, succeeds};
use crate::{binary, plugins};

/// `cargo xtask test`. The last lines are the test runner's own summary.
pub(crate) fn run() -> Result<(), Failure> {
    ensure_redis()?;
    plugins::build()?;
    process::run(guest_cargo(&root().join("plugins")).args(["test", "--workspace"]))?;
    // The tests of the whole program start it.
    binary::build()?;
    process::run(cargo(&root()).args(["test", "--workspace", "--no-fail-fast"])).map_err(|failure| Failure {
        // The runner has just said which tests failed.
        message: String::new(),
        ..failure
    })
}

/// The tests of the Redis store start servers of their own.
fn ensure_redis() -> Result<(), Failure> {
    if is_installed("redis-server") {
        return Ok(());
    }
    let missing = "The tests of the Redis store need redis-server on the PATH";
    if !is_installed("apt-get") {
        return Err(Failure::new(format!("{missing}. Install it and run this again.")));
    }
    let root_user = output(Command::new("id").arg("-u"))? == "0";
    if !root_user && !succeeds(Command::new("sudo").args(["-n", "true"])) {
        return Err(Failure::new(format!("{missing}. Run `sudo apt-get install redis-server`, then this again.")));
    }
    println!("{missing}: installing it.");
    for arguments in [&["update"][..], &["install", "--yes", "--no-install-recommends", "redis-server"]] {
        process::run(&mut apt_get(root_user, arguments))?;
    }
    Ok(())
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
