//! Says that it has begun, and then waits in a call of the host, where it burns neither epochs nor fuel.

use std::time::Duration;

use guest::context::{Level, log};

guest::handler!(|_| {
    log(Level::Info, "begun");
    // The host tells of it when the attempt has ended.
    eprintln!("it slept");
    std::thread::sleep(Duration::from_secs(1_000_000));
    Ok(String::new())
});
