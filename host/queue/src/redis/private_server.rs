//! A Redis server of a test's own: no persistence, a socket in a temporary
//! folder, stopped on drop. For tests; production code never starts servers.

use std::io;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A running `redis-server`.
#[derive(Debug)]
pub struct PrivateRedis {
    folder: PathBuf,
    args: Vec<String>,
    child: Option<Child>,
}

impl PrivateRedis {
    /// Starts an empty server and waits until it answers.
    ///
    /// # Panics
    /// If there is no `redis-server`, or it does not start: the message says
    /// how to install it.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same with further arguments, such as `--requirepass secret`.
    ///
    /// # Panics
    /// Like [`PrivateRedis::start`].
    pub fn start_with(args: &[&str]) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let nth = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("jobhost-redis-{}-{nth}", std::process::id()));
        let mut server = Self { folder, args: args.iter().map(|arg| (*arg).to_owned()).collect(), child: None };
        server.restart();
        server
    }

    /// The address to open.
    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.socket().display())
    }

    /// The server's socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.join("socket")
    }

    /// Kills it at once; what it held is gone.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Gone already is as good as killed.
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = std::fs::remove_file(self.socket());
    }

    /// Starts it again, empty, at the same address.
    ///
    /// # Panics
    /// Like [`PrivateRedis::start`].
    pub fn restart(&mut self) {
        self.kill();
        if let Err(error) = self.launch() {
            panic!("{error}");
        }
    }

    fn launch(&mut self) -> Result<(), String> {
        let told = |what: &str, error: &dyn std::fmt::Display| format!("the tests' own redis-server {what}: {error}");
        std::fs::create_dir_all(&self.folder).map_err(|error| told("has no folder", &error))?;
        let log = std::fs::File::create(self.folder.join("log")).map_err(|error| told("has no log", &error))?;
        let child = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "no"])
            .arg("--unixsocket")
            .arg(self.socket())
            .arg("--dir")
            .arg(&self.folder)
            .args(&self.args)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(Stdio::null())
            .spawn();
        let child = child.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => "these tests need `redis-server` (6.2 or later) on the PATH: \
                install it with `apt-get install redis-server`, `dnf install redis` or `brew install redis`"
                .to_owned(),
            _ => told("does not start", &error),
        })?;
        self.child = Some(child);
        self.await_socket()
    }

    /// Waits until somebody listens on the socket. There is no event to wait
    /// for: the server makes it some time after it was started.
    fn await_socket(&self) -> Result<(), String> {
        let deadline = Instant::now() + Duration::from_secs(20);
        while std::os::unix::net::UnixStream::connect(self.socket()).is_err() {
            if Instant::now() > deadline {
                let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
                return Err(format!("the tests' own redis-server does not answer within 20 s; its log:\n{log}"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Drop for PrivateRedis {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
