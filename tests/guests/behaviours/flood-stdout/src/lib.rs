//! Writes far more to stdout and stderr than is kept, and then goes on as if nothing had happened.

guest::handler!(|_| {
    for line in 0..20_000 {
        println!("stdout {line}");
    }
    eprintln!("\u{1b}[31mstderr is short\u{7}");
    Ok("\"still here\"".to_owned())
});
