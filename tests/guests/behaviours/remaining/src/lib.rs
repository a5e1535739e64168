//! Returns how many milliseconds the host says are left.

guest::handler!(|_| Ok(guest::context::remaining().to_string()));
