//! One multiplexed connection to a Redis server: opening it, coming back after
//! it broke, sending a script again whose reply was lost, and telling what the
//! server's errors mean. It knows nothing of jobs.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ErrorKind, FromRedisValue, IntoConnectionInfo, RedisError,
    ScriptInvocation, ServerErrorKind, Value,
};
use tokio::runtime::Handle;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use crate::error::StoreError;

/// How long a connection may take to be there.
const CONNECT_WITHIN: Duration = Duration::from_secs(1);
/// How long the server may take to answer.
const RESPONSE_WITHIN: Duration = Duration::from_secs(3);
/// How long a call may take with everything: reconnecting, sending again.
const CALL_WITHIN: Duration = Duration::from_secs(5);
/// Between attempts to connect: doubled from the first to the last.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// `BLMOVE` came with 6.2.
const OLDEST_SERVER: (u32, u32) = (6, 2);
const EXAMPLE: &str = "redis://user:password@127.0.0.1:6379/0 or redis+unix:///run/redis.sock?db=0";

/// A server, connected or to be connected.
pub(super) struct Connection {
    client: Client,
    address: String,
    /// The runtime that connections belong to, whoever needs one.
    home: Handle,
    link: Mutex<Link>,
    /// Attempts to connect that failed, for those that queue for the link.
    failed: AtomicU64,
    /// Whether the server has once let us in.
    known: AtomicBool,
    /// Whether it was told that the connection is lost, and no call was answered since.
    lost: AtomicBool,
}

/// What is known of the connection in use.
#[derive(Default)]
struct Link {
    current: Option<MultiplexedConnection>,
    /// Counts connections, so that a broken one is dropped once.
    generation: u64,
    failures: u32,
    last_failure: Option<(Instant, String)>,
}

impl Connection {
    /// Connects, and looks whether the server is one that we can work with. The
    /// connections end with the runtime in which this is called.
    pub(super) async fn open(url: &str) -> Result<Self, StoreError> {
        let info = url.into_connection_info().map_err(|error| bad_url(url, &error.to_string()))?;
        if matches!(info.addr(), ConnectionAddr::TcpTls { .. }) {
            return Err(bad_url(url, "TLS is not supported"));
        }
        let address = match info.addr() {
            ConnectionAddr::Unix(path) => {
                format!("redis+unix://{}?db={}", path.display(), info.redis_settings().db())
            }
            ConnectionAddr::Tcp(host, port) if host.contains(':') => {
                format!("redis://[{host}]:{port}/{}", info.redis_settings().db())
            }
            tcp => format!("redis://{tcp}/{}", info.redis_settings().db()),
        };
        let info = info.set_tcp_settings(TcpSettings::default().set_nodelay(true));
        let client = Client::open(info).map_err(|error| bad_url(url, &error.to_string()))?;
        let connection = Self {
            client,
            address,
            home: Handle::current(),
            link: Mutex::default(),
            failed: AtomicU64::new(0),
            known: AtomicBool::new(false),
            lost: AtomicBool::new(false),
        };
        let facts: String = connection.query(&redis::cmd("INFO")).await?;
        connection.check_server(&facts)?;
        connection.known.store(true, Ordering::SeqCst);
        Ok(connection)
    }

    /// The server's address, without password.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Runs a script. If the connection breaks before the reply is there, it
    /// is sent once more over a new one: every script that writes is safe to
    /// send twice.
    pub(super) async fn invoke<T: FromRedisValue>(&self, script: &ScriptInvocation<'_>) -> Result<T, StoreError> {
        self.in_time(async {
            let mut again = true;
            loop {
                let (generation, mut link) = self.connected().await?;
                match script.invoke_async(&mut link).await {
                    Ok(reply) => {
                        self.answered();
                        return self.read(reply);
                    }
                    Err(error) => {
                        self.lose(generation, &error).await;
                        if !(again && is_broken(&error)) {
                            return Err(self.explain(&error));
                        }
                        again = false;
                    }
                }
            }
        })
        .await
    }

    /// Runs a command, which is not sent again.
    pub(super) async fn query<T: FromRedisValue>(&self, command: &redis::Cmd) -> Result<T, StoreError> {
        self.in_time(async {
            let (generation, mut link) = self.connected().await?;
            match command.query_async(&mut link).await {
                Ok(reply) => {
                    self.answered();
                    self.read(reply)
                }
                Err(error) => {
                    self.lose(generation, &error).await;
                    Err(self.explain(&error))
                }
            }
        })
        .await
    }

