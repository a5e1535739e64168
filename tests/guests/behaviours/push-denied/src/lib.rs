//! Pushes to a hundred queues whose names are as long as `length` says, twice to each, whatever the host answers. It
//! returns the longest refusal's length.

use guest::queue::{PushError, push};

guest::handler!(|job| {
    let length: usize = guest::text(&job, "length")
        .parse()
        .map_err(guest::permanent)?;
    let mut longest = 0;
    for number in 0..200 {
        let queue = format!("{:0length$}", number / 2);
        match push(&guest::draft(&queue, "FollowUp", "")) {
            Err(PushError::Denied(why)) => longest = longest.max(why.len()),
            other => return Err(guest::permanent(other)),
        }
    }
    Ok(longest.to_string())
});
