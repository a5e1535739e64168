//! Children that do not outlive the test that started them.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

use nix::sys::prctl::set_pdeathsig;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{self, SigHandler, Signal, kill};
use nix::unistd::Pid;

/// Starts it so that the kernel kills it when the thread that did so ends,
/// however that comes about.
pub(crate) fn spawn(command: &mut Command) -> Child {
    #[expect(unsafe_code, reason = "prctl is async-signal-safe, and there is no other way to ask for this")]
    // SAFETY: between fork and exec the closure makes one system call and allocates nothing.
    unsafe {
        command.pre_exec(|| Ok(set_pdeathsig(Signal::SIGKILL)?));
    }
    command.spawn().unwrap_or_else(|error| panic!("{command:?} cannot be started: {error}"))
}

/// From its start it may write no file beyond so many bytes: a signal ends it
/// when it does, unless it `survives` with an error.
pub(crate) fn limit_files(command: &mut Command, bytes: u64, survives: bool) {
    #[expect(unsafe_code, reason = "both calls are async-signal-safe, and only the child may be limited")]
    // SAFETY: between fork and exec the closure makes two system calls and allocates nothing.
    unsafe {
        command.pre_exec(move || {
            let answer = if survives { SigHandler::SigIgn } else { SigHandler::SigDfl };
            signal::signal(Signal::SIGXFSZ, answer)?;
            Ok(setrlimit(Resource::RLIMIT_FSIZE, bytes, bytes)?)
        });
    }
}

/// It begins with room for so many open files, which it may make larger as far as the tests themselves may.
pub(crate) fn begin_with_open_files(command: &mut Command, files: u64) {
    #[expect(unsafe_code, reason = "both calls are async-signal-safe, and only the child may be limited")]
    // SAFETY: between fork and exec the closure makes two system calls and allocates nothing.
    unsafe {
        command.pre_exec(move || {
            let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
            Ok(setrlimit(Resource::RLIMIT_NOFILE, files, most)?)
        });
    }
}

/// Sends a signal to a child that has not been waited for.
pub(crate) fn signal(child: &Child, signal: Signal) {
    let pid = i32::try_from(child.id()).map_or_else(|_| panic!("pid {} fits", child.id()), Pid::from_raw);
    kill(pid, signal).unwrap_or_else(|error| panic!("{signal} to {pid}: {error}"));
}
