//! What the store alone can do: jobs are reserved for free slots and settled in batches, as a worker does it, and not run.

use std::sync::Arc;
use std::time::Instant;

use jobhost_queue::store::SWEEP_EVERY;
use jobhost_queue::{
    AttemptRecord, Channel, ReserveOptions, Reserved, Retain, Settled, Settlement, Store, Token, Verdict,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::figure::Sample;
use super::gauge::Cpu;
use super::push::{fill, speed};
use super::{BenchError, Scene, rig};
use crate::host::identity;

/// Settlements of one call, as a worker's.
const BATCH: usize = 64;

type Taken = (Settlement, OwnedSemaphorePermit);

pub(super) async fn without_running(scene: &Scene) -> Result<Vec<Sample>, BenchError> {
    let channel = scene.channel().await?;
    fill(scene, &channel, scene.bench.jobs).await?;
    let retain = rig::queue(scene)?.retain;
    let store = scene.ground()?.store();
    let (cpu, began) = (Cpu::of(&**store).await?, Instant::now());
    let (taken, given) = mpsc::unbounded_channel();
    tokio::try_join!(reserve(scene, &channel, retain, taken), settle(store, given))?;
    let mut samples = vec![speed(scene.bench.jobs, began.elapsed())];
    samples.extend(cpu.since(&**store, scene.bench.jobs).await?);
    scene.leave(&channel).await?;
    Ok(samples)
}

/// Takes jobs into free slots until there are none.
async fn reserve(
    scene: &Scene,
    channel: &Channel,
    retain: Retain,
    taken: mpsc::UnboundedSender<Taken>,
) -> Result<(), BenchError> {
    let store = scene.ground()?.store();
    let slots = Arc::new(Semaphore::new(scene.bench.concurrency as usize));
    let mut left = scene.bench.jobs;
    let mut swept: Option<Instant> = None;
    while left > 0 {
        scene.goes_on()?;
        // What a worker does beside, and without which the store looks closer.
        if swept.is_none_or(|at| at.elapsed() >= SWEEP_EVERY) {
            swept = Some(Instant::now());
            store.sweep(channel).await?;
        }
        // Those that wait beside the jobs of this run stay.
        let most = left.min(1000) as usize;
        let first = Arc::clone(&slots).acquire_owned().await;
        let mut permits: Vec<_> = first.into_iter().collect();
        while permits.len() < most
            && let Ok(permit) = Arc::clone(&slots).try_acquire_owned()
        {
            permits.push(permit);
        }
        let limit = u32::try_from(permits.len()).unwrap_or(1);
        let options = ReserveOptions { limit, suspects: true, worker: identity().to_string() };
        let jobs = store.reserve(channel, Token::random(), &options).await?.jobs;
        if jobs.is_empty() {
            return Err(BenchError::NotSo(format!(
                "{left} jobs are missing in {channel}: did somebody else take them?"
            )));
        }
        left = left.saturating_sub(u32::try_from(jobs.len()).unwrap_or(u32::MAX));
        for (job, permit) in jobs.into_iter().zip(permits) {
            let _ = taken.send((settlement(&job, &options.worker, retain), permit));
        }
    }
    Ok(())
}

/// Settles what was taken, as much at once as there is.
async fn settle(store: &Arc<dyn Store>, mut given: mpsc::UnboundedReceiver<Taken>) -> Result<(), BenchError> {
    let mut batch = Vec::with_capacity(BATCH);
    while given.recv_many(&mut batch, BATCH).await > 0 {
        let (settlements, permits): (Vec<_>, Vec<_>) = batch.drain(..).unzip();
        let settled = store.settle(Token::random(), &settlements).await?;
        if let Some(other) = settled.iter().find(|settled| !matches!(settled, Settled::Yes(_))) {
            return Err(BenchError::NotSo(format!("a job could not be settled: {other:?}")));
        }
        drop(permits);
    }
    Ok(())
}

/// As that of a job that was run.
fn settlement(job: &Reserved, worker: &str, retain: Retain) -> Settlement {
    let record = AttemptRecord {
        attempt: job.attempt,
        name: "no-op".to_owned(),
        plugin: "no-op".to_owned(),
        digest: format!("sha256:{}", "0".repeat(64)),
        worker: worker.to_owned(),
        started_at: job.reserved_at,
        waited_ms: job.ready_at.map(|ready| job.reserved_at.saturating_sub(ready)),
        duration_us: 10,
        peak_memory: 64 << 10,
        bytes_in: 100,
        ..AttemptRecord::default()
    };
    Settlement {
        lease: job.lease.clone(),
        verdict: Verdict::Done { output: None },
        record,
        follow_ups: Vec::new(),
        retain,
    }
}
