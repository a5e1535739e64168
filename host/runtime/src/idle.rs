//! Keeps what waits for another call, and sees to it that it is in nobody's way: of instances, busy and idle, there are
//! never more than calls that can run at once, and whoever needs a place has that of the one that has waited longest. It
//! knows nothing of what it keeps.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// How long one that was kept may take to go, at most.
const GOING: Duration = Duration::from_secs(1);

/// The places of an engine, and who waits in them.
pub(crate) struct Places<T> {
    most: usize,
    /// Places that are taken, by the busy and the idle. It is no part of the state: where nobody is idle the calls of all
    /// threads would wait for each other's lock.
    taken: Arc<AtomicUsize>,
    state: Mutex<State<T>>,
    /// Somebody came whose time is over before the watch looks again.
    sooner: Notify,
}

struct State<T> {
    /// Who has waited longest comes first.
    idle: Vec<Idle<T>>,
    plugins: u64,
    /// When the watch looks again; none while there is no watch.
    looks_at: Option<Instant>,
}

struct Idle<T> {
    plugin: Number,
    until: Instant,
    kept: T,
}

/// Tells plugins apart, and their versions, and one version with different settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Number(u64);

/// A place for one instance, which is kept together with it. It is free again when this is dropped, which has to be after
/// the instance was: as the last member of what has both.
pub(crate) struct Place<T>(Arc<AtomicUsize>, PhantomData<fn() -> T>);

impl<T> Drop for Place<T> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Release);
    }
}

impl<T> Places<T> {
    /// So many places, as many as calls that can run at once.
    pub(crate) fn new(most: usize) -> Arc<Self> {
        let state = State { idle: Vec::new(), plugins: 0, looks_at: None };
        Arc::new(Self { most, taken: Arc::default(), state: Mutex::new(state), sooner: Notify::new() })
    }

    /// A number that no other plugin has.
    pub(crate) fn number(&self) -> Number {
        let mut state = self.lock();
        state.plugins += 1;
        Number(state.plugins)
    }

    /// A place for a new instance, of a call that has a slot. If all are taken, somebody is idle, and has to go.
    pub(crate) fn place(&self) -> Place<T> {
        let room = |taken: usize| (taken < self.most).then_some(taken + 1);
        let mut began = None;
        while self.taken.fetch_update(Ordering::Acquire, Ordering::Relaxed, room).is_err() {
            let mut state = self.lock();
            if !state.idle.is_empty() {
                let longest = state.idle.remove(0);
                drop(state);
                // What is kept takes its time to go, and its place is free after that.
                drop(longest);
            } else if began.get_or_insert_with(Instant::now).elapsed() < GOING {
                drop(state);
                // One that was kept is just going, and whoever drops it needs a processor.
                std::thread::yield_now();
            } else {
                self.taken.fetch_add(1, Ordering::Relaxed);
                break;
            }
        }
        Place(Arc::clone(&self.taken), PhantomData)
    }

    /// What waits for a call of this plugin, if anything does: what came last.
    pub(crate) fn take(&self, plugin: Number, now: Instant) -> Option<T> {
        let mut state = self.lock();
        let found = state.idle.iter().rposition(|idle| idle.plugin == plugin && now < idle.until)?;
        Some(state.idle.remove(found).kept)
    }

    /// Keeps this, which has its place, for a later call. Whether [`watch`] has to be started.
    #[must_use]
    pub(crate) fn keep(&self, plugin: Number, until: Instant, kept: T) -> bool {
        let mut state = self.lock();
        state.idle.push(Idle { plugin, until, kept });
        let Some(looks_at) = state.looks_at else {
            state.looks_at = Some(until);
            return true;
        };
        if until < looks_at {
            state.looks_at = Some(until);
            self.sooner.notify_one();
        }
        false
    }

    /// Drops all that waits for calls of a plugin.
    pub(crate) fn forget(&self, plugin: Number) {
        self.drop_if(|idle| idle.plugin == plugin);
    }

    /// Instances that wait.
    pub(crate) fn idle(&self) -> usize {
        self.lock().idle.len()
    }

    /// Drops those whose time is over. When the next one's is, if there is any.
    fn look(&self, now: Instant) -> Option<Instant> {
        self.drop_if(|idle| idle.until <= now);
        let mut state = self.lock();
        state.looks_at = state.idle.iter().map(|idle| idle.until).min();
        state.looks_at
    }

