//! Whether a file is the one that was last looked at.

use std::path::Path;
use std::time::{Duration, Instant};

use jobhost_runtime::signature_path;

/// When a file is looked at again that was refused for a cause that may pass. Twice as late each time, as it may compile
/// for minutes in vain.
const AGAIN: Duration = Duration::from_secs(10);
/// But not later than this.
const AGAIN_AT_THE_LATEST: Duration = Duration::from_hours(1);

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
    /// When that is tried again, and how long after the refusal that is.
    again: Option<(Instant, Duration)>,
}

impl Seen {
    /// Whether this state needs no further look now.
    pub(super) fn has_settled(&self, stamp: Stamp, now: Instant) -> bool {
        self.settled == Some(stamp) && self.again.is_none_or(|(at, _)| now < at)
    }

    /// The state can be used. Returns whether the one before was refused.
    pub(super) fn is_settled(&mut self, stamp: Stamp) -> bool {
        self.settled = Some(stamp);
        self.doubted = None;
        self.again = None;
        std::mem::take(&mut self.refused)
    }

    /// The state cannot be used, for a cause that `may_pass` or not. Whether it is to be refused: the first time it may be
    /// half-written, and later that is told already.
    pub(super) fn is_doubted(&mut self, stamp: Stamp, may_pass: bool, now: Instant) -> Doubt {
        let doubt = if self.doubted.replace(stamp) != Some(stamp) {
            self.again = None;
            return Doubt::Fresh;
        } else if self.settled.replace(stamp) == Some(stamp) && self.refused {
            Doubt::Told
        } else {
            Doubt::Refused
        };
        self.refused = true;
        let after = self.again.map_or(AGAIN, |(_, after)| (after * 2).min(AGAIN_AT_THE_LATEST));
        self.again = may_pass.then(|| (now + after, after));
        doubt
    }
}

/// What follows from a state that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doubt {
    /// It is looked at again soon.
    Fresh,
    /// It is refused.
    Refused,
    /// It was refused before.
    Told,
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
        let (mut seen, now) = (Seen::default(), Instant::now());
        let (half, whole) = ((Some([1; 6]), None), (Some([2; 6]), None));
        assert!(!seen.has_settled(half, now));
        assert_eq!(seen.is_doubted(half, false, now), Doubt::Fresh);
        assert!(!seen.has_settled(half, now));
        assert_eq!(seen.is_doubted(half, false, now), Doubt::Refused);
        assert!(seen.has_settled(half, now + AGAIN_AT_THE_LATEST));
        assert!(!seen.has_settled(whole, now));
        assert!(seen.is_settled(whole), "the state before was refused");
        assert!(!seen.is_settled(whole));
        assert_eq!(seen.is_doubted(half, false, now), Doubt::Fresh, "it has come back, perhaps for a moment only");
    }

    #[test]
    fn what_was_refused_for_a_cause_that_may_pass_is_tried_again_ever_later_and_told_once() {
        let (mut seen, mut now) = (Seen::default(), Instant::now());
        let (state, other) = ((Some([1; 6]), None), (Some([2; 6]), None));
        assert_eq!(seen.is_doubted(state, true, now), Doubt::Fresh);
        assert_eq!(seen.is_doubted(state, true, now), Doubt::Refused);
        for seconds in [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600] {
            let due = now + Duration::from_secs(seconds);
            assert!(seen.has_settled(state, now) && !seen.has_settled(state, due), "{seconds}");
            assert!(seen.has_settled(state, now + Duration::from_secs(seconds - 1)), "{seconds}");
            now = due;
            assert_eq!(seen.is_doubted(state, true, now), Doubt::Told);
        }
        assert!(!seen.has_settled(other, now), "another state does not wait");
        assert_eq!(seen.is_doubted(other, true, now), Doubt::Fresh);
        assert_eq!(seen.is_doubted(other, true, now), Doubt::Refused);
        assert!(!seen.has_settled(other, now + AGAIN), "and begins anew");
        assert!(seen.is_settled(other));
        assert!(seen.has_settled(other, now + AGAIN_AT_THE_LATEST));
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
