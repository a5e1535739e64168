//! jobhost: runs background jobs from Redis or SQLite, each in a WebAssembly
//! sandbox. Here the queue and the runtime meet; the binary is `cli::main`.

pub mod bench;
pub mod canary;
pub mod cause;
pub mod cli;
pub mod config;
pub mod exit;
pub mod host;
pub mod project;
pub mod push;
pub mod registry;
pub mod swap;
pub mod worker;

mod calls;
mod hooks;
