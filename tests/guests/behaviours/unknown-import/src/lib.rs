//! Imports something that no host of ours has.

use guest::types::{Job, JobError};

wit_bindgen::generate!({
    path: "../../../../wit",
    inline: "
        package example:weather@1.0.0;
        interface forecast { today: func() -> string; }
        world handler {
            import forecast;
            export jobhost:plugin/handler@0.1.0;
        }
    ",
    world: "example:weather/handler",
    with: { "jobhost:plugin/types@0.1.0": guest::types },
});

struct Plugin;

impl exports::jobhost::plugin::handler::Guest for Plugin {
    fn execute(_job: Job) -> Result<String, JobError> {
        Ok(example::weather::forecast::today())
    }
}

export!(Plugin);
