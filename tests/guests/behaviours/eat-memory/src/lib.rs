//! Allocates until it is refused; or, with `bytes` in the payload, that much, and gives it back. Where `touch` is `no`,
//! it only asks for the memory and leaves its pages as they are.

guest::handler!(|job| {
    let wanted = guest::text(&job, "bytes").parse().unwrap_or(usize::MAX);
    let touches = guest::text(&job, "touch") != "no";
    let mut eaten: Vec<Vec<u8>> = Vec::new();
    while eaten.len() << 20 < wanted {
        eaten.push(std::hint::black_box(if touches {
            vec![1; 1 << 20]
        } else {
            Vec::with_capacity(1 << 20)
        }));
    }
    Ok(eaten.len().to_string())
});
