//! The hidden command that compiles one component under limits. jobhost starts
//! it by itself; what it takes and answers is the runtime's business.

use std::io;
use std::process;

use jobhost_runtime::compile_as_child;

use super::output::complain;
use crate::exit::Exit;

/// Does not come back: its exit codes are between it and its parent.
pub(super) fn run(arguments: &[String]) -> ! {
    match compile_as_child(arguments, io::stdout().lock()) {
        Ok(status) => process::exit(status.into()),
        Err(why) => {
            complain(&why);
            process::exit(Exit::Usage as i32)
        }
    }
}
