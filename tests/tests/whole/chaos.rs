//! The short form of the chaos test; `cargo xtask chaos` is the long one. Most
//! of its time passes until the leases of the killed have died.

use std::time::Duration;

use jobhost_tests::chaos::{Plan, Target, some_seed};

use crate::settings::tell;

#[test]
fn whatever_befalls_workers_nothing_is_lost_on_sqlite() {
    holds(Target::Sqlite);
}

#[test]
fn whatever_befalls_workers_and_redis_nothing_is_lost_on_redis() {
    holds(Target::Redis);
}

#[track_caller]
fn holds(target: Target) {
    let lasts = Duration::from_secs(5);
    let plan = Plan { target, seed: some_seed(), lasts, kills: 3, workers: 4, others: false };
    tell(&plan.command());
    let report = plan.run();
    tell(&report.to_string());
    assert!(report.kills > 0, "nobody was killed\n{report}");
    assert!(report.problems.is_empty(), "{report}");
}
