//! Sends `body` to `url` with POST and the header `name`, whole, and tells what came of it.

use guest::grantable_world::jobhost::plugin::http::{HttpError, Request, send};

guest::handler!(|job| {
    let text = |name: &str| guest::text(&job, name);
    let request = Request {
        method: "POST".to_owned(),
        url: text("url"),
        headers: vec![(text("name"), "Bearer t0ken".to_owned())],
        body: text("body").into_bytes(),
        timeout: Some(5_000),
    };
    Ok(match send(&request) {
        Ok(answer) => {
            let named = answer
                .headers
                .iter()
                .any(|(name, value)| name == "server" && value == "test");
            let body = String::from_utf8_lossy(&answer.body);
            format!(
                "{{\"status\":{},\"named\":{named},\"size\":{},\"body\":{body:?}}}",
                answer.status,
                body.len()
            )
        }
        Err(error) => {
            let (kind, why) = match error {
                HttpError::Invalid(why) => ("invalid", why),
                HttpError::Denied(why) => ("denied", why),
                HttpError::Failed(why) => ("failed", why),
            };
            format!("{{\"kind\":{kind:?},\"why\":{why:?}}}")
        }
    })
});
