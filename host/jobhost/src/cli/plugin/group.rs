//! Runs a program of a build in a process group of its own, within limits of time and of what it answers. Whatever ends the
//! wait ends the group with all that it started: an error, a limit, a signal to this program.

use std::process::{ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};
use tokio::time::timeout_at;

/// How long a group has, once it is told to end. `make` removes what it was writing then, or would take it for whole.
const GRACE: Duration = Duration::from_secs(2);
/// Between two looks at whether it has ended.
const LOOK: Duration = Duration::from_millis(5);

/// How much a program may take.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    /// When it is ended.
    pub(super) until: tokio::time::Instant,
    /// Bytes that are kept of what it prints to stdout, where that is piped.
    pub(super) answer: u64,
}

/// Why a program did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    /// It could not be started or read.
    #[error(transparent)]
    System(#[from] std::io::Error),
    /// It took too long.
    #[error("it took too long")]
    Late,
    /// Its answer is too long.
    #[error("it printed more than {} MiB", .0 >> 20)]
    Long(u64),
}

/// Runs it to its end; what it printed to stdout, if that is piped. It reads nothing.
pub(super) async fn run(command: &mut Command, bounds: Bounds) -> Result<(ExitStatus, Vec<u8>), Ended> {
    let mut group = Group::start(command)?;
    let ended = timeout_at(bounds.until, group.wait(bounds.answer)).await.unwrap_or(Err(Ended::Late))?;
    group.has_ended = true;
    Ok(ended)
}

/// A program and what it starts.
struct Group {
    child: Child,
    id: Pid,
    has_ended: bool,
}

impl Group {
    fn start(command: &mut Command) -> std::io::Result<Self> {
        let child = command.stdin(Stdio::null()).process_group(0).kill_on_drop(true).spawn()?;
        let id = child.id().and_then(|id| i32::try_from(id).ok()).ok_or(Errno::ESRCH)?;
        Ok(Self { child, id: Pid::from_raw(id), has_ended: false })
    }

    async fn wait(&mut self, most: u64) -> Result<(ExitStatus, Vec<u8>), Ended> {
        let mut said = Vec::new();
        if let Some(answer) = self.child.stdout.take() {
            answer.take(most + 1).read_to_end(&mut said).await?;
            if said.len() as u64 > most {
                return Err(Ended::Long(most));
            }
        }
        Ok((self.child.wait().await?, said))
    }

    fn is_there(&mut self) -> bool {
        // One that nobody has waited for counts as a member of its group.
        let _ = self.child.try_wait();
        killpg(self.id, None).is_ok()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if self.has_ended {
            return;
        }
        let _ = killpg(self.id, Signal::SIGTERM);
        // One that wanted to ask something on the terminal, which is not its own, was stopped.
        let _ = killpg(self.id, Signal::SIGCONT);
        let told = Instant::now();
        while self.is_there() {
            if told.elapsed() > GRACE {
                let _ = killpg(self.id, Signal::SIGKILL);
                return;
            }
            thread::sleep(LOOK);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdout(Stdio::piped());
        command
    }

    fn within(time: Duration, answer: u64) -> Bounds {
        Bounds { until: tokio::time::Instant::now() + time, answer }
    }

    #[tokio::test]
    async fn a_program_answers_as_much_as_it_may_and_no_more() {
        let long = Duration::from_mins(1);
        let (status, said) = run(&mut shell("printf 12345; exit 3"), within(long, 5)).await.unwrap();
        assert_eq!((status.code(), said.as_slice()), (Some(3), b"12345".as_slice()));
        let ended = run(&mut shell("printf 123456; exec sleep 1000"), within(long, 5)).await;
        assert!(matches!(ended, Err(Ended::Long(5))), "{ended:?}");
        let ended = run(&mut shell("exec yes"), within(long, 1 << 20)).await.unwrap_err();
        assert_eq!(ended.to_string(), "it printed more than 1 MiB");
    }

    #[tokio::test]
    async fn a_program_that_takes_too_long_is_ended() {
        let ended = run(&mut shell("exec sleep 1000"), within(Duration::from_millis(20), 0)).await;
        assert!(matches!(ended, Err(Ended::Late)), "{ended:?}");
    }

    #[tokio::test]
    async fn all_that_a_program_started_ends_with_it_and_may_tidy_up_before() {
        let folder = tempfile::tempdir().unwrap();
        let mut script = shell("trap 'rm half; exit' TERM; touch half; sleep 1000 & echo $!; wait");
        let (group, child) = started(script.current_dir(folder.path())).await;
        assert!(folder.path().join("half").exists());
        drop(group);
        assert!(!folder.path().join("half").exists());
        wait_until_gone(child);
    }

    #[tokio::test]
    async fn a_program_that_does_not_want_to_end_is_killed() {
        let script = "trap '' TERM; echo $$; while :; do sleep 1000; done";
        let (group, id) = started(&mut shell(script)).await;
        drop(group);
        wait_until_gone(id);
    }

    /// Once it has said which process is meant.
    async fn started(command: &mut Command) -> (Group, i32) {
        let mut group = Group::start(command).unwrap();
        let mut said = String::new();
        let mut answer = group.child.stdout.take().unwrap();
        while !said.ends_with('\n') {
            said.push(char::from(answer.read_u8().await.unwrap()));
        }
        let id = said.trim().parse().unwrap();
        assert!(is_running(id));
        (group, id)
    }

    fn wait_until_gone(id: i32) {
        let since = Instant::now();
        while is_running(id) {
            assert!(since.elapsed() < Duration::from_secs(10), "{id} is still there");
            thread::sleep(LOOK);
        }
    }

    /// One that has ended may still wait for its parent to look.
    fn is_running(id: i32) -> bool {
        let state = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        let state = state.rsplit(") ").next().and_then(|rest| rest.chars().next());
        state.is_some_and(|state| !"ZX".contains(state))
    }
}
