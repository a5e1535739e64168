//! Measures what this host and its store can do, with the real worker, the real store and real sandboxes. It prints
//! nothing, touches nobody's queues, and removes what it made.

mod drain;
mod figure;
mod gauge;
mod ground;
mod idle;
mod push;
mod rig;
mod sandbox;
mod store_only;

use std::path::PathBuf;
use std::sync::Arc;

use clap::ValueEnum;
use jobhost_queue::{Channel, StoreError, Vitals};
use tokio::sync::{OnceCell, watch};

use crate::config::ConfigError;
use crate::host::HostError;
use crate::worker::error::WorkerError;
pub use figure::{Figure, Unit};
use figure::{Figures, Sample};
use ground::Ground;

/// What to measure, and with what.
#[derive(Clone, Debug)]
pub struct Bench {
    /// The store's address; without it a SQLite file that is removed at the end.
    pub store: Option<String>,
    /// Where that file is made.
    pub folder: PathBuf,
    /// Whether its commits do not wait for the disk.
    pub synchronous: Synchronous,
    /// The component that runs the jobs; without it one that does nothing.
    pub plugin: Option<PathBuf>,
    /// Jobs of each run.
    pub jobs: u32,
    /// Jobs that wait in the same queue beside those of a run, where jobs are pushed, reserved and settled.
    pub backlog: u32,
    /// Jobs at once, 1 to 1,024.
    pub concurrency: u32,
    /// Threads that run a worker's guests; without it one for each processor.
    pub threads: Option<u32>,
    /// Bytes of each job's payload, at least [`LEAST_PAYLOAD`].
    pub payload_bytes: u32,
    /// How often everything is measured, at least once.
    pub runs: u32,
    /// What is measured; never empty.
    pub parts: Vec<Part>,
}

/// The bytes of the smallest payload.
pub const LEAST_PAYLOAD: u32 = 16;

/// How much a commit of the SQLite file waits for the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Synchronous {
    /// What was accepted survives a power cut.
    #[default]
    Full,
    /// A power cut may cost the last commits.
    Normal,
}

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Part {
    /// Jobs pushed one at a time, each push waiting for the one before.
    PushSingle,
    /// Jobs pushed a thousand at a time.
    PushBulk,
    /// Sandboxes alone, without a store: on one thread, and on all.
    Sandbox,
    /// Jobs reserved and settled as a worker does it, without running anything.
    Store,
    /// A worker from its first start of a job to its last settlement.
    Drain,
    /// From the push of a job to its start by a worker that waits.
    Idle,
}

impl Part {
    /// As it is called on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::PushSingle => "push-single",
            Self::PushBulk => "push-bulk",
            Self::Sandbox => "sandbox",
            Self::Store => "store",
            Self::Drain => "drain",
            Self::Idle => "idle",
        }
    }

    fn needs_store(self) -> bool {
        self != Self::Sandbox
    }
}

/// Where it is measured, to be told before it begins.
#[derive(Clone, Debug)]
pub struct Place {
    /// The store's address, without password.
    pub address: String,
    /// How the channels begin that are made and removed.
    pub channels: String,
    /// What the store says of itself.
    pub vitals: Vitals,
}

/// What was measured.
#[derive(Debug)]
pub struct Report {
    /// Where; `None` if no part needs a store.
    pub place: Option<Place>,
    /// Whether sandboxes came from a pool.
    pub pooled: Option<bool>,
    /// In the order of [`Part`].
    pub figures: Vec<Figure>,
}

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// It was told to stop, and has removed what it made.
    #[error("stopped before it was done; what it made in the store is removed")]
    Stopped,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The plugin or the engine.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The worker.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// Jobs did not do what is measured.
    #[error("{0}")]
    NotSo(String),
    /// Something that cannot be.
    #[error("{0}")]
    Bug(String),
}

impl From<ConfigError> for BenchError {
    fn from(error: ConfigError) -> Self {
        Self::Host(error.into())
    }
}

/// What the parts share.
struct Scene {
    bench: Bench,
    ground: Option<Ground>,
    /// The channel with the backlog, once there is one.
    deep: OnceCell<Channel>,
    /// Turns true when it is to end.
    stop: watch::Receiver<bool>,
}

impl Scene {
    fn ground(&self) -> Result<&Ground, BenchError> {
        self.ground.as_ref().ok_or_else(|| BenchError::Bug("a part that needs a store has none".to_owned()))
    }

    /// Where jobs are pushed or taken: a channel that nobody has used, or the one with the backlog, which is filled once.
    async fn channel(&self) -> Result<Channel, BenchError> {
        let ground = self.ground()?;
        if self.bench.backlog == 0 {
            return ground.channel().await;
        }
        let fill = || async {
            let channel = ground.channel().await?;
            push::fill(self, &channel, self.bench.backlog).await?;
            Ok::<_, BenchError>(channel)
        };
        self.deep.get_or_try_init(fill).await.cloned()
    }

    /// Removes a channel with all that is in it, unless it has the backlog.
    async fn leave(&self, channel: &Channel) -> Result<(), BenchError> {
        if self.deep.get() == Some(channel) { Ok(()) } else { self.ground()?.leave(channel).await }
    }

    /// An error once it is to end.
    fn goes_on(&self) -> Result<(), BenchError> {
        if *self.stop.borrow() { Err(BenchError::Stopped) } else { Ok(()) }
    }
}

/// Measures all parts, once in each run so that all of them meet the same conditions. `tell` hears where before anything
/// is stored. When `stop` turns true it ends soon; however it ends, it removes what it made first.
pub async fn run(
    bench: Bench,
    stop: watch::Receiver<bool>,
    tell: impl FnOnce(&Place) + Send,
) -> Result<Report, BenchError> {
    let ground =
        if bench.parts.iter().any(|part| part.needs_store()) { Some(Ground::open(&bench).await?) } else { None };
    let place = ground.as_ref().map(Ground::place).cloned();
    if let Some(place) = &place {
        tell(place);
    }
    let scene = Arc::new(Scene { bench, ground, deep: OnceCell::new(), stop });
    // In a task of its own: what it made is removed after a panic, too.
    let measured = tokio::spawn(measure(Arc::clone(&scene))).await;
    if let Some(ground) = &scene.ground {
        ground.clean().await?;
    }
    let (pooled, figures) = measured.map_err(|panic| BenchError::Bug(panic.to_string()))??;
    Ok(Report { place, pooled, figures })
}

async fn measure(scene: Arc<Scene>) -> Result<(Option<bool>, Vec<Figure>), BenchError> {
    let mut parts = scene.bench.parts.clone();
    parts.sort_unstable();
    parts.dedup();
    let mut figures = Figures::default();
    let mut pooled = None;
    for _ in 0..scene.bench.runs {
        for part in &parts {
            scene.goes_on()?;
            let samples = once(&scene, *part, &mut pooled).await?;
            scene.goes_on()?;
            figures.add(*part, samples);
        }
    }
    Ok((pooled, figures.into_report()))
}

async fn once(scene: &Scene, part: Part, pooled: &mut Option<bool>) -> Result<Vec<Sample>, BenchError> {
    match part {
        Part::PushSingle => push::single(scene).await,
        Part::PushBulk => push::bulk(scene).await,
        Part::Sandbox => sandbox::alone(scene, pooled).await,
        Part::Store => store_only::without_running(scene).await,
        Part::Drain => drain::by_a_worker(scene, pooled).await,
        Part::Idle => idle::to_the_start(scene, pooled).await,
    }
}
