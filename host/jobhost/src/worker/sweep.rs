//! Sweeps a queue for as long as the worker runs.

use std::sync::Arc;

use jobhost_queue::store::SWEEP_EVERY;
use jobhost_queue::{Channel, Store};
use tokio::time::{MissedTickBehavior, interval};

use super::events::{Event, Events};

/// Returns jobs of dead workers and drops what is past its time, every few
/// seconds, until it is dropped.
pub(crate) async fn sweep(store: Arc<dyn Store>, events: Events, queue: String, channel: Channel) {
    let mut ticks = interval(SWEEP_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        loop {
            match store.sweep(&channel).await {
                Ok(report) => {
                    if !report.reclaimed.is_empty() {
                        events.tell(&Event::Reclaimed { queue: queue.clone(), ids: report.reclaimed });
                    }
                    if !report.more {
                        break;
                    }
                }
                Err(error) => {
                    tracing::debug!(queue, %error, "the queue was not swept");
                    break;
                }
            }
        }
    }
}
