//! Sandboxes alone: each job in one of its own, on the threads on which a worker's attempts run, and no store.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use jobhost_runtime::types::{Job, JobDraft, Level, PushError};
use jobhost_runtime::{Buckets, Call, CallHost, Interrupt, Outcome, Plugin};
use tokio::sync::watch;
use tokio::task::{JoinSet, yield_now};

use super::figure::{Sample, Unit};
use super::rig::Rig;
use super::{BenchError, Scene, gauge};
use crate::cause;

/// First with one thread for guests, then with one for each processor.
pub(super) async fn alone(scene: &Scene, pooled: &mut Option<bool>) -> Result<Vec<Sample>, BenchError> {
    let mut samples =
        on_threads(scene, Some(1), ["speed, one thread", "time, one thread", "CPU of the host, one thread"], pooled)
            .await?;
    samples.extend(
        on_threads(scene, None, ["speed, all threads", "time, all threads", "CPU of the host, all threads"], pooled)
            .await?,
    );
    Ok(samples)
}

async fn on_threads(
    scene: &Scene,
    threads: Option<u32>,
    [speed, time, cost]: [&'static str; 3],
    pooled: &mut Option<bool>,
) -> Result<Vec<Sample>, BenchError> {
    let rig = Rig::load(scene, threads).await?;
    *pooled = Some(rig.pooled());
    let (job, stop) = (rig.job(&scene.bench), &scene.stop);
    // The first in a slot of the pool costs more.
    run(&rig, &job, (2 * scene.bench.concurrency, scene.bench.concurrency), stop).await?;
    let (cpu, began) = (gauge::of_this_process(), Instant::now());
    run(&rig, &job, (scene.bench.jobs, scene.bench.concurrency), stop).await?;
    let (took, jobs) = (began.elapsed(), f64::from(scene.bench.jobs));
    let per_job = |took: Duration| took.as_secs_f64() * 1e6 / jobs;
    let mut samples = vec![
        Sample { name: speed, unit: Unit::JobsPerSecond, value: jobs / took.as_secs_f64().max(1e-9) },
        Sample { name: time, unit: Unit::MicrosPerJob, value: per_job(took) },
    ];
    if let (Some(before), Some(after)) = (cpu, gauge::of_this_process()) {
        let value = per_job(after.saturating_sub(before));
        samples.push(Sample { name: cost, unit: Unit::MicrosPerJob, value });
    }
    Ok(samples)
}

/// So many jobs, so many at once.
async fn run(
    rig: &Rig,
    job: &Job,
    (jobs, at_once): (u32, u32),
    stop: &watch::Receiver<bool>,
) -> Result<(), BenchError> {
    let left = Arc::new(AtomicU32::new(jobs));
    let (mut callers, threads) = (JoinSet::new(), rig.threads()?);
    for _ in 0..at_once.min(jobs) {
        let (plugin, job, left, stop) = (rig.plugin.clone(), job.clone(), Arc::clone(&left), stop.clone());
        let caller = async move {
            let take = || left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok();
            while take() && !stop.has_changed().unwrap_or(true) {
                call(&plugin, &job).await?;
                // As an attempt does that waits for its settlement: no caller keeps a thread to itself.
                yield_now().await;
            }
            Ok::<_, BenchError>(())
        };
        callers.spawn_on(caller, &threads);
    }
    while let Some(ended) = callers.join_next().await {
        ended.map_err(|panic| BenchError::Bug(panic.to_string()))??;
    }
    Ok(())
}

async fn call(plugin: &Plugin, job: &Job) -> Result<(), BenchError> {
    let budget = Duration::from_secs(u64::from(job.ttr));
    let call = Call { budget, host: Arc::new(Nobody), interrupt: Interrupt::default() };
    let why = match plugin.execute(job.clone(), call).await.outcome {
        Outcome::Returned(Ok(_)) => return Ok(()),
        Outcome::Returned(Err(error)) => cause::record(&jobhost_runtime::types::FailureCause::Returned(error)).message,
        Outcome::Faulted(fault) => cause::record(&fault.cause).message,
        Outcome::Cancelled => "it was cancelled".to_owned(),
        Outcome::Unavailable(why) => why,
    };
    Err(BenchError::NotSo(format!("the plugin must succeed to be measured; it failed: {why}")))
}

/// There is nothing behind the sandbox.
struct Nobody;

#[async_trait]
impl CallHost for Nobody {
    async fn push(&self, _: Vec<JobDraft>) -> Result<(), PushError> {
        Ok(())
    }

    async fn push_now(&self, _: JobDraft) -> Result<String, PushError> {
        Err(PushError::Unavailable("there is no store where sandboxes alone are measured".to_owned()))
    }

    fn progress(&self, _: u32, _: Option<u32>, _: &str) {}

    fn buckets(&self) -> Result<&dyn Buckets, &'static str> {
        Err("there is no store where sandboxes alone are measured")
    }

    fn log(&self, _: Level, _: &str) {}
}
