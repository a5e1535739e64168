//! Opens the file of a store: refuses what is not one, creates what is absent,
//! and hands out connections with the right settings.

use std::any::Any;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::address::{Address, Synchronous};
use super::busy;
use super::failure::Failure;
use crate::clock::{Clock, UnixMillis, system_now};
use crate::error::StoreError;

/// What tells a jobhost store from any other SQLite file: "jobh".
const APPLICATION_ID: i32 = i32::from_be_bytes(*b"jobh");
/// What each version of the schema added to the one before, from version 1 on. A file gets what it lacks when it is opened.
const SCHEMAS: [&str; 4] =
    [include_str!("schema.sql"), include_str!("keyvalue.sql"), include_str!("workers.sql"), include_str!("trials.sql")];
/// The latest version.
#[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "there are a few")]
const SCHEMA: i32 = SCHEMAS.len() as i32;
/// What is left of the `-wal` file after a checkpoint, in bytes at most.
const LOG_KEPT: u32 = 64 << 20;
/// How long a writer waits for another process's lock.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// How long a caller waits for an answer. Longer than two callers in a row may
/// wait for another process's lock: past that it is the disk that hangs.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// A store's file, and how to go about it.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// As it was given.
    pub address: String,
    pub path: PathBuf,
    pub synchronous: Synchronous,
    pub patience: Duration,
    pub answer_within: Duration,
    pub clock: Clock,
    /// Which file was opened, by device and number.
    pub opened: OnceLock<(u64, u64)>,
}

impl Place {
    pub(super) fn new(url: &str, clock: Clock) -> Result<Self, StoreError> {
        let Address { path, synchronous } = Address::parse(url)?;
        // Later the working directory may be another one.
        let path = std::path::absolute(&path).map_err(StoreError::invalid)?;
        Ok(Self {
            address: url.to_owned(),
            path,
            synchronous,
            patience: PATIENCE,
            answer_within: ANSWER_WITHIN,
            clock,
            opened: OnceLock::new(),
        })
    }

    /// The answer to a call, or that there was none in time: a caller must not
    /// hang with the disk.
    pub(super) async fn in_time<T>(&self, call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let answered = tokio::time::timeout(self.answer_within, call).await;
        answered.unwrap_or_else(|_| {
            Err(StoreError::Unavailable {
                store: self.address.clone(),
                reason: format!(
                    "{} was not read or written within {} s; look at its disk",
                    self.path.display(),
                    self.answer_within.as_secs()
                ),
            })
        })
    }

    /// What a panic in a call is: a bug, which a repeat would meet again.
    pub(super) fn cut_short(&self, panic: &(dyn Any + Send)) -> StoreError {
        let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
        StoreError::Invalid(format!(
            "a call of store {} was cut short, which is a bug of jobhost: {}",
            self.address,
            text.unwrap_or("a panic without a text")
        ))
    }

    /// The time by which this store decides.
    pub(super) fn now(&self) -> UnixMillis {
        self.clock.overridden().unwrap_or_else(system_now)
    }

    /// The first connection: checks the file, and creates it unless `only_look`.
    pub(super) fn open(&self, only_look: bool) -> Result<Connection, StoreError> {
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        let is_there = self.path.metadata().is_ok_and(|found| found.len() > 0);
        if only_look && !is_there {
            return Err(StoreError::Absent(self.path.display().to_string()));
        }
        if !folder.is_dir() {
            return Err(StoreError::Invalid(format!(
                "the folder {} of store {} does not exist; create it first",
                folder.display(),
                self.address
            )));
        }
        if self.path.is_dir() {
            return Err(StoreError::Invalid(format!(
                "{} is a folder; store {} needs a file",
                self.path.display(),
                self.address
            )));
        }
        self.refuse_network(folder)?;
        self.refuse_foreign()?;
        let mut connection = self.connect(OpenFlags::SQLITE_OPEN_CREATE)?;
        self.prepare(&mut connection)?;
        if let Some(found) = self.identity() {
            let _ = self.opened.set(found);
        }
        Ok(connection)
    }

    /// Whether the path still names the file that was opened. SQLite itself
    /// would go on writing to one that nobody else sees any more.
    pub(super) fn is_still_there(&self) -> Result<(), StoreError> {
        match self.opened.get() {
            Some(opened) if self.identity() != Some(*opened) => Err(StoreError::Unavailable {
                store: self.address.clone(),
                reason: format!(
                    "{} was deleted, moved away or replaced while it was open; put it back, or start again",
                    self.path.display()
                ),
            }),
            _ => Ok(()),
        }
    }

