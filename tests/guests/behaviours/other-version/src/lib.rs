//! Exports the handler of a later version of the plugin interface.

wit_bindgen::generate!({
    inline: "
        package jobhost:plugin@0.2.0;
        interface handler { execute: func(job: string) -> string; }
        world job-handler { export handler; }
    ",
});

struct Plugin;

impl exports::jobhost::plugin::handler::Guest for Plugin {
    fn execute(job: String) -> String {
        job
    }
}

export!(Plugin);
