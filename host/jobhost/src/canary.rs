//! A version on trial beside the one in force: which jobs it handles, and what became of the attempts of both. When the
//! trial ends, and how, is decided in `swap`.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use jobhost_queue::{Channel, Counted, JobId};
use jobhost_runtime::Plugin;

/// A share of 100 %, in millionths.
const WHOLE: u64 = 1_000_000;

/// A plugin's new version while it has a share of the jobs.
#[derive(Clone)]
pub struct Canary {
    /// The version on trial.
    pub version: Plugin,
    /// The digest of the version that it is compared with.
    pub from: String,
    /// Its share of the jobs, in millionths.
    pub share: u32,
    /// How the trial stands.
    pub standing: Standing,
    /// What this worker has to tell of the attempts.
    pub(crate) tally: Arc<Tally>,
}

/// How a trial stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It goes on.
    Running,
    /// Its time is over and it has too few attempts, so that it goes on.
    Extended,
    /// So is ten times its time: it goes on until it has enough, be it for ever.
    Held,
}

impl fmt::Display for Standing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Running => "running",
            Self::Extended => "extended",
            Self::Held => "held",
        })
    }
}

impl Canary {
    /// Whether this job is one of its share: the same for every attempt, on every worker.
    pub fn handles(&self, channel: &Channel, id: JobId) -> bool {
        is_in_share(channel, id, self.share)
    }

    /// An attempt has ended that says something of the version with this digest.
    pub(crate) fn note(&self, digest: &str, failed: bool) {
        if digest == self.version.digest() {
            self.tally.add(|counted| &mut counted.new, failed);
        } else if digest == self.from {
            self.tally.add(|counted| &mut counted.old, failed);
        }
    }
}

/// Attempts that were not brought to the store yet.
#[derive(Default)]
pub(crate) struct Tally(Mutex<Counted>);

impl Tally {
    /// All of them, which are from then on the caller's to bring.
    pub(crate) fn take(&self) -> Counted {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn add(&self, of: impl Fn(&mut Counted) -> &mut jobhost_queue::Tries, failed: bool) {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let tries = of(&mut counted);
        tries.attempts += 1;
        tries.failures += u64::from(failed);
    }
}

/// Whether the hash of a job's channel and id falls into this share, in millionths.
fn is_in_share(channel: &Channel, id: JobId, share: u32) -> bool {
    // FNV-1a, whose low bits alone are good, and the last steps of MurmurHash3, which make all of them so. Not the
    // standard library's: workers of different builds must choose the same jobs.
    let bytes = channel.as_str().bytes().chain([0]).chain(id.0.to_le_bytes());
    let mut hash = bytes
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    for factor in [0xff51_afd7_ed55_8ccd, 0xc4ce_b9fe_1a85_ec53] {
        hash = (hash ^ (hash >> 33)).wrapping_mul(factor);
    }
    (hash ^ (hash >> 33)) % WHOLE < u64::from(share)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(channel: &str, share: u32) -> Vec<u64> {
        let channel = Channel::new(channel).unwrap();
        (1..=10_000).filter(|id| is_in_share(&channel, JobId(*id), share)).collect()
    }

    #[test]
    fn a_share_of_the_jobs_is_chosen_whatever_the_queue() {
        for channel in ["a", "work", "cpa:queue:copy:asset"] {
            assert_eq!(chosen(channel, 1_000_000).len(), 10_000);
            for share in [10_000, 50_000, 500_000, 900_000] {
                let (found, wanted) = (chosen(channel, share).len(), share as usize / 100);
                assert!(found.abs_diff(wanted) < wanted / 5, "{found} of {wanted} in {channel}");
            }
            assert!(chosen(channel, 0).is_empty());
        }
    }

    #[test]
    fn a_larger_share_has_the_jobs_of_a_smaller_one_and_each_queue_its_own() {
        let larger = chosen("work", 100_000);
        assert!(chosen("work", 50_000).iter().all(|id| larger.contains(id)));
        assert_ne!(chosen("work", 50_000), chosen("work2", 50_000));
    }

    /// Workers of two releases that serve one queue must not differ.
    #[test]
    fn the_choice_stays_the_same_from_release_to_release() {
        assert_eq!(chosen("work", 50_000)[..6], [10, 16, 32, 37, 66, 93]);
    }
}
