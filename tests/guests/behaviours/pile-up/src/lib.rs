//! Makes requests that it never sends and keeps them, each as heavy as `what` can make it, `times` times; `size` bytes each.

use wasip2::http::types::{Fields, Method, OutgoingRequest};

guest::handler!(|job| {
    let number = |key: &str| guest::text(&job, key).parse().unwrap_or(0_usize);
    let (times, size) = (number("times"), number("size"));
    let long = "A".repeat(size);
    let full = Fields::new();
    if guest::text(&job, "what") == "clone" {
        full.append("x", long.as_bytes())
            .map_err(guest::permanent)?;
    }
    let (mut kept, mut fields, mut bodies) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..times {
        let request = OutgoingRequest::new(Fields::new());
        let made = match guest::text(&job, "what").as_str() {
            "method" => request.set_method(&Method::Other(long.clone())),
            "authority" => request.set_authority(Some(&long)),
            "path" => request.set_path_with_query(Some(&format!("/{long}"))),
            "append" | "set" | "list" | "clone" => {
                let value = long.as_bytes().to_vec();
                let one = match guest::text(&job, "what").as_str() {
                    "append" => Fields::new(),
                    "set" => {
                        let one = Fields::new();
                        one.set("x", std::slice::from_ref(&value))
                            .map_err(guest::permanent)?;
                        one
                    }
                    "list" => Fields::from_list(&[("x".to_owned(), value.clone())])
                        .map_err(guest::permanent)?,
                    _ => full.clone(),
                };
                if guest::text(&job, "what") == "append" {
                    one.append("x", &value).map_err(guest::permanent)?;
                }
                fields.push(one);
                Ok(())
            }
            _ => request.body().map(|body| bodies.push(body)),
        };
        made.map_err(guest::permanent)?;
        kept.push(request);
    }
    Ok(kept.len().to_string())
});
