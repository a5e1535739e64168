//! The Redis store against real servers, one of its own for each test.

#![expect(clippy::unwrap_used, reason = "a panic is how a test answers")]

mod conformance;
mod fleet;
mod golden;
mod mending;
mod moving;
mod opening;
mod outage;
mod php;
mod settings;
mod spoiled;
mod support;
