//! Which queues a worker serves, in step with the registry in force: what it
//! does for each begins when the queue comes and ends when it goes.

use std::sync::Arc;

use tokio::task::AbortHandle;

use super::duties::Duties;
use super::outage::Outage;
use super::run::{Served, Shared};
use super::sweep::sweep;
use super::take::Source;
use super::unusable::Unusable;
use crate::registry::Registry;

/// The queues of one worker.
pub(super) struct LineUp {
    served: Served,
    unusable: Unusable,
    /// What they were made from.
    registry: Option<Arc<Registry>>,
    /// In the order in which they are looked at.
    pub(super) sources: Vec<Source>,
    /// What ends the duties of each queue, by its name.
    duties: Vec<(String, [AbortHandle; 2])>,
}

impl LineUp {
    /// Without any queue yet.
    pub(super) fn new(served: Served, unusable: Unusable) -> Self {
        Self { served, unusable, registry: None, sources: Vec::new(), duties: Vec::new() }
    }

    /// Whether another registry is in force by now.
    pub(super) fn is_outdated(&self, shared: &Shared) -> bool {
        self.registry.as_ref().is_none_or(|registry| !Arc::ptr_eq(registry, &shared.registry.load()))
    }

    /// Serves what the registry in force has: queues that stay go on as they are, new ones are looked at first of all.
    pub(super) fn follow(&mut self, shared: &Arc<Shared>, outage: &Outage, duties: &mut Duties) {
        let registry = shared.registry.load_full();
        let mut wanted = registry.queues();
        wanted.retain(|queue| self.served.includes(&queue.config.name));
        self.sources.retain_mut(|source| {
            let stays = wanted
                .iter()
                .find(|queue| queue.config.name == source.name() && queue.config.channel == *source.channel());
            if let Some(queue) = stays {
                source.queue = Arc::clone(queue);
            } else if let Some(at) = self.duties.iter().position(|(queue, _)| queue == source.name()) {
                self.duties.swap_remove(at).1.iter().for_each(AbortHandle::abort);
            }
            stays.is_some()
        });
        for queue in wanted {
            let name = &queue.config.name;
            if self.sources.iter().any(|source| source.name() == name) {
                continue;
            }
            let source = Source::new(queue, shared.suspects.clone(), self.unusable.clone());
            let (store, channel) = (Arc::clone(&shared.store), source.channel().clone());
            let sweeping = sweep(store, shared.events.clone(), name.clone(), channel);
            let watching = source.watch(Arc::clone(&shared.store), Arc::clone(&shared.bell), outage.clone());
            let handles = [
                duties.begin(format!("its sweeping of queue `{name}`"), sweeping),
                duties.begin(format!("its watch on queue `{name}`"), watching),
            ];
            self.duties.push((name.clone(), handles));
            self.sources.push(source);
        }
        self.registry = Some(registry);
    }
}

impl Served {
    /// Whether a configured queue of this name is served.
    pub fn includes(&self, queue: &str) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => names.iter().any(|name| name == queue),
        }
    }
}
