//! Exports an interface that is nearly the handler.

wit_bindgen::generate!({
    inline: "
        package jobhost:plugin@0.1.0;
        interface handlr { execute: func(job: string) -> string; }
        world job-handler { export handlr; }
    ",
});

struct Plugin;

impl exports::jobhost::plugin::handlr::Guest for Plugin {
    fn execute(job: String) -> String {
        job
    }
}

export!(Plugin);
