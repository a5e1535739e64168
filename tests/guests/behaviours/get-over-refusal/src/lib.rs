//! Asks for more memory than there is, sees that it gets none, and goes on: it says so if `log` is set, and then ends as
//! `end` says, for reasons that have nothing to do with memory.

use guest::context::{Level, log};

guest::handler!(|job| {
    let mut wish: Vec<u8> = Vec::new();
    let refused = wish.try_reserve_exact(1 << 30).is_err();
    if !guest::text(&job, "log").is_empty() {
        log(Level::Info, &format!("refused: {refused}"));
    }
    match guest::text(&job, "end").as_str() {
        "panic" => panic!("nothing to do with it"),
        "abort" => std::process::abort(),
        "exit" => std::process::exit(3),
        _ => Ok(refused.to_string()),
    }
});
