//! Does all of its work, pushes to `queue` and says so, and then holds its result back for ever.

use std::time::Duration;

guest::handler!(|job| {
    let queue = guest::text(&job, "queue");
    guest::queue::push(&guest::draft(&queue, "FollowUp", "{}")).map_err(guest::permanent)?;
    println!("the result is there");
    std::thread::sleep(Duration::from_secs(1_000_000));
    Ok(String::new())
});
