//! Leaves a line in the file `mark` when it begins and one when it ends well, each with its attempt and id, so that
//! every execution can be counted from outside. Between the two it pushes `after` to the queue `next` if that is named,
//! waits for the file `go` if that is named, takes `ms` milliseconds, and fails until attempt `good`.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use guest::types::{Job, JobError};

guest::handler!(|job| {
    let ms = guest::text(&job, "ms").parse().map_err(guest::permanent)?;
    let good: u32 = guest::text(&job, "good")
        .parse()
        .map_err(guest::permanent)?;
    leave(&job, "begun")?;
    let next = guest::text(&job, "next");
    if !next.is_empty() {
        let draft = guest::draft(&next, "FollowUp", &guest::text(&job, "after"));
        guest::queue::push(&draft).map_err(guest::permanent)?;
    }
    let go = guest::text(&job, "go");
    while !go.is_empty() && !Path::new(&go).exists() {
        std::thread::sleep(Duration::from_millis(10));
    }
    std::thread::sleep(Duration::from_millis(ms));
    if job.attempt < good {
        return Err(JobError::Temporary(guest::failure("not-yet", job.attempt)));
    }
    leave(&job, "ended")?;
    Ok("null".to_owned())
});

/// One write of one line, so that those of two executions at once do not mix.
fn leave(job: &Job, what: &str) -> Result<(), JobError> {
    let path = guest::text(job, "mark");
    let file = OpenOptions::new().append(true).create(true).open(path);
    let line = format!("{what} {} {}\n", job.attempt, job.id);
    file.and_then(|mut file| file.write_all(line.as_bytes()))
        .map_err(|error| guest::refused(&error))
}
