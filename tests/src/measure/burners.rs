//! Processes that do nothing but keep the processor busy.

use std::process::{Child, Command, Stdio};
use std::thread::available_parallelism;

use crate::process;

/// They are killed when this is dropped.
pub(super) struct Burners(Vec<Child>);

impl Burners {
    /// One for each core.
    pub(super) fn one_per_core() -> Self {
        let cores = available_parallelism().map_or(1, usize::from);
        let burner = || process::spawn(Command::new("sh").args(["-c", "while :; do :; done"]).stdin(Stdio::null()));
        Self((0..cores).map(|_| burner()).collect())
    }
}

impl Drop for Burners {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
