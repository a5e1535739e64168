//! A folder of a test's own, with a store and a configuration, to run
//! `jobhost` in.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::artifacts;
use crate::finished::Finished;
use crate::invocation::Invocation;
use crate::proxy::{Proxy, Upstream};
use crate::redis_server::RedisServer;
use crate::worker::Worker;

/// The order in which [`Workplace::counts`] tells them.
const STATES: [&str; 5] = ["waiting", "delayed", "reserved", "done", "failed"];

/// A folder and a store that nobody else uses. All is gone when it is dropped.
pub struct Workplace {
    // Dropped, and with it killed, before the folder that it writes to.
    redis: Option<RedisServer>,
    proxy: Option<Proxy>,
    folder: TempDir,
}

impl Workplace {
    /// One whose `jobhost.toml` names a SQLite file, which is not there yet.
    pub fn sqlite() -> Self {
        let place = Self::bare();
        place.configure("");
        place
    }

    /// One whose `jobhost.toml` names a Redis server, empty and running.
    pub fn redis() -> Self {
        Self::with_redis(RedisServer::start)
    }

    /// The same with a server that survives being killed.
    pub fn durable_redis() -> Self {
        Self::with_redis(RedisServer::start_durable)
    }

    /// The same with a proxy before it, which everything passes.
    pub fn proxied_redis() -> Self {
        let mut place = Self::with_redis(RedisServer::start_durable);
        place.proxy = Some(Proxy::before(Upstream::Tcp(place.server().address())));
        place.configure("");
        place
    }

    /// One without configuration.
    pub fn bare() -> Self {
        let folder = tempfile::Builder::new().prefix("jobhost-").tempdir();
        Self { redis: None, proxy: None, folder: folder.expect("there is room for a folder") }
    }

    /// The same with a server of one's own making, given the folder for its data.
    pub fn with_redis(start: impl FnOnce(&Path) -> RedisServer) -> Self {
        let mut place = Self::bare();
        place.make_folder("redis");
        place.redis = Some(start(&place.path("redis")));
        place.configure("");
        place
    }

    /// The server, where the store is one.
    #[track_caller]
    pub fn server(&self) -> &RedisServer {
        self.redis.as_ref().expect("the store is Redis")
    }

    /// The proxy, where there is one.
    #[track_caller]
    pub fn proxy(&self) -> &Proxy {
        self.proxy.as_ref().expect("there is a proxy before the store")
    }

    /// The same, to end it and start it again.
    #[track_caller]
    pub fn server_mut(&mut self) -> &mut RedisServer {
        self.redis.as_mut().expect("the store is Redis")
    }

    /// Whether the store is Redis.
    pub fn is_redis(&self) -> bool {
        self.redis.is_some()
    }

    /// The store's address.
    pub fn store(&self) -> String {
        match (&self.proxy, &self.redis) {
            (Some(proxy), _) => proxy.url(),
            (None, Some(server)) => server.url(),
            (None, None) => "sqlite:jobhost.db".to_owned(),
        }
    }

    /// A path in the folder.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.folder.path().join(relative)
    }

    /// Writes a file.
    #[track_caller]
    pub fn write(&self, relative: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(relative);
        fs::write(&path, content).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        path
    }

    /// Reads a file.
    #[track_caller]
    pub fn read(&self, relative: &str) -> Vec<u8> {
        let path = self.path(relative);
        fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Makes a folder, and those above it.
    #[track_caller]
    pub fn make_folder(&self, relative: &str) -> PathBuf {
        let path = self.path(relative);
        fs::create_dir_all(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        path
    }

    /// Names of what is in the folder, in order.
    pub fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).expect("the folder is there");
        let mut names: Vec<_> =
            entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// Writes `jobhost.toml`: the store, and then this.
    #[track_caller]
    pub fn configure(&self, rest: &str) {
        self.configure_with(&format!("store = \"{}\"\n{rest}", self.store()));
    }

    /// Writes `jobhost.toml`: this and nothing else.
    #[track_caller]
    pub fn configure_with(&self, content: &str) {
        self.write("jobhost.toml", content);
    }

    /// `jobhost` with these arguments, in the folder.
    pub fn jobhost(&self, args: &[&str]) -> Invocation {
        let mut command = Command::new(artifacts::jobhost());
        command.args(args).current_dir(self.folder.path());
        for variable in ["JOBHOST_CONFIG", "JOBHOST_STORE", "RUST_LOG", "NO_COLOR", "RUST_BACKTRACE"] {
            command.env_remove(variable);
        }
        // Not that of whoever runs the tests. Shared, so that each guest is compiled once.
        command.env("XDG_CACHE_HOME", artifacts::repository().join("target/test-cache"));
        Invocation::new(command)
    }

    /// Pushes a job and returns its id as it was printed.
    #[track_caller]
    pub fn push(&self, queue: &str, name: &str, payload: &str) -> String {
        let pushed = self.jobhost(&["push", name, payload, "--queue", queue]).run().success();
        pushed.text().to_owned()
    }

    /// `run` on a queue, to its end.
    #[track_caller]
    pub fn run(&self, queue: &str) -> Finished {
        self.jobhost(&["run", "--queue", queue]).run().success()
    }

    /// A worker in the background that takes jobs already.
    #[track_caller]
    pub fn listen(&self, args: &[&str]) -> Worker {
        let mut worker = self.jobhost(&[&["listen", "--json"], args].concat()).start();
        worker.wait_for("worker-started");
        worker
    }

    /// The counts of a queue: waiting, delayed, reserved, done, failed.
    #[track_caller]
    pub fn counts(&self, queue: &str) -> [u64; 5] {
        let info = self.jobhost(&["info", queue, "--json"]).run().success();
        let document = info.json();
        let counts = &document["queues"][queue];
        STATES.map(|state| counts[state].as_u64().unwrap_or_else(|| panic!("no count of {state} in {info}")))
    }

    /// What `status --json` says of a job.
    #[track_caller]
    pub fn status(&self, job: &str) -> Value {
        self.jobhost(&["status", job, "--json"]).run().success().json()
    }

    /// What `failed show --json` says of a job.
    #[track_caller]
    pub fn failure(&self, job: &str) -> Value {
        self.jobhost(&["failed", "show", job, "--json"]).run().success().json()
    }
}
