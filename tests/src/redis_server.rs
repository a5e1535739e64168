//! A Redis server of a test's own, on a port of its own.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::process;

/// A private server. It is killed when it is dropped.
pub struct RedisServer {
    child: Child,
    port: u16,
    folder: PathBuf,
    options: Vec<String>,
}

impl RedisServer {
    /// Starts one that forgets everything when it ends.
    pub fn start(folder: &Path) -> Self {
        Self::start_with(folder, &["--appendonly", "no"])
    }

    /// Starts one that has written every change to the disk before it answers.
    pub fn start_durable(folder: &Path) -> Self {
        Self::start_with(folder, &["--appendonly", "yes", "--appendfsync", "always"])
    }

    /// Starts one with further options, as the server's command line has them.
    pub fn start_with(folder: &Path, options: &[&str]) -> Self {
        let options: Vec<_> = options.iter().map(|option| (*option).to_owned()).collect();
        // Between finding a free port and using it somebody else may take it.
        for _ in 0..10 {
            let port = free_port();
            let child = spawn(folder, port, &options);
            let mut server = Self { child, port, folder: folder.to_owned(), options: options.clone() };
            if server.answers() {
                return server;
            }
        }
        panic!("no Redis server could be started in {}", folder.display());
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("redis://{}/0", self.address())
    }

    /// Host and port, as in its address.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Stops it where it stands, so that it answers nobody, or lets it go on.
    pub fn freeze(&self, frozen: bool) {
        process::signal(&self.child, if frozen { Signal::SIGSTOP } else { Signal::SIGCONT });
    }

    /// A connection, as any other program has it.
    #[track_caller]
    pub fn connect(&self) -> redis::Connection {
        let client = redis::Client::open(self.url()).expect("the address is right");
        client.get_connection_with_timeout(Duration::from_secs(5)).expect("the server answers")
    }

    /// Runs one command, given as words.
    #[track_caller]
    pub fn command<T: redis::FromRedisValue>(&self, words: &[&str]) -> T {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        command.query(&mut self.connect()).unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    /// All keys in order.
    #[track_caller]
    pub fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = self.command(&["KEYS", "*"]);
        keys.sort();
        keys
    }

    /// Ends it without a word to its clients.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again on the same port, after a `kill`.
    pub fn restart(&mut self) {
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(10) {
            self.child = spawn(&self.folder, self.port, &self.options);
            if self.answers() {
                return;
            }
        }
        panic!("the Redis server did not come back on port {}", self.port);
    }

    /// The same with further options, and at once: it may still load its data.
    pub fn restart_with(&mut self, more: &[&str]) {
        let options: Vec<_> = self.options.iter().cloned().chain(more.iter().map(|one| (*one).to_owned())).collect();
        self.child = spawn(&self.folder, self.port, &options);
    }

    fn answers(&mut self) -> bool {
        let client = redis::Client::open(self.url()).expect("the address is right");
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(10) {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return false;
            }
            let ours = client
                .get_connection_with_timeout(Duration::from_secs(1))
                .and_then(|mut connection| redis::cmd("INFO").query::<String>(&mut connection));
            // Another server on this port is not ours, and one that still loads refuses all else.
            let process = format!("process_id:{}\r", self.child.id());
            if ours.is_ok_and(|info| info.contains(&process) && info.contains("\nloading:0\r")) {
                return true;
            }
            thread::sleep(Duration::from_millis(5));
        }
        false
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port that nobody listened on a moment ago.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("there is a free port");
    listener.local_addr().expect("it has an address").port()
}

fn spawn(folder: &Path, port: u16, options: &[String]) -> Child {
    let mut command = Command::new("redis-server");
    command
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
        .args(options)
        .arg("--dir")
        .arg(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    process::spawn(&mut command)
}
