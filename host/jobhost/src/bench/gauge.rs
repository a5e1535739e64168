//! What this process costs: time of the processors, memory at its highest.

use std::time::Duration;

use jobhost_queue::Store;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

use super::BenchError;
use super::figure::{Sample, Unit};

/// Time that the processors have worked so far, for this process and for the store's server.
pub(super) struct Cpu {
    host: Option<Duration>,
    store: Option<Duration>,
}

impl Cpu {
    pub(super) async fn of(store: &dyn Store) -> Result<Self, BenchError> {
        Ok(Self { host: of_this_process(), store: store.vitals().await?.cpu })
    }

    /// What was worked since then, for each of so many jobs.
    pub(super) async fn since(self, store: &dyn Store, jobs: u32) -> Result<Vec<Sample>, BenchError> {
        let now = Self::of(store).await?;
        let per_job = |name, (before, after): (Option<Duration>, Option<Duration>)| {
            let worked = after?.saturating_sub(before?);
            Some(Sample { name, unit: Unit::MicrosPerJob, value: worked.as_secs_f64() * 1e6 / f64::from(jobs) })
        };
        let host = per_job("CPU of the host", (self.host, now.host));
        Ok(host.into_iter().chain(per_job("CPU of the store", (self.store, now.store))).collect())
    }
}

/// Time that the processors have worked for this process so far.
pub(super) fn of_this_process() -> Option<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_SELF).ok()?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Some(Duration::from_micros(micros.unsigned_abs()))
}

/// Lets [`peak_memory`] tell of the time from now on; whether the system does so.
pub(super) fn forget_peak_memory() -> bool {
    std::fs::write("/proc/self/clear_refs", "5").is_ok()
}

/// The memory of this process at its highest.
pub(super) fn peak_memory() -> Option<Sample> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u32 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(Sample { name: "peak memory", unit: Unit::Bytes, value: f64::from(kib) * 1024.0 })
}
