//! A worker that waits: how long a job takes from its push by another to its start.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jobhost_queue::{Channel, NewJob, Store, Token};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use super::figure::{Sample, Unit, percentile};
use super::rig::Rig;
use super::{BenchError, Scene, rig};
use crate::worker::chance;
use crate::worker::events::{Event, Listener};
use crate::worker::run::Until;

/// Jobs of one run at most: between two of them the worker has to come to rest.
const MOST: u32 = 200;
/// How long the worker rests, at least, and by how much more at most.
const REST: (Duration, Duration) = (Duration::from_millis(8), Duration::from_millis(8));
/// How long a job may take; then something is wrong.
const PATIENCE: Duration = Duration::from_secs(30);

enum Heard {
    Started(Instant),
    Settled,
    Failed(String),
}

struct Ear(mpsc::UnboundedSender<Heard>);

impl Listener for Ear {
    fn hear(&self, event: &Event) {
        let heard = match event {
            Event::Started(_) => Heard::Started(Instant::now()),
            Event::Done { .. } => Heard::Settled,
            Event::Failed { record, .. } => {
                Heard::Failed(record.cause.as_ref().map(|cause| cause.message.clone()).unwrap_or_default())
            }
            _ => return,
        };
        let _ = self.0.send(heard);
    }
}

pub(super) async fn to_the_start(scene: &Scene, pooled: &mut Option<bool>) -> Result<Vec<Sample>, BenchError> {
    let ground = scene.ground()?;
    let channel = ground.channel().await?;
    let rig = Rig::load(scene, scene.bench.threads).await?;
    *pooled = Some(rig.pooled());
    let job = rig::stored(scene)?;
    let pusher = ground.another().await?;
    let (ear, mut heard) = mpsc::unbounded_channel();
    let (tell_stop, stop) = watch::channel(false);
    let worker = rig.worker(ground.store(), &channel, Arc::new(Ear(ear)))?;
    let task = tokio::spawn(worker.run(Until::Told, stop));
    let measured = measure(scene, &mut heard, &*pusher, (&channel, &job)).await;
    let _ = tell_stop.send(true);
    let ended = task.await.map_err(|panic| BenchError::Bug(panic.to_string()))?;
    let latencies = measured?;
    ended?;
    scene.goes_on()?;
    ground.leave(&channel).await?;
    let of = |(name, percent)| Sample { name, unit: Unit::Millis, value: percentile(&latencies, percent) };
    Ok([("p50", 50), ("p95", 95), ("p99", 99)].map(of).to_vec())
}

/// Milliseconds from push to start, job by job.
async fn measure(
    scene: &Scene,
    heard: &mut mpsc::UnboundedReceiver<Heard>,
    pusher: &dyn Store,
    (channel, job): (&Channel, &NewJob),
) -> Result<Vec<f64>, BenchError> {
    let mut latencies = Vec::new();
    // The first one wakes up more than the worker.
    for nth in 0..=scene.bench.jobs.min(MOST) {
        sleep(REST.0 + REST.1.mul_f64(chance())).await;
        scene.goes_on()?;
        let pushed_at = Instant::now();
        pusher.push(channel, Token::random(), None, std::slice::from_ref(job)).await?;
        let started_at = timeout(PATIENCE, until_settled(heard)).await;
        let late = |_| BenchError::NotSo(format!("a job was not done within {} s of its push", PATIENCE.as_secs()));
        let started_at = started_at.map_err(late)??;
        if nth > 0 {
            latencies.push(started_at.saturating_duration_since(pushed_at).as_secs_f64() * 1e3);
        }
    }
    Ok(latencies)
}

/// When the next job began. Returns when it is settled.
async fn until_settled(heard: &mut mpsc::UnboundedReceiver<Heard>) -> Result<Instant, BenchError> {
    let mut started_at = None;
    loop {
        match (heard.recv().await, started_at) {
            (Some(Heard::Started(at)), _) => started_at = Some(at),
            (Some(Heard::Settled), Some(at)) => return Ok(at),
            (Some(Heard::Settled), None) => {}
            (Some(Heard::Failed(why)), _) => {
                return Err(BenchError::NotSo(format!("the plugin must succeed to be measured; it failed: {why}")));
            }
            (None, _) => return Err(BenchError::NotSo("the worker has ended".to_owned())),
        }
    }
}
