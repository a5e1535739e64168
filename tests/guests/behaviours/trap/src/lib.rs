//! Panics with a message, which in WebAssembly is a trap; the message is on stderr alone.

guest::handler!(|job| panic!("no handler for {}", job.payload));
