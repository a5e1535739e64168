//! Says that it has begun, and then computes without end and without asking the host for anything more.

use guest::context::{Level, log};

guest::handler!(|_| {
    log(Level::Info, "begun");
    let mut sum = 0_u64;
    loop {
        sum = std::hint::black_box(sum.wrapping_add(1));
    }
});