    /// A connection for one caller who blocks on it, without response timeout.
    pub(super) async fn dedicated(&self) -> Result<MultiplexedConnection, StoreError> {
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECT_WITHIN)).set_response_timeout(None);
        timeout(CALL_WITHIN, self.connect(config))
            .await
            .map_err(|_| self.unavailable("no connection in time"))?
            .map_err(|error| self.explain(&error))
    }

    /// What a whole reply says.
    fn read<T: FromRedisValue>(&self, reply: Value) -> Result<T, StoreError> {
        T::from_redis_value(reply).map_err(|error| self.corrupt("a reply", error.to_string()))
    }

    pub(super) fn unavailable(&self, reason: impl Into<String>) -> StoreError {
        StoreError::Unavailable { store: self.address.clone(), reason: reason.into() }
    }

    pub(super) fn corrupt(&self, place: impl Into<String>, reason: impl Into<String>) -> StoreError {
        StoreError::Corrupt { store: self.address.clone(), place: place.into(), reason: reason.into() }
    }

    /// What an error of the server or the connection means to the caller.
    pub(super) fn explain(&self, error: &RedisError) -> StoreError {
        let detail = error.detail().unwrap_or_default();
        let said = error.to_string();
        match (error.kind(), error.code().unwrap_or_default()) {
            (_, "CORRUPT") => {
                let (key, reason) = detail.split_once(' ').unwrap_or(("a key", detail));
                self.corrupt(format!("key `{key}`"), format!("{reason}; move or delete it"))
            }
            (_, "WRONGTYPE") => self.corrupt("a key", detail),
            // It let us in before: a password is being changed, or a full server
            // refuses, which the library does not tell from it.
            _ if is_stranger(error) && self.known.load(Ordering::SeqCst) => {
                self.unavailable(format!("the server asks for a password other than ours: {said}"))
            }
            (kind, _) if is_stranger(error) || kind == ErrorKind::Server(ServerErrorKind::NoPerm) => {
                StoreError::Invalid(format!(
                    "store {} refuses the user or password, or forbids a command that jobhost needs: {said}",
                    self.address
                ))
            }
            (ErrorKind::Io, _) | (_, "OOM" | "BUSY" | "MISCONF" | "NOREPLICAS" | "UNKILLABLE" | "UNBLOCKED") => {
                self.unavailable(said)
            }
            (ErrorKind::Server(kind), _) if is_passing(kind) => self.unavailable(said),
            _ if ["-OOM", "-READONLY", "-MISCONF", "max number of clients"].iter().any(|part| said.contains(part)) => {
                self.unavailable(said)
            }
            (ErrorKind::Parse, _) => self.unavailable("a reply was cut off, or what answers is no Redis server"),
            (ErrorKind::UnexpectedReturnType, _) => self.corrupt("a reply", said),
            _ => StoreError::Invalid(format!("store {} refuses a command: {said}", self.address)),
        }
    }

    async fn in_time<T>(&self, call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        timeout(CALL_WITHIN, call)
            .await
            .unwrap_or_else(|_| Err(self.unavailable(format!("no answer within {} s", CALL_WITHIN.as_secs()))))
    }

    /// A new connection, at home: all calls go through one task, which must not
    /// wait for what else runs where somebody happened to need it.
    async fn connect(&self, config: AsyncConnectionConfig) -> Result<MultiplexedConnection, RedisError> {
        let client = self.client.clone();
        // It is given up with whoever waits for it.
        let mut connecting = JoinSet::new();
        connecting
            .spawn_on(async move { client.get_multiplexed_async_connection_with_config(&config).await }, &self.home);
        match connecting.join_next().await {
            Some(Ok(connected)) => connected,
            Some(Err(error)) => Err(io::Error::from(error).into()),
            None => Err(io::Error::other("nobody connects").into()),
        }
    }

    /// The connection in use, or a new one. One caller connects at a time; the
    /// others share what comes of it.
    async fn connected(&self) -> Result<(u64, MultiplexedConnection), StoreError> {
        let failed = self.failed.load(Ordering::SeqCst);
        let mut link = self.link.lock().await;
        if let Some(current) = &link.current {
            return Ok((link.generation, current.clone()));
        }
        if let Some((at, reason)) = &link.last_failure {
            if self.failed.load(Ordering::SeqCst) != failed {
                return Err(self.unavailable(reason.clone()));
            }
            let pause = BACKOFF.0 * 2_u32.pow(link.failures.min(8));
            sleep_until(*at + pause.min(BACKOFF.1)).await;
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_WITHIN))
            .set_response_timeout(Some(RESPONSE_WITHIN));
        match self.connect(config).await {
            Ok(current) => {
                link.generation += 1;
                link.failures = 0;
                link.last_failure = None;
                link.current = Some(current.clone());
                Ok((link.generation, current))
            }
            Err(error) => {
                link.failures += 1;
                link.last_failure = Some((Instant::now(), error.to_string()));
                self.failed.fetch_add(1, Ordering::SeqCst);
                Err(self.explain(&error))
            }
        }
    }

    /// Forgets the connection on which this error came, if it tells of a
    /// broken or silent one, or of a server that is not the one to ask: what
    /// the address means may have changed, which only a new one finds out.
    async fn lose(&self, generation: u64, error: &RedisError) {
        if !(error.is_io_error() || is_torn(error) || is_stranger(error) || is_deposed(error)) {
            return self.answered();
        }
        let mut link = self.link.lock().await;
        let dropped = link.generation == generation && link.current.take().is_some();
        if dropped && !self.lost.swap(true, Ordering::SeqCst) {
            tracing::warn!(store = self.address, %error, "connection lost");
        }
    }

    /// A call was answered, be it by a refusal.
    fn answered(&self) {
        if self.lost.swap(false, Ordering::SeqCst) {
            tracing::info!(store = self.address, "connected again");
        }
    }

    fn check_server(&self, facts: &str) -> Result<(), StoreError> {
        if fact(facts, "cluster_enabled") == Some("1") {
            return Err(StoreError::Invalid(format!(
                "store {} is a Redis Cluster, which jobhost does not support yet; use a single server, with replicas if you like",
                self.address
            )));
        }
        let version = fact(facts, "redis_version").unwrap_or_default();
        let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
        if (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) < OLDEST_SERVER {
            return Err(StoreError::Invalid(format!(
                "store {} runs Redis `{version}`; jobhost needs {}.{} or later",
                self.address, OLDEST_SERVER.0, OLDEST_SERVER.1
            )));
        }
        Ok(())
    }
}

