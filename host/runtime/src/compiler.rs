//! Compiles in a child process with limits: a component that takes for ever or all memory ends the child, not the host.
//! The child is this program again, which is given the component on its standard input and writes the code to its
//! standard output.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;

use crate::compiled::Compiled;
use crate::engine::Build;
use crate::limits::bytes;
use crate::load_error::Problem;
use crate::output::shown;

/// Bytes of stderr that are read of a child, and characters of its first line that a message shows.
const STDERR: u64 = 64 << 10;
const SHOWN: usize = 500;

/// Bytes of code that one component may compile to.
const CODE: u64 = 1 << 30;

/// How long a child that has closed its output may take to end.
const LAST: Duration = Duration::from_secs(1);

/// Threads of a child. More would reserve address space without need.
const THREADS: usize = 4;

/// What the child ends with where it is the component that cannot be compiled; why stands in its standard output.
const INVALID: u8 = 3;
const UNSUPPORTED: u8 = 4;

/// What a child has written to its standard output and its standard error.
type Answer = (Vec<u8>, Vec<u8>);

/// How components are compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiler {
    /// The program to start, and its first arguments. It must call [`compile_as_child`] with the three that follow.
    pub program: PathBuf,
    /// As above.
    pub arguments: Vec<OsString>,
    /// Bytes of address space that the child may have.
    pub memory: u64,
    /// How long one component may take.
    pub time: Duration,
}

impl Compiler {
    /// The code of a component. It blocks until the child has ended, which is at the latest when its time is over.
    pub(crate) fn compile(&self, build: Build, wasm: &[u8]) -> Result<Compiled, Problem> {
        let trouble = |error: io::Error| Problem::Host(format!("the compiler's process: {error}"));
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .args([build.fuel.to_string(), self.memory.to_string(), self.time.as_secs().max(1).to_string()])
            // It needs nothing of this process, secrets least of all.
            .env_clear()
            .env("RAYON_NUM_THREADS", threads().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(trouble)?;
        let (answer, status) = self.talk(&mut child, wasm).map_err(trouble)?;
        match answer {
            Some((code, _)) if bytes(code.len()) > CODE => Err(self.beyond(&format!("more than {CODE} bytes of code"))),
            Some((code, _)) if status.success() => Ok(Compiled::of_compiler(code)),
            Some((why, _)) if status.code() == Some(INVALID.into()) => Err(Problem::Invalid(text(&why))),
            Some((why, _)) if status.code() == Some(UNSUPPORTED.into()) => Err(Problem::Limit(text(&why))),
            Some((_, stderr)) => Err(self.beyond(&format!("{status}{}", first_line(&stderr)))),
            None => Err(self.beyond("it was stopped")),
        }
    }

    /// Sends the component; returns stdout and stderr at their ends, none if that took too long, and how the child ended.
    fn talk(&self, child: &mut Child, wasm: &[u8]) -> io::Result<(Option<Answer>, ExitStatus)> {
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let errors = read_to_end(stderr, STDERR);
        let code = read_to_end(stdout, CODE + 1);
        thread::scope(|scope| {
            // A child that does not read to the end closes the pipe, which says nothing yet.
            scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(wasm)));
            let code = code.recv_timeout(self.time).ok();
            // One that has closed its output has nothing more to say, and nor has one whose time is over.
            let status = end(child, if code.is_some() { LAST } else { Duration::ZERO })?;
            let errors = errors.recv_timeout(LAST).unwrap_or_default();
            Ok((code.map(|code| (code, errors)), status))
        })
    }

    fn beyond(&self, how: &str) -> Problem {
        Problem::Compiling { memory: self.memory, seconds: self.time.as_secs(), how: how.to_owned() }
    }
}

fn threads() -> usize {
    thread::available_parallelism().map_or(1, |threads| threads.get().min(THREADS))
}

fn read_to_end(pipe: Option<impl Read + Send + 'static>, most: u64) -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut content = Vec::new();
        if let Some(pipe) = pipe {
            let _ = pipe.take(most).read_to_end(&mut content);
        }
        // Nobody waits for a child that took too long.
        let _ = sender.send(content);
    });
    receiver
}

/// The status of a child that ends within this time, or is killed.
fn end(child: &mut Child, within: Duration) -> io::Result<ExitStatus> {
    let deadline = Instant::now() + within;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if Instant::now() >= deadline {
            let _ = child.kill();
            return child.wait();
        }
        thread::sleep(Duration::from_millis(1));
    }
}

fn text(answer: &[u8]) -> String {
    String::from_utf8_lossy(answer).into_owned()
}

/// Where a process that dies of its limits says so; notes of the runtime follow.
fn first_line(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    match text.lines().find(|line| !line.trim().is_empty()) {
        Some(line) => format!(": {}", shown(line.trim(), SHOWN)),
        None => String::new(),
    }
}

/// What the child does: limits itself by the arguments, reads a component from standard input, compiles it and writes
/// the code. Returns the status to exit with. The error is for those who started it by hand.
pub fn compile_as_child(arguments: &[String], mut output: impl Write) -> Result<u8, String> {
    let [fuel, memory, seconds] = arguments else {
        return Err("expected three arguments: fuel, memory, seconds; jobhost itself starts this".to_owned());
    };
    let number = |text: &String| text.parse::<u64>().map_err(|error| format!("{text:?}: {error}"));
    let (memory, seconds) = (number(memory)?, number(seconds)?);
    let said = |error: &dyn std::fmt::Display| error.to_string();
    // It must not go on for nobody.
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).map_err(|error| said(&error))?;
    // Where memory runs out it is this process that goes, and not the worker, with its jobs.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    lower(Resource::RLIMIT_CORE, 0).map_err(|error| said(&error))?;
    lower(Resource::RLIMIT_AS, memory).map_err(|error| said(&error))?;
    // All threads together; the parent looks at the clock on the wall.
    lower(Resource::RLIMIT_CPU, seconds.saturating_mul(bytes(threads()))).map_err(|error| said(&error))?;
    let mut wasm = Vec::new();
    io::stdin().lock().read_to_end(&mut wasm).map_err(|error| said(&error))?;
    let engine = crate::engine::compiling(fuel == "true").map_err(|error| said(&error))?;
    let (answer, status) = match Compiled::here(&engine, &wasm) {
        Ok(compiled) => (compiled.into_code(), 0),
        Err(Problem::Invalid(why)) => (why.into_bytes(), INVALID),
        Err(Problem::Limit(why)) => (why.into_bytes(), UNSUPPORTED),
        Err(other) => return Err(other.to_string()),
    };
    output.write_all(&answer).and_then(|()| output.flush()).map_err(|error| said(&error))?;
    Ok(status)
}

/// Sets a limit, unless whoever started the host has set a lower one.
fn lower(resource: Resource, limit: u64) -> nix::Result<()> {
    let (_, most) = getrlimit(resource)?;
    setrlimit(resource, limit.min(most), limit.min(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_that_reads_nothing_closes_its_output_and_stays_is_ended() {
        let compiler = Compiler {
            program: "/bin/sh".into(),
            arguments: ["-c", "exec sleep 3600 >&-"].map(OsString::from).to_vec(),
            memory: 1 << 30,
            time: Duration::from_hours(1),
        };
        let build = Build { fuel: false, pooling: false, stack: 1 << 19 };
        // More than a pipe holds.
        let why = compiler.compile(build, &vec![0; 1 << 20]).err().unwrap().to_string();
        assert!(why.contains("signal: 9"), "{why}");
    }
}
