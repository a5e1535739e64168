//! Looks into the store for the leases of killed workers: which jobs each held
//! when it died, and when they were given back. It reads the stores' own keys
//! and tables, since no event tells this of every job.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use redis::RedisResult;
use rusqlite::OpenFlags;

use super::QUEUES;
use super::away::{Away, is_locked_by_a_frozen_process};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(100);
/// How often it looks in the end, if it sees nothing.
const LAST_LOOKS: u32 = 50;
/// A dead worker's lease that nobody ended for so long is a problem of its own.
const GIVEN_UP: Duration = Duration::from_mins(1);

/// A worker that was killed.
pub(crate) struct Death {
    /// The worker's number in the run.
    pub(crate) number: u64,
    pub(crate) pid: u32,
    pub(crate) at: Instant,
}

/// A job that a killed worker held.
#[derive(Clone, Debug)]
pub(crate) struct Inheritance {
    /// The worker's number in the run.
    pub(crate) number: u64,
    /// `queue/id`.
    pub(crate) job: String,
    pub(crate) killed: Instant,
    /// When its lease was gone; `None` if that was not seen.
    pub(crate) reclaimed: Option<Instant>,
    token: String,
}

/// Where the leases are.
#[derive(Clone)]
pub(crate) enum Source {
    /// A file.
    Sqlite(PathBuf),
    /// A server's address.
    Redis(String),
}

/// The thread that looks.
pub(crate) struct Watch {
    deaths: Sender<Death>,
    thread: JoinHandle<Vec<Inheritance>>,
}

impl Watch {
    pub(crate) fn start(source: Source, away: Away) -> Self {
        let (deaths, told) = channel();
        let thread = thread::spawn(move || watch(&source, &away, &told));
        Self { deaths, thread }
    }

    /// Who tells it of deaths.
    pub(crate) fn deaths(&self) -> Sender<Death> {
        self.deaths.clone()
    }

    /// All that the dead have left. Returns after all that tell of deaths are dropped.
    pub(crate) fn end(self) -> Vec<Inheritance> {
        drop(self.deaths);
        self.thread.join().expect("it has not panicked")
    }
}

/// A lease as it is stored.
struct Stored {
    job: String,
    token: String,
    /// `host:pid`
    worker: String,
}

fn watch(source: &Source, away: &Away, told: &Receiver<Death>) -> Vec<Inheritance> {
    let (mut eyes, mut dead, mut left) = (None, Vec::new(), Vec::new());
    let mut last_looks = LAST_LOOKS;
    loop {
        // Before the look, so that it shows all that they left.
        let over = loop {
            match told.try_recv() {
                Ok(death) => dead.push(death),
                Err(why) => break why == TryRecvError::Disconnected,
            }
        };
        if let Source::Sqlite(file) = source {
            if is_locked_by_a_frozen_process(file) { away.begins() } else { away.ends() }
        }
        if eyes.is_none() {
            eyes = Eyes::open(source);
        }
        let leases = eyes.as_mut().and_then(Eyes::look);
        match &leases {
            Some(leases) => note(leases, &mut dead, &mut left),
            None => eyes = None,
        }
        last_looks -= u32::from(over);
        if over && (leases.is_some() || last_looks == 0) {
            return left;
        }
        thread::sleep(PAUSE);
    }
}

fn note(leases: &[Stored], dead: &mut Vec<Death>, left: &mut Vec<Inheritance>) {
    let now = Instant::now();
    let by_token: HashMap<(&str, &str), &Stored> =
        leases.iter().map(|lease| ((lease.job.as_str(), lease.token.as_str()), lease)).collect();
    for one in left.iter_mut().filter(|one| one.reclaimed.is_none()) {
        if !by_token.contains_key(&(one.job.as_str(), one.token.as_str())) {
            one.reclaimed = Some(now);
        }
    }
    for death in dead.iter() {
        let suffix = format!(":{}", death.pid);
        for lease in leases.iter().filter(|lease| lease.worker.ends_with(&suffix)) {
            if left.iter().rev().any(|one| one.job == lease.job && one.token == lease.token) {
                continue;
            }
            left.push(Inheritance {
                number: death.number,
                job: lease.job.clone(),
                killed: death.at,
                reclaimed: None,
                token: lease.token.clone(),
            });
        }
    }
    // Later its number may be another process's.
    dead.retain(|death| now.saturating_duration_since(death.at) < GIVEN_UP);
}

/// A connection that only looks.
enum Eyes {
    Sqlite(rusqlite::Connection),
    Redis(redis::Connection),
}

impl Eyes {
    fn open(source: &Source) -> Option<Self> {
        match source {
            Source::Sqlite(file) => sqlite(file).map(Self::Sqlite),
            Source::Redis(url) => {
                let client = redis::Client::open(url.as_str()).ok()?;
                client.get_connection_with_timeout(Duration::from_secs(1)).ok().map(Self::Redis)
            }
        }
    }

    /// All leases, alive or dead; `None` if they cannot be seen now.
    fn look(&mut self) -> Option<Vec<Stored>> {
        match self {
            Self::Sqlite(sql) => from_sqlite(sql).ok(),
            Self::Redis(connection) => {
                let found: RedisResult<Vec<_>> = QUEUES.iter().map(|queue| from_redis(connection, queue)).collect();
                found.ok().map(|found| found.into_iter().flatten().collect())
            }
        }
    }
}

fn sqlite(file: &Path) -> Option<rusqlite::Connection> {
    let sql = rusqlite::Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
    sql.busy_timeout(Duration::from_secs(1)).ok()?;
    Some(sql)
}

fn from_sqlite(sql: &rusqlite::Connection) -> rusqlite::Result<Vec<Stored>> {
    sql.prepare_cached(
        "SELECT name, row & 0xffffffffff, token, worker FROM channels JOIN jobs ON channel = number
         WHERE state = 2 AND at IS NOT NULL",
    )?
    .query_map([], |row| {
        let (queue, id): (String, i64) = (row.get(0)?, row.get(1)?);
        Ok(Stored { job: format!("{queue}/{id}"), token: row.get(2)?, worker: row.get(3)? })
    })?
    .collect()
}

fn from_redis(connection: &mut redis::Connection, queue: &str) -> RedisResult<Vec<Stored>> {
    let ids: Vec<String> = redis::cmd("ZRANGE").arg(format!("{queue}:leases_at")).arg(0).arg(-1).query(connection)?;
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let fields: Vec<_> = ids.iter().map(|id| format!("{id}:lease")).collect();
    let records: Vec<Option<String>> =
        redis::cmd("HMGET").arg(format!("{queue}:jobs")).arg(fields).query(connection)?;
    // `token score reserved_at stopping ttr worker`
    let lease = |(id, record): (String, Option<String>)| {
        let record = record?;
        let mut words = record.splitn(6, ' ');
        let token = words.next()?.to_owned();
        Some(Stored { job: format!("{queue}/{id}"), token, worker: words.nth(4)?.to_owned() })
    };
    Ok(ids.into_iter().zip(records).filter_map(lease).collect())
}
