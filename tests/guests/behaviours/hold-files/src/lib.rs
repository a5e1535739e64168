//! Opens `path` again and again and closes nothing.

guest::handler!(|job| {
    let path = guest::text(&job, "path");
    let mut files = Vec::new();
    loop {
        files.push(std::fs::File::open(&path).map_err(|error| guest::refused(&error))?);
    }
});
