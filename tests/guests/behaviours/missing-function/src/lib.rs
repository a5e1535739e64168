//! Exports the handler of the right version without its function.

wit_bindgen::generate!({
    inline: "
        package jobhost:plugin@0.1.0;
        interface handler { run: func(); }
        world job-handler { export handler; }
    ",
});

struct Plugin;

impl exports::jobhost::plugin::handler::Guest for Plugin {
    fn run() {}
}

export!(Plugin);
