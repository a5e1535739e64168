//! Writes `text` to `path`; a refusal comes back as a permanent failure with the kind of error as its code.

guest::handler!(|job| {
    match std::fs::write(guest::text(&job, "path"), guest::text(&job, "text")) {
        Ok(()) => Ok(String::new()),
        Err(error) => Err(guest::refused(&error)),
    }
});
