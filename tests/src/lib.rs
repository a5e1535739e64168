//! What the tests of the whole program share: a place of one's own to run the
//! real `jobhost` in, with a private Redis server or a SQLite file. It knows no
//! crate of the program; it sees what a user sees.

#![expect(clippy::expect_used, reason = "a harness that cannot go on fails the test, and says why")]

mod artifacts;
pub mod chaos;
mod console;
mod finished;
mod invocation;
pub mod matrix;
pub mod measure;
mod process;
mod proxy;
mod redis_server;
mod resp;
mod text;
mod tools;
mod versions;
mod worker;
mod workplace;

pub use artifacts::{guest, jobhost, plugin, repository};
pub use console::{Console, Step, Surroundings, Wants, console_blocks, run_document, run_document_in};
pub use finished::Finished;
pub use invocation::Invocation;
pub use proxy::{Fate, Proxy, Request, Rule, Upstream};
pub use redis_server::RedisServer;
pub use text::{PATIENCE, digits_as_zeros, matches, wait_until};
pub use tools::tool_variables;
pub use versions::{replace, version};
pub use worker::Worker;
pub use workplace::Workplace;
