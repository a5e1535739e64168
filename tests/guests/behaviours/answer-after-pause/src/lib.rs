//! Waits `ms` milliseconds, as if for another system, and then adds up the `numbers` of its payload, `times` times over:
//! a small fixed work, whose answer is JSON.

use std::time::Duration;

guest::handler!(|job| {
    let ms = guest::text(&job, "ms").parse().map_err(guest::permanent)?;
    let times: u32 = guest::text(&job, "times")
        .parse()
        .map_err(guest::permanent)?;
    std::thread::sleep(Duration::from_millis(ms));
    let mut sum = 0_u64;
    for _ in 0..times {
        let numbers = guest::text(std::hint::black_box(&job), "numbers");
        for number in numbers.split_whitespace() {
            sum += number.parse::<u64>().map_err(guest::permanent)?;
        }
    }
    Ok(format!("{{\"sum\":{sum}}}"))
});
