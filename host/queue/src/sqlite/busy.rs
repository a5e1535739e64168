//! Waiting for another process's write lock, and telling who holds it.

use std::path::Path;
use std::time::{Duration, Instant};

/// The longest and the shortest nap between two tries, in microseconds.
/// SQLite's own handler naps up to 100 ms, which is many transactions.
const NAP_US: (u64, u64) = (200, 2_000);

/// A busy handler that gives up after `patience`.
pub(super) fn handler(patience: Duration) -> impl FnMut(i32) -> bool + Send + 'static {
    let mut since = Instant::now();
    move |tries| {
        if tries == 0 {
            since = Instant::now();
        }
        if since.elapsed() >= patience {
            return false;
        }
        // Without jitter two waiters would go on meeting each other.
        let jitter = u64::from(getrandom::u32().unwrap_or_default());
        let nap = NAP_US.0 + jitter % (NAP_US.1 - NAP_US.0);
        std::thread::sleep(Duration::from_micros(nap));
        true
    }
}

/// The process that holds the write lock of the file, if the system tells.
#[cfg(target_os = "linux")]
pub(super) fn holder(path: &Path) -> Option<String> {
    let mut shared = path.as_os_str().to_owned();
    shared.push("-shm");
    // Only the names are looked at: opening and closing the files here would
    // drop the locks that this process holds on them.
    let write_lock = (inode(Path::new(&shared)), WRITE_LOCK);
    let whole_file = (inode(path), RESERVED_LOCK);
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    let pid = locks
        .lines()
        .find_map(|line| [write_lock, whole_file].into_iter().find_map(|(inode, byte)| holds(line, inode?, byte)))?;
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    Some(match name.trim() {
        "" => format!("process {pid}"),
        name => format!("process {pid} ({name})"),
    })
}

/// Elsewhere it cannot be told.
#[cfg(not(target_os = "linux"))]
pub(super) fn holder(_: &Path) -> Option<String> {
    None
}

/// The byte of the `-shm` file that a writer locks in WAL mode.
#[cfg(target_os = "linux")]
const WRITE_LOCK: u64 = 120;
/// The byte of the database file that a writer locks in the other modes.
#[cfg(target_os = "linux")]
const RESERVED_LOCK: u64 = 0x4000_0001;

#[cfg(target_os = "linux")]
fn inode(path: &Path) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).ok().map(|found| found.ino())
}

/// The process of a line of `/proc/locks`, if it has that byte for writing:
/// `1: POSIX  ADVISORY  WRITE 1234 08:01:5678 120 120`.
#[cfg(target_os = "linux")]
fn holds(line: &str, inode: u64, byte: u64) -> Option<u32> {
    let mut fields = line.split_whitespace();
    let pid = fields.by_ref().skip_while(|word| *word != "WRITE").nth(1)?;
    let of = fields.next()?.rsplit(':').next()?;
    let first: u64 = fields.next()?.parse().ok()?;
    let last: u64 = match fields.next()? {
        "EOF" => u64::MAX,
        last => last.parse().ok()?,
    };
    let it_is = of.parse() == Ok(inode) && (first..=last).contains(&byte) && !line.contains("->");
    it_is.then(|| pid.parse().ok()).flatten()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_systems_locks_tells_who_writes() {
        let line = "3: POSIX  ADVISORY  WRITE 4711 fd:01:262530 120 120";
        assert_eq!(holds(line, 262_530, 120), Some(4711));
        assert_eq!(holds(line, 262_530, 121), None);
        assert_eq!(holds(line, 7, 120), None);
        let waits = "3: -> POSIX  ADVISORY  WRITE 4711 fd:01:262530 120 120";
        assert_eq!(holds(waits, 262_530, 120), None);
        let reads = "3: POSIX  ADVISORY  READ 4711 fd:01:262530 0 EOF";
        assert_eq!(holds(reads, 262_530, 120), None);
        let all = "3: POSIX  ADVISORY  WRITE 4711 fd:01:262530 0 EOF";
        assert_eq!(holds(all, 262_530, 120), Some(4711));
    }

    #[test]
    fn the_handler_gives_up_when_its_patience_ends() {
        let mut handler = handler(Duration::from_millis(20));
        let tries = (0..1_000).take_while(|tries| handler(*tries)).count();
        assert!((2..=100).contains(&tries), "{tries} naps in 20 ms");
    }
}
