//! The keys of `[plugins.NAME] instances`: whether a plugin's instances serve more than one call.

use std::time::Duration;

use jobhost_runtime::{Instances, Reuse};

use super::section::{Section, choice, duration, size, whole32};

/// Of the keys that only mean something to warm instances.
const TERMS: [&str; 4] = ["max-jobs", "max-memory", "max-age", "max-idle"];

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_hours(24);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Policy {
    Fresh,
    Warm,
}

/// `memory` is the plugin's limit.
pub(super) fn read_instances(mut section: Section<'_, '_>, memory: u64) -> Instances {
    let policy = section.read("policy", choice(&[("fresh", Policy::Fresh), ("warm", Policy::Warm)]));
    let [jobs, bytes, age, idle] = TERMS;
    let reuse = Reuse {
        max_jobs: section.read(jobs, whole32(1..=1_000_000)).unwrap_or(100),
        max_memory: section.read(bytes, size(1 << 20..=4 << 30)).unwrap_or(memory / 2),
        max_age: section.read(age, duration(SECOND..=30 * DAY, "10m")).unwrap_or(Duration::from_mins(10)),
        max_idle: section.read(idle, duration(SECOND..=DAY, "1m")).unwrap_or(Duration::from_mins(1)),
    };
    let has = |key: &str| section.at_key(key) != section.at;
    if policy != Some(Policy::Warm) {
        // What is wrong with a policy is told already.
        let written = has("policy");
        for key in TERMS.into_iter().filter(|key| has(key) && (policy.is_some() || !written)) {
            let message = format!("`{key}` says nothing without policy = \"warm\"; add that, or remove it");
            section.note(section.at_key(key), message);
        }
    } else if reuse.max_memory > memory {
        let message = "`max-memory` is more than the plugin's limit `memory`, so that no instance ever reaches it; lower it, or raise `limits.memory`";
        section.note(section.at_value(bytes), message);
    }
    section.finish();
    if policy == Some(Policy::Warm) { Instances::Warm(reuse) } else { Instances::Fresh }
}
