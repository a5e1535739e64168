//! Writes far more to stdout, or to the stream that `to` names, than is kept, and then goes on as if nothing had happened.

guest::handler!(|job| {
    let to_stderr = guest::text(&job, "to") == "stderr";
    for line in 0..20_000 {
        if to_stderr {
            eprintln!("stderr {line}");
        } else {
            println!("stdout {line}");
        }
    }
    eprintln!("\u{1b}[31mstderr is short\u{7}");
    Ok("\"still here\"".to_owned())
});
