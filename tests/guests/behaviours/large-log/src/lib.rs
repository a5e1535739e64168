//! Hands the host a single message of `bytes` bytes.

guest::handler!(|job| {
    let bytes = guest::text(&job, "bytes")
        .parse()
        .map_err(guest::permanent)?;
    guest::context::log(guest::context::Level::Info, &"x".repeat(bytes));
    Ok(String::new())
});
