//! Counts its calls in a static. A fresh instance for every call means that it never gets beyond one.

use std::sync::atomic::{AtomicU32, Ordering};

static CALLS: AtomicU32 = AtomicU32::new(0);

guest::handler!(|_| Ok((CALLS.fetch_add(1, Ordering::Relaxed) + 1).to_string()));
