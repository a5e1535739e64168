//! Hears of jobs that are done, and of nothing else.

use guest::types::{AttemptReport, Job};

wit_bindgen::generate!({
    path: "../../../../wit",
    inline: "
        package guest:after-exec-only;
        world after-exec-only {
            import jobhost:plugin/context@0.1.0;
            export jobhost:plugin/after-exec@0.1.0;
        }
    ",
    world: "guest:after-exec-only/after-exec-only",
    with: {
        "jobhost:plugin/types@0.1.0": guest::types,
        "jobhost:plugin/context@0.1.0": guest::context,
    },
});

struct Hook;

impl exports::jobhost::plugin::after_exec::Guest for Hook {
    fn after_exec(_job: Job, output: String, _report: AttemptReport) -> Result<(), String> {
        guest::context::log(guest::context::Level::Info, &output);
        Ok(())
    }
}

export!(Hook);
