//! Pushes a job at once and returns its id.

guest::handler!(|job| {
    let draft = guest::draft(&guest::text(&job, "queue"), "FollowUp", "{}");
    match guest::queue::push_now(&draft) {
        Ok(id) => Ok(format!("\"{id}\"")),
        Err(error) => Err(guest::permanent(error)),
    }
});
