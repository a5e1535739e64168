//! The whole program, as a user sees it: the real binary, real components, a
//! private Redis server or a SQLite file. What one part promises is tested in
//! its crate.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

/// Makes of each function a test for each store.
macro_rules! on_both_stores {
    ($(fn $name:ident($place:ident) $body:block)+) => {$(
        fn $name($place: &jobhost_tests::Workplace) $body

        mod $name {
            #[test]
            fn on_sqlite() {
                super::$name(&jobhost_tests::Workplace::sqlite());
            }

            #[test]
            fn on_redis() {
                super::$name(&jobhost_tests::Workplace::redis());
            }
        }
    )+};
}

mod bad_input;
mod bench;
mod building;
mod canary;
mod chaos;
mod commands;
mod compiling;
mod conformance;
mod cost;
mod crashes;
mod deciding;
mod ending;
mod examples;
mod files;
mod granting;
mod grants;
mod handover;
mod hooks;
mod keyvalue;
mod limits;
mod listening;
mod making;
mod mistakes;
mod outages;
mod pipeline;
mod plugins;
mod projects;
mod publishing;
mod reaching;
mod readme;
mod rebuilding;
mod replies;
mod requests;
mod resuming;
mod running;
mod settings;
mod stores;
mod story;
mod swapping;
mod swaps_under_load;
mod trials;
mod warm;
mod workers;
mod yii2;