    #[cfg(unix)]
    fn identity(&self) -> Option<(u64, u64)> {
        use std::os::unix::fs::MetadataExt;
        let found = self.path.metadata().ok()?;
        Some((found.dev(), found.ino()))
    }

    #[cfg(not(unix))]
    fn identity(&self) -> Option<(u64, u64)> {
        None
    }

    /// A further connection, to a file that was opened before.
    pub(super) fn connect(&self, create: OpenFlags) -> Result<Connection, StoreError> {
        self.connected(create).map_err(|error| self.told(error))
    }

    fn connected(&self, create: OpenFlags) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | create;
        let mut connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_handler(Some(busy::handler(self.patience)))?;
        connection.set_prepared_statement_cache_capacity(64);
        let synchronous = match self.synchronous {
            Synchronous::Full => "FULL",
            Synchronous::Normal => "NORMAL",
        };
        connection.pragma_update(None, "synchronous", synchronous)?;
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        // A burst does not leave its log behind for ever.
        connection.pragma_update(None, "journal_size_limit", LOG_KEPT)?;
        Ok(connection)
    }

    /// Network file systems keep neither the locks nor the shared memory that
    /// WAL needs between machines. FUSE is refused with them: what is behind
    /// it cannot be told.
    #[cfg(target_os = "linux")]
    fn refuse_network(&self, folder: &Path) -> Result<(), StoreError> {
        let kind = nix::sys::statfs::statfs(folder)
            .map_err(|error| StoreError::Unavailable {
                store: self.address.clone(),
                reason: format!("{}: {error}", folder.display()),
            })?
            .filesystem_type();
        match network(kind.0) {
            None => Ok(()),
            Some(name) => Err(StoreError::Invalid(format!(
                "{} is on a network file system ({name}), where SQLite loses jobs; put store {} on a local disk",
                self.path.display(),
                self.address
            ))),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn refuse_network(&self, _: &Path) -> Result<(), StoreError> {
        Ok(())
    }

    /// Looks at the file without locks, without its `-wal` and without leaving
    /// a trace, so that another program's file stays as it is.
    fn refuse_foreign(&self) -> Result<(), StoreError> {
        // In this order: while another process creates the file, it has a
        // journal from before it grows until it is whole.
        let is_there = self.path.metadata().is_ok_and(|found| found.len() > 0);
        let half_created = self.beside("-journal").exists();
        if !is_there || half_created {
            return Ok(());
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
        let uri = format!("file:{}?immutable=1", escaped(&self.path));
        let found = match Connection::open_with_flags(uri, flags).and_then(|file| marks(&file)) {
            Ok(found) => found,
            // Without locks, half of another process's checkpoint may be seen.
            // Ours or not, the look with locks that follows tells what is so.
            Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseCorrupt) => {
                return Ok(());
            }
            Err(error) => return Err(self.told(error)),
        };
        // Ours has its marks before it has a log.
        let logged = self.beside("-wal").metadata().is_ok_and(|log| log.len() > 0);
        self.check(Marks { empty: found.empty && !logged, ..found })
    }

    /// Creates the tables where there are none, and checks that they are ours.
    fn prepare(&self, connection: &mut Connection) -> Result<(), StoreError> {
        let found = self.patiently(|| self.created(connection))?;
        self.check(found)?;
        // Last, so that the marks are in the file itself and not in its -wal.
        let mode: String =
            self.patiently(|| connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0)))?;
        if mode == "wal" {
            return Ok(());
        }
        Err(StoreError::Invalid(format!(
            "the file system of {} cannot hold a write-ahead log; put store {} on another disk",
            self.path.display(),
            self.address
        )))
    }

    /// Tries again while the file is locked. Where two processes change the
    /// journal at once, SQLite does not ask the busy handler.
    fn patiently<T>(&self, mut attempt: impl FnMut() -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let mut nap = busy::handler(self.patience);
        let mut tries = 0;
        loop {
            match attempt() {
                Ok(value) => return Ok(value),
                Err(error) if is_busy(&error) && nap(tries) => tries += 1,
                Err(error) => return Err(self.told(error)),
            }
        }
    }

    fn created(&self, connection: &mut Connection) -> rusqlite::Result<Marks> {
        // In a transaction: between two looks another process may create it.
        let found = connection.transaction().and_then(|look| marks(&look))?;
        let old = |found: Marks| found.application == APPLICATION_ID && (1..SCHEMA).contains(&found.schema);
        if !found.empty && !old(found) {
            return Ok(found);
        }
        let creating = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let found = marks(&creating)?;
        if found.empty || old(found) {
            for lacking in SCHEMAS.iter().skip(usize::try_from(found.schema).unwrap_or_default()) {
                creating.execute_batch(lacking)?;
            }
            creating.pragma_update(None, "application_id", APPLICATION_ID)?;
            creating.pragma_update(None, "user_version", SCHEMA)?;
            tracing::debug!(store = %self.address, from = found.schema, to = SCHEMA, "the file was created or brought up to date");
        }
        let found = marks(&creating)?;
        creating.commit()?;
        Ok(found)
    }

    fn check(&self, found: Marks) -> Result<(), StoreError> {
        let reason = match found {
            Marks { empty: true, .. } => return Ok(()),
            Marks { application, .. } if application != APPLICATION_ID => {
                format!("it is another program's SQLite database (application id {application:#x}); name another file")
            }
            Marks { schema, .. } if schema > SCHEMA => {
                format!("it was written by a newer jobhost (schema {schema}, this one knows {SCHEMA}); update jobhost")
            }
            Marks { schema, .. } if schema < 1 => {
                format!("its schema is {schema}, which no jobhost has written; name another file")
            }
            Marks { .. } => return Ok(()),
        };
        Err(self.corrupt(reason))
    }

    /// A file beside the database, such as `-wal`.
    pub(super) fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    }

    fn corrupt(&self, reason: String) -> StoreError {
        StoreError::Corrupt { store: self.address.clone(), place: format!("file {}", self.path.display()), reason }
    }

    fn told(&self, error: rusqlite::Error) -> StoreError {
        if error.sqlite_error_code() == Some(rusqlite::ErrorCode::NotADatabase) {
            return self.corrupt("it is not a SQLite database; name another file".into());
        }
        Failure::from(error).at(self)
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy)
}

