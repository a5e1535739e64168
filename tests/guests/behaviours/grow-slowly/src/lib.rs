//! Takes a little more memory every `ms` milliseconds and gives none of it back.

use std::time::Duration;

guest::handler!(|job| {
    let ms = guest::text(&job, "ms").parse().map_err(guest::permanent)?;
    let mut kept: Vec<Vec<u8>> = Vec::new();
    loop {
        kept.push(std::hint::black_box(vec![1; 16 << 10]));
        std::thread::sleep(Duration::from_millis(ms));
    }
});
