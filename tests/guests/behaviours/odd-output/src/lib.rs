//! Returns text that is not JSON.

guest::handler!(|_| Ok("{\"size\": 12,\n oops}".to_owned()));