/// One value of what `INFO` says.
pub(super) fn fact<'f>(facts: &'f str, name: &str) -> Option<&'f str> {
    facts.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

/// Whether the connection broke, so that the reply may have been lost. A
/// timeout is none: the server may still be at work.
fn is_broken(error: &RedisError) -> bool {
    (error.is_io_error() && !error.is_timeout()) || is_torn(error)
}

/// Whether the connection ended amid a reply: what came of it cannot be read.
fn is_torn(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Parse
}

/// Whether the server does not know who asks. Before it does, it takes only short commands.
fn is_stranger(error: &RedisError) -> bool {
    error.kind() == ErrorKind::AuthenticationFailed
        || matches!(error.code(), Some("NOAUTH" | "WRONGPASS"))
        || error.to_string().contains("Protocol error: unauthenticated")
}

/// Whether the server takes no writes, or none at all without its master: after
/// a failover another one does.
fn is_deposed(error: &RedisError) -> bool {
    let kinds = [ServerErrorKind::ReadOnly, ServerErrorKind::MasterDown].map(ErrorKind::Server);
    kinds.contains(&error.kind()) || error.to_string().contains("-READONLY")
}

/// Whether the server says that it cannot now, but may later.
fn is_passing(kind: ServerErrorKind) -> bool {
    matches!(
        kind,
        ServerErrorKind::BusyLoading
            | ServerErrorKind::ReadOnly
            | ServerErrorKind::MasterDown
            | ServerErrorKind::ClusterDown
            | ServerErrorKind::TryAgain
            | ServerErrorKind::NoScript
    )
}

/// An address that cannot be used, told without the password that may be in it.
fn bad_url(url: &str, why: &str) -> StoreError {
    let shown = match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if at > scheme => {
            format!("{}://***{}", &url[..scheme], &url[at..])
        }
        (_, Some(at)) => format!("***{}", &url[at..]),
        _ => url.split("pass=").next().unwrap_or_default().to_owned(),
    };
    StoreError::Invalid(format!("`{shown}` is not a usable address of a Redis server: {why}; it looks like {EXAMPLE}"))
}
