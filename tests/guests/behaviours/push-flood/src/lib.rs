//! Pushes until it is refused, in batches of `batch`, and returns how many drafts were taken and why no more.

use guest::queue::push_many;

guest::handler!(|job| {
    let batch: usize = guest::text(&job, "batch")
        .parse()
        .map_err(guest::permanent)?;
    let drafts = vec![
        guest::draft(
            &guest::text(&job, "queue"),
            "Flood",
            &guest::text(&job, "payload")
        );
        batch
    ];
    let mut taken = 0;
    loop {
        match push_many(&drafts) {
            Ok(()) => taken += batch,
            Err(error) => {
                return Err(guest::types::JobError::Permanent(guest::failure(
                    &taken.to_string(),
                    error,
                )));
            }
        }
    }
});
