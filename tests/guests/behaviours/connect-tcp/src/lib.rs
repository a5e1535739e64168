//! Connects to `address`; a refusal is a permanent failure with the kind of error as its code.

guest::handler!(|job| {
    match std::net::TcpStream::connect(guest::text(&job, "address")) {
        Ok(_) => Ok(String::new()),
        Err(error) => Err(guest::refused(&error)),
    }
});
