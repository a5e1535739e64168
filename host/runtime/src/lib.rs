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
//! [`Outcome`], whatever the guest does. Nothing of a guest survives its call, unless its plugin is warm, see [`Reuse`].

mod bindings;
mod buckets;
mod cache;
mod capabilities;
mod compiled;
mod compiler;
mod conceal;
mod engine;
mod exports;
mod host;
mod idle;
mod imports;
mod inspect;
mod interrupt;
mod invoke;
mod limits;
mod load;
mod load_error;
mod meter;
mod needs;
mod nobody;
mod origin;
mod outcome;
mod output;
mod plugin;
mod pool;
mod relink;
mod reuse;
mod sandbox;
mod signature;
mod source;
mod threads;
mod ticker;
mod try_out;
mod turns;
/// The plain data that crosses the border between host and guest.
pub mod types;
mod weight;

pub use buckets::{BucketChange, BucketChanged, BucketValue, BucketValues, Buckets};
pub use cache::Cache;
pub use capabilities::http::{Resolve, SystemResolver};
pub use capabilities::{
    BucketGrant, Clock, EnvGrant, EnvValue, FsGrant, FsMode, Grants, HttpGrant, Random, SecretGrant, SecretSource,
};
pub use compiler::{Compiler, compile_as_child};
pub use engine::{Allocation, Engine, EngineError, EngineSettings};
pub use exports::{Exports, INTERFACES, VERSION};
pub use host::CallHost;
pub use inspect::{Contents, Inspection, Producer, inspect};
pub use interrupt::Interrupt;
pub use invoke::Call;
pub use limits::Limits;
pub use load_error::{LoadError, Problem};
pub use needs::{Need, needs};
pub use origin::{Pin, Signed, Signer, signature_path};
pub use outcome::{Fault, Finished, Outcome, Usage};
pub use plugin::{Plugin, PluginSettings};
pub use reuse::{Instances, Reuse};
pub use source::Source;
