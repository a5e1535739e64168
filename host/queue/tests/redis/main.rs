//! The Redis store against real servers, one of its own for each test.

mod conformance;
mod fleet;
mod golden;
mod outage;
mod rules;
mod support;