    fn drop_if(&self, gone: impl Fn(&Idle<T>) -> bool) {
        let dropped: Vec<_> = self.lock().idle.extract_if(.., |idle| gone(idle)).collect();
        drop(dropped);
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Drops whoever waits for too long, until nobody waits.
pub(crate) async fn watch<T>(places: Arc<Places<T>>) {
    while let Some(next) = places.look(Instant::now()) {
        tokio::select! {
            () = tokio::time::sleep_until(next.into()) => {}
            () = places.sooner.notified() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);
    const AMPLE: Duration = Duration::from_secs(20);

    struct Named {
        name: &'static str,
        _place: Place<Self>,
    }

    fn keep(places: &Arc<Places<Named>>, plugin: Number, until: Instant, name: &'static str) -> bool {
        let kept = Named { name, _place: places.place() };
        places.keep(plugin, until, kept)
    }

    fn taken(places: &Places<Named>, plugin: Number, now: Instant) -> Option<&'static str> {
        places.take(plugin, now).map(|kept| kept.name)
    }

    #[test]
    fn each_plugin_gets_its_own_and_the_latest_first() {
        let places = Places::new(4);
        let (one, other, now) = (places.number(), places.number(), Instant::now());
        for (plugin, name) in [(one, "a"), (one, "b"), (other, "c")] {
            let _ = keep(&places, plugin, now + MINUTE, name);
        }
        assert_eq!(taken(&places, one, now), Some("b"));
        assert_eq!(taken(&places, one, now), Some("a"));
        assert_eq!(taken(&places, one, now), None);
        assert_eq!(taken(&places, other, now + MINUTE), None, "its time is over");
        assert_eq!(taken(&places, other, now), Some("c"));
        assert_eq!(places.taken.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn whoever_needs_a_place_has_that_of_the_one_that_waits_longest() {
        let places = Places::new(3);
        let (plugin, now) = (places.number(), Instant::now());
        let busy = places.place();
        let _ = keep(&places, plugin, now + MINUTE, "longest");
        let _ = keep(&places, plugin, now + MINUTE, "latest");
        let new = places.place();
        assert_eq!((places.idle(), places.taken.load(Ordering::Relaxed)), (1, 3));
        assert_eq!(taken(&places, plugin, now), Some("latest"));
        drop((busy, new));
        assert_eq!(places.taken.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_plugin_that_is_gone_leaves_nothing() {
        let places = Places::new(3);
        let (gone, other, now) = (places.number(), places.number(), Instant::now());
        for (plugin, name) in [(gone, "a"), (other, "b"), (gone, "c")] {
            let _ = keep(&places, plugin, now + MINUTE, name);
        }
        places.forget(gone);
        assert_eq!((places.idle(), places.taken.load(Ordering::Relaxed)), (1, 1));
        assert_eq!(taken(&places, other, now), Some("b"));
    }

    #[test]
    fn those_whose_time_is_over_go_and_the_watch_knows_when_to_look_again() {
        let places = Places::new(3);
        let (plugin, now) = (places.number(), Instant::now());
        assert!(keep(&places, plugin, now + MINUTE * 2, "a"), "nobody watches yet");
        assert!(!keep(&places, plugin, now + MINUTE, "b"));
        assert_eq!(places.lock().looks_at, Some(now + MINUTE), "it has to look sooner");
        assert_eq!(places.look(now), Some(now + MINUTE));
        assert_eq!(places.look(now + MINUTE), Some(now + MINUTE * 2));
        assert_eq!((places.idle(), places.taken.load(Ordering::Relaxed)), (1, 1));
        assert_eq!(places.look(now + MINUTE * 2), None);
        assert!(keep(&places, plugin, now + MINUTE, "c"), "the watch has ended");
    }

    /// Takes its time to go.
    struct Slow {
        goes: Sender<()>,
        gone: Receiver<()>,
        _place: Place<Self>,
    }

    impl Drop for Slow {
        fn drop(&mut self) {
            let _ = self.goes.send(());
            let _ = self.gone.recv_timeout(AMPLE);
        }
    }

    #[test]
    fn a_place_of_one_that_is_just_going_is_waited_for() {
        let (places, now) = (Places::new(1), Instant::now());
        let plugin = places.number();
        let ((goes, going), (go, gone), (tell, told)) = (channel(), channel(), channel());
        let _ = places.keep(plugin, now + MINUTE, Slow { goes, gone, _place: places.place() });
        std::thread::scope(|scope| {
            scope.spawn(|| places.forget(plugin));
            going.recv_timeout(AMPLE).unwrap();
            scope.spawn(|| {
                let _place = places.place();
                let _ = tell.send(places.taken.load(Ordering::Relaxed));
            });
            assert!(told.recv_timeout(Duration::from_millis(20)).is_err(), "it is not gone yet");
            go.send(()).unwrap();
            assert_eq!(told.recv_timeout(AMPLE), Ok(1));
        });
    }

    #[tokio::test]
    async fn the_watch_ends_with_the_last_and_is_told_of_whoever_goes_sooner() {
        let places = Places::new(3);
        let (plugin, now) = (places.number(), Instant::now());
        let _ = keep(&places, plugin, now + MINUTE * 60, "a");
        let watching = tokio::spawn(watch(Arc::clone(&places)));
        tokio::task::yield_now().await;
        assert!(!keep(&places, plugin, now, "b"));
        while places.idle() > 1 {
            tokio::task::yield_now().await;
        }
        places.forget(plugin);
        assert!(!keep(&places, plugin, now, "c"));
        watching.await.unwrap();
        assert_eq!(places.taken.load(Ordering::Relaxed), 0);
    }
}
