//! What a plugin may do beyond computing: one file for each kind of grant. Everything else is denied because it is
//! not there.

pub(crate) mod advice;
pub(crate) mod clock;
pub(crate) mod config;
pub(crate) mod env;
pub(crate) mod fs;
pub(crate) mod http;
pub(crate) mod keyvalue;
pub(crate) mod lasting;
pub(crate) mod open;
pub(crate) mod queues;
pub(crate) mod random;
pub(crate) mod secrets;
pub(crate) mod stream_error;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use wasmtime_wasi::{WasiCtx, WasiCtxBuilder};

pub use clock::Clock;
pub(crate) use clock::Monotonic;
pub use env::{EnvGrant, EnvValue};
pub use http::HttpGrant;
pub use keyvalue::BucketGrant;
pub use random::Random;
pub use secrets::{SecretGrant, SecretSource};

use crate::load_error::Problem;
use crate::output::Capture;
use secrets::Secrets;

/// Variables, keys or secrets of one plugin.
const ENTRIES: usize = 1_000;

/// Bytes of the name of one.
const NAME: usize = 200;

/// Bytes of the value of one.
const VALUE: usize = 64 << 10;

/// Random bytes that are made at once, at most: they are made in one go, which nothing can stop.
const RANDOM: u64 = 1 << 20;

/// What the operator allows a plugin. The default is nothing, with the host's own clocks and random numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// Folders that the plugin sees.
    pub fs: Vec<FsGrant>,
    /// Requests that it may send.
    pub http: Vec<HttpGrant>,
    /// Configured names of the queues to which it may push.
    pub queues: Vec<String>,
    /// Its environment variables, at most 1,000.
    pub env: Vec<EnvGrant>,
    /// What it finds in `wasi:config/store`, at most 1,000 keys. None refuses a plugin that imports it.
    pub config: Option<BTreeMap<String, String>>,
    /// What it can ask `jobhost:plugin/secrets` for, at most 1,000. None at all refuses a plugin that imports it.
    pub secrets: Vec<SecretGrant>,
    /// Buckets that it can open through `wasi:keyvalue`. None at all refuses a plugin that imports it.
    pub keyvalue: Vec<BucketGrant>,
    /// What its clocks show.
    pub clock: Clock,
    /// Where its random numbers come from.
    pub random: Random,
}

/// One folder of the host, as a plugin sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FsGrant {
    /// The folder; it must exist when the plugin is loaded. Links are followed then, and never again: a call whose
    /// folder is elsewhere by now ends as unavailable.
    pub host: PathBuf,
    /// The path under which the guest finds it.
    pub guest: String,
    /// What may be done below it.
    pub mode: FsMode,
}

/// What may be done in a granted folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FsMode {
    /// Listing and reading.
    ReadOnly,
    /// Also writing, creating, renaming and removing.
    ReadWrite,
}

/// Grants as a loaded plugin has them: every value read, once for all of its calls.
#[derive(Debug)]
pub(crate) struct Granted {
    pub(crate) queues: Vec<String>,
    pub(crate) config: BTreeMap<String, String>,
    pub(crate) secrets: Secrets,
    pub(crate) keyvalue: Vec<BucketGrant>,
    env: Vec<(String, String)>,
    clock: Clock,
    random: Random,
}

impl Granted {
    /// Reads what the grants name, or says which of them cannot be kept.
    pub(crate) fn read(grants: &Grants) -> Result<Arc<Self>, Problem> {
        let config = grants.config.clone().unwrap_or_default();
        config::check(&config)?;
        keyvalue::check(&grants.keyvalue)?;
        Ok(Arc::new(Self {
            queues: grants.queues.clone(),
            env: env::read(&grants.env)?,
            config,
            secrets: Secrets::read(&grants.secrets)?,
            keyvalue: grants.keyvalue.clone(),
            clock: grants.clock,
            random: grants.random,
        }))
    }

    /// A monotonic clock for an instance.
    pub(crate) fn monotonic(&self) -> Monotonic {
        Monotonic::new(self.clock)
    }

    /// What every call has of WASI: its output, its variables, clocks and random numbers; no arguments, no standard input,
    /// no network. `most` are the bytes that cross the border in one host call.
    pub(crate) fn inert(&self, output: &(Capture, Capture), monotonic: &Monotonic, most: u64) -> WasiCtxBuilder {
        let mut builder = WasiCtx::builder();
        builder
            .stdout(output.0.clone())
            .stderr(output.1.clone())
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .max_random_size(most.min(RANDOM));
        self.set_up(&mut builder, monotonic);
        builder
    }

    fn set_up(&self, builder: &mut WasiCtxBuilder, monotonic: &Monotonic) {
        if !self.env.is_empty() {
            builder.envs(&self.env);
        }
        clock::set_up(builder, self.clock, monotonic);
        random::set_up(builder, self.random);
    }
}

/// Whether there are few enough of a kind of grant.
fn few(grant: &'static str, count: usize) -> Result<(), Problem> {
    if count <= ENTRIES {
        return Ok(());
    }
    Err(refused(
        grant,
        "",
        format!("it has {count} entries, at most {ENTRIES} are taken; give the plugin a file instead"),
    ))
}

/// Whether the value of an entry is of a length that is taken. It is not shown.
fn short(value: &str) -> Result<(), String> {
    if value.len() <= VALUE {
        return Ok(());
    }
    Err(format!("its value has {} bytes, at most {VALUE} are taken; give the plugin a file instead", value.len()))
}

/// Whether an entry may have this name.
fn named(name: &str) -> Result<(), String> {
    let wrong = |character: char| character.is_control() || character == '=';
    if !name.is_empty() && name.len() <= NAME && !name.contains(wrong) {
        return Ok(());
    }
    Err(format!("it cannot have this name; use 1 to {NAME} bytes without `=` and control characters"))
}

fn refused(grant: &'static str, name: &str, why: String) -> Problem {
    Problem::GrantedValue { grant, name: name.to_owned(), why }
}
