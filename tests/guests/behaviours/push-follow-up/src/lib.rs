//! Pushes a job to the queue that its payload names, and returns what the host answered.

use guest::queue::push;

guest::handler!(|job| {
    let queue = guest::text(&job, "queue");
    let mut draft = guest::draft(&queue, "FollowUp", &guest::text(&job, "payload"));
    draft.metadata = vec![("parent".to_owned(), job.key)];
    match push(&draft) {
        Ok(()) => Ok("\"pushed\"".to_owned()),
        Err(error) => Err(guest::permanent(error)),
    }
});
