//! How fast jobs are pushed by one who waits for each answer.

use std::time::{Duration, Instant};

use jobhost_queue::{Channel, NewJob, Pushed, Token};

use super::figure::{Sample, Unit};
use super::{BenchError, Scene, rig};

/// Jobs of one call. It is one transaction, for which other processes wait.
const BULK: u32 = 1000;
/// How long one run of single pushes lasts at most: each waits for the disk.
const SINGLE_AT_MOST: Duration = Duration::from_secs(3);

/// One job a call.
pub(super) async fn single(scene: &Scene) -> Result<Vec<Sample>, BenchError> {
    pushes(scene, 1, SINGLE_AT_MOST).await
}

/// Many jobs a call.
pub(super) async fn bulk(scene: &Scene) -> Result<Vec<Sample>, BenchError> {
    pushes(scene, BULK, Duration::MAX).await
}

async fn pushes(scene: &Scene, at_once: u32, most: Duration) -> Result<Vec<Sample>, BenchError> {
    let channel = scene.channel().await?;
    let began = Instant::now();
    let stored = store(scene, &channel, (scene.bench.jobs, at_once), most).await?;
    let took = began.elapsed();
    scene.leave(&channel).await?;
    Ok(vec![speed(stored, took)])
}

/// Pushes so many jobs, so many a call, or as many as there is time for; returns how many.
async fn store(
    scene: &Scene,
    channel: &Channel,
    (all, at_once): (u32, u32),
    most: Duration,
) -> Result<u32, BenchError> {
    let began = Instant::now();
    let job = rig::stored(scene)?;
    let jobs = vec![job; at_once.min(all) as usize];
    let mut left = all;
    while left > 0 && began.elapsed() < most {
        scene.goes_on()?;
        let some = left.min(at_once);
        push(scene, channel, &jobs[..some as usize]).await?;
        left -= some;
    }
    Ok(all - left)
}

/// So many jobs, for whoever is to take them.
pub(super) async fn fill(scene: &Scene, channel: &Channel, jobs: u32) -> Result<(), BenchError> {
    store(scene, channel, (jobs, BULK), Duration::MAX).await.map(|_| ())
}

async fn push(scene: &Scene, channel: &Channel, jobs: &[NewJob]) -> Result<(), BenchError> {
    match scene.ground()?.store().push(channel, Token::random(), None, jobs).await? {
        Pushed::Stored(ids) if ids.len() == jobs.len() => Ok(()),
        other => Err(BenchError::Bug(format!("a push of {} jobs was answered with {other:?}", jobs.len()))),
    }
}

/// So many jobs in such a time.
pub(super) fn speed(jobs: u32, took: Duration) -> Sample {
    Sample { name: "speed", unit: Unit::JobsPerSecond, value: f64::from(jobs) / took.as_secs_f64().max(1e-9) }
}
