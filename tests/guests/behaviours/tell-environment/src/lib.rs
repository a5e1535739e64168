//! Tells all its environment variables, sorted, one `NAME=value` a line, as a JSON string.

guest::handler!(|_| {
    let mut variables: Vec<String> = std::env::vars()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    variables.sort();
    Ok(format!("\"{}\"", variables.join("\\n")))
});
