//! Requests over HTTP: which are granted, and the client that sends them. A name is resolved by the host, each address
//! is checked, and the connection goes to the one that was; redirects are the guest's business, each a request anew.

mod address;
mod body;
mod client;
mod connect;
mod errors;
mod grant;
mod heads;
mod path;
mod pool;
mod requests;
mod send;
mod tls;

pub(crate) use client::Client;
pub use connect::{Resolve, SystemResolver};
pub(crate) use errors::add_to_linker;
pub use grant::HttpGrant;
pub(crate) use heads::{Heads, TooMuch};
pub(crate) use requests::{RequestLimits, Requests, Setting};
