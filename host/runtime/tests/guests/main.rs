//! The runtime against real guests. Each guest of `tests/guests/behaviours` has a module of its name in one of these
//! files, or is used by a test of the whole program; otherwise `tests` does not compile.

#![expect(clippy::unwrap_used, reason = "the functions that the tests share are tests too, which clippy does not see")]

mod answers;
mod calling;
mod effects;
mod ends;
mod files;
mod granted;
mod harness;
mod hooks;
mod http_server;
mod limits;
mod loading;
mod origin;
mod requests;
mod requests_addresses;
mod requests_cost;
mod requests_tls;
mod warm;
