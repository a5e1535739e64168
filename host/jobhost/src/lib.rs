//! jobhost: where jobs meet the plugins that run them. The worker, its hooks,
//! the configuration and the command line.

pub mod cli;
pub mod config;
pub mod exit;
