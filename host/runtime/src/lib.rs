//! Runs WebAssembly components as job handlers and hooks, within limits and with what was granted to them. It knows
//! no store and no queue: what a guest pushes is handed to the caller.
//!
//! ```text
//! Engine ── Plugin::load ──► Plugin ── execute(job, Call) ──► Finished { outcome, usage }
//!                                            │
//!                                            └─ CallHost: pushes, progress and log lines, while the guest runs
//! ```
//!
//! Every call gets a store and an instance of its own, a budget of time from just before instantiation, and ends in an
//! [`Outcome`], whatever the guest does. Nothing of a guest survives its call.

mod bindings;
mod capabilities;
mod engine;
mod exports;
mod host;
mod imports;
mod inspect;
mod interrupt;
mod invoke;
mod limits;
mod load;
mod load_error;
mod meter;
mod outcome;
mod output;
mod plugin;
mod signature;
mod ticker;
mod turns;
/// The plain data that crosses the border between host and guest.
pub mod types;
mod weight;

pub use capabilities::{FsGrant, FsMode, Grants};
pub use engine::{Allocation, Engine, EngineError, EngineSettings};
pub use exports::Exports;
pub use host::CallHost;
pub use inspect::{Inspection, inspect};
pub use interrupt::Interrupt;
pub use invoke::Call;
pub use limits::Limits;
pub use load_error::{LoadError, Problem};
pub use outcome::{Fault, Finished, Outcome, Usage};
pub use plugin::{Plugin, PluginSettings};
