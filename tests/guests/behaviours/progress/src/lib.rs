//! Reports its progress with a note of `note` bytes, and then `times` times more.

guest::handler!(|job| {
    let note = "ä".repeat(
        guest::text(&job, "note")
            .parse::<usize>()
            .map_err(guest::permanent)?
            / 2,
    );
    guest::context::progress(1, None, "begun\u{1b}[2J\n!");
    guest::context::progress(2, Some(3), &note);
    for step in 0..guest::text(&job, "times").parse().unwrap_or(0) {
        guest::context::progress(step, None, &note);
    }
    Ok(String::new())
});
