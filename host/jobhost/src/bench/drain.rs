//! A worker that finds many jobs: how fast it runs them, and what that costs.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::watch;

use super::figure::Sample;
use super::gauge::{self, Cpu};
use super::push::{fill, speed};
use super::rig::Rig;
use super::{BenchError, Scene};
use crate::worker::events::{Event, Listener};
use crate::worker::run::{Until, Worker};

/// What the worker did.
struct Ear {
    jobs: u32,
    done: AtomicU32,
    /// Told once all jobs are done: more may wait.
    enough: watch::Sender<bool>,
    /// The first start of a job, and the last settlement.
    span: Mutex<(Option<Instant>, Option<Instant>)>,
    /// What went wrong first.
    failure: Mutex<Option<String>>,
}

impl Listener for Ear {
    fn hear(&self, event: &Event) {
        match event {
            Event::Started(_) => {
                let mut span = self.span.lock().unwrap_or_else(PoisonError::into_inner);
                span.0.get_or_insert_with(Instant::now);
            }
            Event::Done { .. } => {
                let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
                if done <= self.jobs {
                    self.span.lock().unwrap_or_else(PoisonError::into_inner).1 = Some(Instant::now());
                }
                if done == self.jobs {
                    self.enough.send_replace(true);
                }
            }
            Event::Failed { record, .. } => {
                let why = record.cause.as_ref().map(|cause| cause.message.clone()).unwrap_or_default();
                self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
            }
            _ => {}
        }
    }
}

pub(super) async fn by_a_worker(scene: &Scene, pooled: &mut Option<bool>) -> Result<Vec<Sample>, BenchError> {
    let (store, channel, jobs) = (scene.ground()?.store(), scene.channel().await?, scene.bench.jobs);
    fill(scene, &channel, jobs).await?;
    let rig = Rig::load(scene, scene.bench.threads).await?;
    *pooled = Some(rig.pooled());
    let (enough, stop) = watch::channel(false);
    let ear =
        Arc::new(Ear { jobs, done: AtomicU32::new(0), enough, span: Mutex::default(), failure: Mutex::default() });
    let worker = rig.worker(store, &channel, ear.clone())?;
    let (anew, cpu) = (gauge::forget_peak_memory(), Cpu::of(&**store).await?);
    run(worker, &ear.enough, stop, scene.stop.clone()).await?;
    scene.goes_on()?;
    let done = ear.done.load(Ordering::Relaxed);
    let costs = cpu.since(&**store, done.max(1)).await?;
    if let Some(why) = ear.failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
        return Err(BenchError::NotSo(format!("the plugin must succeed to be measured; it failed: {why}")));
    }
    let (Some(first), Some(last)) = *ear.span.lock().unwrap_or_else(PoisonError::into_inner) else {
        return Err(BenchError::NotSo("the worker found no job: did somebody else take them?".to_owned()));
    };
    if done < jobs {
        return Err(BenchError::NotSo(format!(
            "of {jobs} jobs the worker has done {done}: did somebody take the others?"
        )));
    }
    let mut samples = vec![speed(jobs, last.saturating_duration_since(first))];
    samples.extend(costs);
    samples.extend(gauge::peak_memory().filter(|_| anew));
    // The worker had slots to fill until it heard that it was enough.
    fill(scene, &channel, done - jobs).await?;
    scene.leave(&channel).await?;
    Ok(samples)
}

/// Runs the worker until it has done its jobs, finds none, or `told` turns true.
async fn run(
    worker: Worker,
    enough: &watch::Sender<bool>,
    stop: watch::Receiver<bool>,
    mut told: watch::Receiver<bool>,
) -> Result<(), BenchError> {
    let running = worker.run(Until::Empty, stop);
    tokio::pin!(running);
    tokio::select! {
        ended = &mut running => return ended.map_err(BenchError::from),
        _ = told.wait_for(|told| *told) => {}
    }
    enough.send_replace(true);
    running.await.map_err(BenchError::from)
}
