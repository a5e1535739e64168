//! Logs one line of each level, then `lines` lines more.

use guest::context::{Level, log};

guest::handler!(|job| {
    for level in [
        Level::Trace,
        Level::Debug,
        Level::Info,
        Level::Warn,
        Level::Error,
    ] {
        log(level, &format!("at {level:?}\u{1b}[0m\n!"));
    }
    let lines: u32 = guest::text(&job, "lines")
        .parse()
        .map_err(guest::permanent)?;
    for line in 0..lines {
        log(Level::Info, &format!("line {line}"));
    }
    Ok(String::new())
});
