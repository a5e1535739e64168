//! Tells what its clocks show: the wall clock in milliseconds since 1970, and in nanoseconds by how much the monotonic one
//! advances between two readings.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

#[expect(
    clippy::disallowed_methods,
    reason = "what the clock shows is what it is for"
)]
fn wall() -> SystemTime {
    SystemTime::now()
}

guest::handler!(|_| {
    let wall = wall()
        .duration_since(UNIX_EPOCH)
        .map_err(guest::permanent)?;
    let first = Instant::now();
    let step = first.elapsed().as_nanos();
    Ok(format!("{{\"wall\":{},\"step\":{step}}}", wall.as_millis()))
});
