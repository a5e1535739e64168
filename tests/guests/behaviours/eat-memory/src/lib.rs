//! Allocates until it is refused; or, with `bytes` in the payload, that much, and gives it back.

guest::handler!(|job| {
    let wanted = guest::text(&job, "bytes").parse().unwrap_or(usize::MAX);
    let mut eaten: Vec<Vec<u8>> = Vec::new();
    while eaten.len() << 20 < wanted {
        eaten.push(std::hint::black_box(vec![1; 1 << 20]));
    }
    Ok(eaten.len().to_string())
});
