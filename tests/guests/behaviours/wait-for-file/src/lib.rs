//! Returns as soon as the file `path` is there.

use std::path::Path;
use std::time::Duration;

guest::handler!(|job| {
    let path = guest::text(&job, "path");
    while !Path::new(&path).exists() {
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(String::new())
});
