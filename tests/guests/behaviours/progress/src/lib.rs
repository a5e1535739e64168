//! Reports its progress with a note of `note` bytes.

guest::handler!(|job| {
    let note = "ä".repeat(
        guest::text(&job, "note")
            .parse::<usize>()
            .map_err(guest::permanent)?
            / 2,
    );
    guest::context::progress(1, None, "begun\u{1b}[2J\n!");
    guest::context::progress(2, Some(3), &note);
    Ok(String::new())
});
