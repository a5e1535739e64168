//! Takes `ms` milliseconds and pushes a job like itself, so that there is always one more.

use std::time::Duration;

guest::handler!(|job| {
    let ms = guest::text(&job, "ms").parse().map_err(guest::permanent)?;
    std::thread::sleep(Duration::from_millis(ms));
    let next = guest::draft(&job.queue, &job.name, &job.payload);
    match guest::queue::push(&next) {
        Ok(()) => Ok(String::new()),
        Err(error) => Err(guest::permanent(error)),
    }
});