/// Whose file it is.
#[derive(Clone, Copy)]
struct Marks {
    empty: bool,
    application: i32,
    schema: i32,
}

fn marks(connection: &Connection) -> rusqlite::Result<Marks> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get(0));
    let (application, schema) = (pragma("application_id")?, pragma("user_version")?);
    let tables: i64 = connection.query_one("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(Marks { empty: tables == 0 && application == 0 && schema == 0, application, schema })
}

/// The path as part of a `file:` URI.
fn escaped(path: &Path) -> String {
    use std::fmt::Write;
    let mut escaped = String::new();
    for byte in path.as_os_str().as_encoded_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.".contains(byte) {
            escaped.push(char::from(*byte));
        } else {
            let _ = write!(escaped, "%{byte:02x}");
        }
    }
    escaped
}

/// The name of a file system that is shared between machines, by the numbers
/// of `statfs(2)` and `linux/magic.h`.
#[cfg(target_os = "linux")]
fn network(kind: impl Into<i64>) -> Option<&'static str> {
    // How wide the number is, and whether signed, differs between machines.
    Some(match kind.into() & 0xffff_ffff {
        0x6969 => "NFS",
        0x517b | 0xff53_4d42 | 0xfe53_4d42 => "SMB",
        0x0102_1997 => "9p",
        0x6573_5546 => "FUSE",
        0x5346_414f | 0x6b41_4653 => "AFS",
        0x7375_7245 => "Coda",
        0x00c3_6400 => "Ceph",
        0x0bd0_0bd0 => "Lustre",
        _ => return None,
    })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_told_from_local_ones() {
        assert_eq!(network(0x6969_i64), Some("NFS"));
        // CIFS as a machine with signed numbers has it.
        assert_eq!(network(-11_317_950_i64), Some("SMB"));
        let (ext4, overlay, tmpfs, btrfs) = (0xef53_u32, 0x794c_7630, 0x0102_1994, 0x9123_683e);
        for local in [ext4, overlay, tmpfs, btrfs].map(i64::from) {
            assert_eq!(network(local), None);
        }
    }

    #[test]
    fn a_path_is_escaped_for_a_uri() {
        assert_eq!(escaped(Path::new("/a b/ä?#%.db")), "/a%20b/%c3%a4%3f%23%25.db");
    }
}
