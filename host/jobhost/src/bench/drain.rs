//! A worker that finds many jobs: how fast it runs them, and what that costs.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::figure::Sample;
use super::gauge::{self, Cpu};
use super::push::{backlog, speed};
use super::rig::Rig;
use super::{BenchError, Scene};
use crate::worker::events::{Event, Listener};
use crate::worker::run::Until;

/// What the worker did.
#[derive(Default)]
struct Ear {
    done: AtomicU32,
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
                self.done.fetch_add(1, Ordering::Relaxed);
                self.span.lock().unwrap_or_else(PoisonError::into_inner).1 = Some(Instant::now());
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
    let ground = scene.ground()?;
    let (store, channel, jobs) = (ground.store(), ground.channel().await?, scene.bench.jobs);
    backlog(scene, &channel).await?;
    let rig = Rig::load(scene, None).await?;
    *pooled = Some(rig.pooled());
    let ear = Arc::<Ear>::default();
    let worker = rig.worker(store, &channel, ear.clone())?;
    let (anew, cpu) = (gauge::forget_peak_memory(), Cpu::of(&**store).await?);
    worker.run(Until::Empty, scene.stop.clone()).await?;
    scene.goes_on()?;
    let costs = cpu.since(&**store, jobs).await?;
    if let Some(why) = ear.failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
        return Err(BenchError::NotSo(format!("the plugin must succeed to be measured; it failed: {why}")));
    }
    let done = ear.done.load(Ordering::Relaxed);
    let (Some(first), Some(last)) = *ear.span.lock().unwrap_or_else(PoisonError::into_inner) else {
        return Err(BenchError::NotSo("the worker found no job: did somebody else take them?".to_owned()));
    };
    if done != jobs {
        return Err(BenchError::NotSo(format!(
            "of {jobs} jobs the worker has done {done}: did somebody take the others?"
        )));
    }
    let mut samples = vec![speed(jobs, last.saturating_duration_since(first))];
    samples.extend(costs);
    samples.extend(gauge::peak_memory().filter(|_| anew));
    ground.leave(&channel).await?;
    Ok(samples)
}
