//! Reads the secret `name` and, by `how`, tells its length, or gives the secret itself away in one of the ways in which
//! that happens by mistake.

use guest::context::{Level, log, progress};
use guest::grantable_world::jobhost::plugin::secrets;
use guest::types::JobError;

guest::handler!(|job| {
    let secret = secrets::get(&guest::text(&job, "name"))
        .map_err(|error| JobError::Permanent(guest::failure("refused", format!("{error:?}"))))?;
    match guest::text(&job, "how").as_str() {
        "log" => log(Level::Warn, &format!("PUT with {secret}")),
        "progress" => progress(1, None, &format!("PUT with {secret}")),
        "print" => println!("PUT with {secret}"),
        "panic" => panic!("PUT with {secret}"),
        "fail" => {
            let mut failure = guest::failure(&secret, format!("PUT with {secret}"));
            failure.details.push((secret.clone(), secret));
            return Err(JobError::Permanent(failure));
        }
        "answer" => return Ok(format!("\"{secret}\"")),
        _ => {}
    }
    Ok(secret.len().to_string())
});
