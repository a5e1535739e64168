//! Says that it is half way, takes `ms` milliseconds, and returns which attempt it was and how much time was left.

use std::time::Duration;

guest::handler!(|job| {
    let ms = guest::text(&job, "ms").parse().map_err(guest::permanent)?;
    guest::context::progress(1, Some(2), "half way");
    let left = guest::context::remaining();
    std::thread::sleep(Duration::from_millis(ms));
    Ok(format!(
        "{{\"attempt\":{},\"remaining\":{left}}}",
        job.attempt
    ))
});
