//! Exports the handler of the right version with a type of its own.

wit_bindgen::generate!({
    inline: "
        package jobhost:plugin@0.1.0;
        interface handler {
            record job { id: u64, payload: option<string> }
            execute: func(job: job) -> result<list<u8>, string>;
        }
        world job-handler { export handler; }
    ",
});

use exports::jobhost::plugin::handler::{Guest, Job};

struct Plugin;

impl Guest for Plugin {
    fn execute(job: Job) -> Result<Vec<u8>, String> {
        job.payload
            .map(String::into_bytes)
            .ok_or_else(|| job.id.to_string())
    }
}

export!(Plugin);
