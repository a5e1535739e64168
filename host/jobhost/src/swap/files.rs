//! Whether a file is the one that was last looked at.

use std::path::Path;

use jobhost_runtime::signature_path;

/// What tells one state of a file from another without reading it; `None` where it is not there. The time of its last
/// change of any kind is part of it, which no program can set.
type One = Option<[i64; 6]>;

/// The state of a plugin's file and of its signature, where that counts.
pub(super) type Stamp = (One, One);

/// What is known of one plugin's file.
#[derive(Default)]
pub(super) struct Seen {
    /// The state that has been dealt with.
    settled: Option<Stamp>,
    /// A state that could not be used when it was first seen.
    doubted: Option<Stamp>,
    /// Whether the last state that was dealt with was refused.
    refused: bool,
}

impl Seen {
    /// Whether this state needs no further look.
    pub(super) fn has_settled(&self, stamp: Stamp) -> bool {
        self.settled == Some(stamp)
    }

    /// The state is in force. Returns whether the one before was refused.
    pub(super) fn is_settled(&mut self, stamp: Stamp) -> bool {
        self.settled = Some(stamp);
        self.doubted = None;
        std::mem::take(&mut self.refused)
    }

    /// The state cannot be used. Whether it is to be refused: the first time it may be half-written.
    pub(super) fn is_doubted(&mut self, stamp: Stamp) -> bool {
        let again = self.doubted == Some(stamp);
        if again {
            self.settled = Some(stamp);
            self.refused = true;
        }
        self.doubted = Some(stamp);
        again
    }
}

/// The state of a plugin's file now, and of its signature if it must be `signed`.
pub(super) fn stamp(path: &Path, signed: bool) -> Stamp {
    (one(path), signed.then(|| one(&signature_path(path))).flatten())
}

/// One `stat` that follows links.
fn one(path: &Path) -> One {
    use std::os::unix::fs::MetadataExt;
    let found = std::fs::metadata(path).ok()?;
    let whole = |number: u64| i64::from_ne_bytes(number.to_ne_bytes());
    Some([
        whole(found.dev()),
        whole(found.ino()),
        whole(found.size()),
        found.ctime(),
        found.ctime_nsec(),
        found.mtime_nsec(),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_that_cannot_be_used_is_refused_at_the_second_look_and_once() {
        let mut seen = Seen::default();
        let (half, whole) = ((Some([1; 6]), None), (Some([2; 6]), None));
        assert!(!seen.has_settled(half));
        assert!(!seen.is_doubted(half));
        assert!(!seen.has_settled(half));
        assert!(seen.is_doubted(half));
        assert!(seen.has_settled(half));
        assert!(!seen.has_settled(whole));
        assert!(seen.is_settled(whole), "the state before was refused");
        assert!(!seen.is_settled(whole));
        assert!(!seen.is_doubted(half), "it has come back, perhaps for a moment only");
    }

    #[test]
    fn a_file_of_the_same_size_and_times_that_takes_its_place_is_another_state() {
        let folder = tempfile::tempdir().unwrap();
        let [path, other] = ["x.wasm", "y.wasm"].map(|name| folder.path().join(name));
        std::fs::write(&path, "one").unwrap();
        std::fs::write(&other, "two").unwrap();
        let before = stamp(&path, false);
        let times = std::fs::metadata(&path).unwrap().modified().unwrap();
        std::fs::File::options().write(true).open(&other).unwrap().set_modified(times).unwrap();
        std::fs::rename(&other, &path).unwrap();
        assert_ne!(stamp(&path, false), before);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(stamp(&path, false), (None, None));
    }

    #[test]
    fn a_signature_that_comes_later_makes_another_state_where_one_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.wasm");
        std::fs::write(&path, "one").unwrap();
        let before = [false, true].map(|signed| stamp(&path, signed));
        std::fs::write(folder.path().join("x.wasm.minisig"), "two").unwrap();
        assert_eq!([false, true].map(|signed| stamp(&path, signed) == before[usize::from(signed)]), [true, false]);
    }
}
