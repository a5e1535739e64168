//! Tells the value of `key` in its configuration, as a JSON string or null, and all of its keys.

use guest::grantable_world::wasi::config::store;

guest::handler!(|job| {
    let value = store::get(&guest::text(&job, "key")).map_err(guest::permanent)?;
    let all = store::get_all().map_err(guest::permanent)?;
    let keys: Vec<String> = all.into_iter().map(|(key, _)| key).collect();
    let value = value.map_or_else(|| "null".to_owned(), |value| format!("\"{value}\""));
    Ok(format!(
        "{{\"value\":{value},\"keys\":\"{}\"}}",
        keys.join(" ")
    ))
});
