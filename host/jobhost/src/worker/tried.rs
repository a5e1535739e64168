//! How the versions did that an attempt met, where a trial compares them. What does not tell of a version (the store, a
//! stop, the host's own trouble) is left out.

use std::sync::Arc;

use jobhost_queue::Verdict;
use jobhost_runtime::Plugin;

use crate::canary::Canary;
use crate::registry::Registry;

/// The versions of one attempt.
#[derive(Default)]
pub(super) struct Tried(Vec<(Arc<Canary>, String, bool)>);

impl Tried {
    /// A version ran. One that failed once has failed.
    pub(super) fn note(&mut self, registry: &Registry, plugin: &Plugin, failed: bool) {
        let Some(canary) = registry.canary(plugin.name()) else { return };
        match self.0.iter_mut().find(|(other, ..)| Arc::ptr_eq(other, canary)) {
            Some((_, _, before)) => *before |= failed,
            None => self.0.push((Arc::clone(canary), plugin.digest().to_owned(), failed)),
        }
    }

    /// The attempt is settled, and counts if its job ran to an end.
    pub(super) fn count(&self, verdict: &Verdict) {
        if matches!(verdict, Verdict::Done { .. } | Verdict::Retry { .. } | Verdict::Failed) {
            for (canary, digest, failed) in &self.0 {
                canary.note(digest, *failed);
            }
        }
    }
}
