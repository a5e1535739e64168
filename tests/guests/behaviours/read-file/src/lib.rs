//! Returns the content of `path`, which must be JSON; a refusal is a permanent failure with the kind of error as its
//! code.

guest::handler!(|job| std::fs::read_to_string(guest::text(&job, "path"))
    .map_err(|error| guest::refused(&error)));
