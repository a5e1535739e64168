//! When the store itself was away, which no worker can do anything about: a
//! Redis server that was killed, a SQLite file whose lock a frozen process holds.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::span::Span;

/// An absence of this length may look like an outage to the next sweep: the pause between sweeps that
/// makes one, 6 s, less the time between two. Only then do the 15 seconds count anew from its end.
const OUTAGE: Duration = Duration::from_secs(4);
/// Absences closer than two sweeps are to each other may look like one.
const SWEEP_EVERY: Duration = Duration::from_secs(2);

/// The absences of a run. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Away(Arc<Mutex<Vec<Span>>>);

impl Away {
    /// It goes now, unless it has gone already.
    pub(crate) fn begins(&self) {
        let mut spans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if spans.last().is_none_or(|span| span.until.is_some()) {
            spans.push(Span::since(Instant::now()));
        }
    }

    /// It is back, if it was away.
    pub(crate) fn ends(&self) {
        let mut spans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(span) = spans.last_mut() {
            span.until.get_or_insert_with(Instant::now);
        }
    }

    /// Whether it is away now.
    pub(crate) fn is_now(&self) -> bool {
        self.all().last().is_some_and(|span| span.until.is_none())
    }

    /// How long it was away between these times.
    pub(crate) fn between(&self, from: Instant, until: Instant) -> Duration {
        self.all().iter().map(|span| span.overlap(from, until)).sum()
    }

    /// How long it was away in all, and how often.
    pub(crate) fn total(&self) -> (Duration, usize) {
        let (all, now) = (self.all(), Instant::now());
        let long_ago = all.iter().map(|span| span.from).min().unwrap_or(now);
        (all.iter().map(|span| span.overlap(long_ago, now)).sum(), all.len())
    }

    /// How long something took by the promises: the time without the store does not count, and after
    /// an outage all counts anew.
    pub(crate) fn promised_time(&self, from: Instant, until: Instant) -> Duration {
        let outages = joined(&self.all()).into_iter().filter(|span| span.length() >= OUTAGE);
        let back = outages.filter_map(|span| span.until.filter(|back| span.from < until && *back > from)).max();
        let from = back.unwrap_or(from).min(until);
        until.saturating_duration_since(from).saturating_sub(self.between(from, until))
    }

    fn all(&self) -> Vec<Span> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The absences, those that sweeps may not have seen the end of taken together.
fn joined(spans: &[Span]) -> Vec<Span> {
    let mut joined: Vec<Span> = Vec::new();
    for span in spans {
        match joined.last_mut() {
            Some(last) if last.until.is_some_and(|until| span.from.saturating_duration_since(until) < SWEEP_EVERY) => {
                last.until = span.until;
            }
            _ => joined.push(*span),
        }
    }
    joined
}

/// Whether a stopped process holds the write lock of a SQLite file.
pub(crate) fn is_locked_by_a_frozen_process(file: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let shared = file.with_extension("db-shm");
    let (Ok(shared), Ok(locks)) = (shared.metadata(), std::fs::read_to_string("/proc/locks")) else { return false };
    // `1: POSIX  ADVISORY  WRITE 1234 08:01:5678 120 120`; 120 is what a writer locks.
    let holder = locks.lines().find_map(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let [_, "POSIX", _, "WRITE", pid, of, "120", "120"] = fields[..] else { return None };
        of.ends_with(&format!(":{}", shared.ino())).then(|| pid.to_owned())
    });
    let Some(stat) = holder.and_then(|pid| std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()) else {
        return false;
    };
    // The name stands in brackets and may hold anything.
    stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('T'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_without_the_store_does_not_count_and_an_outage_starts_it_anew() {
        let start = Instant::now();
        let at = |second: u64| start + Duration::from_secs(second);
        let time = |spans: &[(u64, u64)], from: u64, until: u64| {
            let spans = spans.iter().map(|(from, until)| Span { from: at(*from), until: Some(at(*until)) });
            let away = Away(Arc::new(Mutex::new(spans.collect())));
            away.promised_time(at(from), at(until)).as_secs()
        };
        for (spans, from, until, expected) in [
            (&[][..], 10, 22, 12),
            (&[(12, 14)], 10, 22, 10),
            (&[(8, 11)], 10, 22, 11),
            (&[(20, 23)], 10, 22, 10),
            (&[(1, 2), (30, 40)], 10, 22, 12),
            (&[(12, 16)], 10, 22, 6),
            (&[(5, 11)], 10, 22, 11),
            (&[(12, 18), (21, 22)], 10, 40, 21),
            (&[(12, 14), (15, 17)], 10, 40, 23),
            (&[(12, 14), (16, 18)], 10, 40, 26),
        ] {
            assert_eq!(time(spans, from, until), expected, "{spans:?} {from} {until}");
        }
    }
}
