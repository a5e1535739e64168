//! Returns a JSON string of `bytes` bytes, its quotes not counted.

guest::handler!(|job| {
    let bytes = guest::text(&job, "bytes")
        .parse()
        .map_err(guest::permanent)?;
    Ok(format!("\"{}\"", "x".repeat(bytes)))
});
