//! The worker on a real store, without plugins: nobody handles any job.

use std::sync::Mutex;

use jobhost_queue::{Channel, Clock, ManualClock, NewJob, OpenOptions, ReserveOptions, Token, Workers, open};

use tokio::time::timeout;

use super::*;
use crate::config::{Config, Request, load};
use crate::registry::Wanted;
use crate::worker::events::Listener;
use crate::worker::faulty::{Fault, Faulty};

const NOW: u64 = 1_795_000_000_000;

/// How long anything here may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A store in a folder of its own, and the configuration to run its jobs.
struct Stage {
    _folder: tempfile::TempDir,
    config: Config,
    store: Arc<Faulty>,
    clock: ManualClock,
    heard: Arc<Heard>,
}

/// All events so far.
#[derive(Default)]
struct Heard(Mutex<Vec<Event>>, Notify);

impl Listener for Heard {
    fn hear(&self, event: &Event) {
        self.0.lock().unwrap().push(event.clone());
        self.1.notify_one();
    }
}

impl Heard {
    fn count(&self, which: fn(&Event) -> bool) -> usize {
        self.0.lock().unwrap().iter().filter(|event| which(event)).count()
    }

    async fn wait_for(&self, which: fn(&Event) -> bool, times: usize) {
        let heard = async {
            while self.count(which) < times {
                self.1.notified().await;
            }
        };
        timeout(PATIENCE, heard).await.unwrap();
    }
}

impl Stage {
    async fn new(queue: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("jobhost.toml");
        std::fs::write(&file, format!("store = \"sqlite:jobs.db\"\n[queues.q]\n{queue}\n")).unwrap();
        let config = load(&Request { config: Some(file), ..Request::default() }).unwrap();
        let clock = ManualClock::at(NOW);
        let options = OpenOptions { clock: Clock::Manual(clock.clone()), ..OpenOptions::default() };
        let store = open(&config.store, options).await.unwrap();
        let store = Arc::new(Faulty::new(store));
        Self { _folder: folder, config, store, clock, heard: Arc::default() }
    }

    fn channel(&self) -> &Channel {
        &self.config.queues[0].channel
    }

    async fn push(&self, job: NewJob) {
        self.store.push(self.channel(), Token::random(), None, &[job]).await.unwrap();
    }

    async fn worker(&self) -> Worker {
        let registry = Registry::load(&self.config, None, Wanted::All).await.unwrap();
        let registry = Arc::new(ArcSwap::from_pointee(registry));
        let tally = Arc::new(Tally::new(Arc::clone(&registry)));
        Worker {
            store: self.store.clone(),
            pusher: Arc::new(Pusher::new(Arc::clone(&registry))),
            registry,
            events: Events::to(vec![self.heard.clone(), tally.clone()]),
            engine: None,
            queues: Served::All,
            concurrency: 2,
            grace: Duration::from_secs(1),
            identity: Identity { host: "here".into(), pid: 1 },
            tally,
            swap: None,
        }
    }

    /// Runs until nothing waits; then how many jobs are delayed, and failed.
    async fn run(&self) -> (u64, u64) {
        let (_stop, told) = watch::channel(false);
        self.worker().await.run(Until::Empty, told).await.unwrap();
        let counts = self.store.counts(self.channel()).await.unwrap();
        (counts.delayed, counts.failed)
    }

    /// Begins to listen; ends when it does, or is told to by the sender.
    async fn listen(&self) -> (watch::Sender<bool>, tokio::task::JoinHandle<Result<(), WorkerError>>) {
        let (stop, told) = watch::channel(false);
        (stop, tokio::spawn(self.worker().await.run(Until::Told, told)))
    }

    /// Lets time pass with a sweep every two seconds, as workers do.
    async fn live(&self, time: Duration) {
        for _ in 0..time.as_secs() / 2 {
            self.clock.advance(Duration::from_secs(2));
            self.store.sweep(self.channel()).await.unwrap();
        }
    }

    async fn reserve(&self) -> Vec<Reserved> {
        let options = ReserveOptions { limit: 1, suspects: true, worker: String::new() };
        self.store.reserve(self.channel(), Token::random(), &options).await.unwrap().jobs
    }
}

/// What the worker said at its end, which has to come.
async fn end_of(working: tokio::task::JoinHandle<Result<(), WorkerError>>) -> String {
    timeout(PATIENCE, working).await.expect("the worker should have ended").unwrap().unwrap_err().to_string()
}

#[tokio::test]
async fn an_unknown_name_is_left_to_others_for_an_hour_from_when_it_was_first_seen() {
    let stage = Stage::new("unknown = \"release\"").await;
    stage.push(NewJob { delay: Duration::from_hours(5), ..NewJob::new(r#"{"class":"Nobody"}"#, 10) }).await;
    stage.clock.advance(Duration::from_hours(6));
    assert_eq!(stage.run().await, (1, 0), "first seen");
    stage.clock.advance(Duration::from_mins(59));
    assert_eq!(stage.run().await, (1, 0), "after 59 minutes");
    stage.clock.advance(Duration::from_mins(2));
    assert_eq!(stage.run().await, (0, 1), "after 61 minutes");
}

#[tokio::test]
async fn a_panic_gives_back_the_slot_and_the_lease() {
    let stage = Stage::new("").await;
    stage.push(NewJob::new(r#"{"class":"Nobody"}"#, 10)).await;
    let options = ReserveOptions { limit: 1, suspects: true, worker: String::new() };
    let reservation = stage.store.reserve(stage.channel(), Token::random(), &options).await.unwrap();
    let worker = stage.worker().await;
    let unusable = Unusable::new(Arc::default());
    let (settler, _serving) = Settler::new(stage.store.clone(), Outage::new(Events::default()), unusable);
    let shared = Arc::new(Shared {
        store: worker.store,
        registry: worker.registry,
        pusher: worker.pusher,
        events: worker.events,
        identity: worker.identity.to_string(),
        threads: Handle::current(),
        leases: Leases::default(),
        settler,
        suspects: Suspects::default(),
        tally: worker.tally,
        busy: AtomicU32::new(0),
        bell: Arc::default(),
        stop: watch::channel(false).1,
    });
    let slots = Arc::new(Semaphore::new(1));
    let slot = Arc::clone(&slots).try_acquire_owned().unwrap();
    let taken = TakenSlot::new(Arc::clone(&shared), &reservation.jobs[0], Duration::ZERO, slot);
    assert_eq!((shared.leases.len(), slots.available_permits()), (1, 0));
    let panicked = tokio::spawn(async move {
        let _taken = taken;
        panic!("planned");
    });
    assert!(panicked.await.is_err());
    assert_eq!((shared.leases.len(), slots.available_permits()), (0, 1));
    timeout(Duration::from_secs(10), shared.bell.notified()).await.unwrap();
}

#[tokio::test]
async fn a_worker_ends_when_its_sweep_or_its_watch_has_panicked() {
    for (verb, duty) in [("sweep", "its sweeping of queue `q`"), ("wait", "its watch on queue `q`")] {
        let stage = Stage::new("").await;
        stage.store.breaks(verb, Fault::Panics);
        let (_stop, working) = stage.listen().await;
        let said = end_of(working).await;
        assert!(said.contains(duty) && said.contains(&format!("planned in {verb}")), "{said}");
        assert_eq!(stage.heard.count(|event| matches!(event, Event::WorkerStopped { .. })), 1);
    }
}

#[tokio::test]
async fn a_worker_ends_when_its_replacing_of_plugins_has_panicked() {
    let stage = Stage::new("").await;
    let swap = Box::pin(async { panic!("planned in swap") });
    let worker = Worker { swap: Some(swap), ..stage.worker().await };
    let (_stop, told) = watch::channel(false);
    let said = end_of(tokio::spawn(worker.run(Until::Told, told))).await;
    assert!(said.contains("its replacing of plugins") && said.contains("planned in swap"), "{said}");
    assert_eq!(stage.heard.count(|event| matches!(event, Event::WorkerStopped { .. })), 1);
}

#[tokio::test]
async fn a_worker_ends_when_its_settling_has_panicked_and_its_job_is_a_suspect_then() {
    let stage = Stage::new("").await;
    stage.store.breaks("settle", Fault::Panics);
    stage.push(NewJob::new(r#"{"class":"Nobody"}"#, 10)).await;
    let (_stop, working) = stage.listen().await;
    let said = end_of(working).await;
    assert!(said.contains("its settling of jobs") && said.contains("planned in settle"), "{said}");
    assert_eq!(stage.store.counts(stage.channel()).await.unwrap().reserved, 1, "left to its lease");
    stage.live(Duration::from_mins(1)).await;
    let again = stage.reserve().await;
    assert_eq!((again[0].attempt, again[0].crashes), (1, 1));
}

#[tokio::test]
async fn a_worker_ends_when_its_keeping_of_leases_has_panicked_be_it_while_it_stops() {
    for stops in [false, true] {
        let stage = Stage::new("").await;
        stage.push(NewJob::new(r#"{"class":"Nobody"}"#, 10)).await;
        stage.store.breaks("settle", Fault::Hangs);
        stage.store.breaks("extend", Fault::Panics);
        let (stop, working) = stage.listen().await;
        stage.store.called("settle", 1).await;
        stop.send(stops).unwrap();
        stage.store.called("extend", 1).await;
        stage.store.mend("settle");
        let said = end_of(working).await;
        assert!(said.contains("its keeping of leases") && said.contains("planned in extend"), "{said}");
        assert_eq!(stage.store.counts(stage.channel()).await.unwrap().failed, 1, "its end was still stored");
    }
}

#[tokio::test]
async fn a_job_whose_end_cannot_be_stored_does_not_run_again_and_holds_up_its_queue_until_it_can() {
    let stage = Stage::new("").await;
    stage.store.breaks("settle", Fault::Corrupt);
    for _ in 0..5 {
        stage.push(NewJob::new(r#"{"class":"Nobody"}"#, 10)).await;
    }
    let (stop, working) = stage.listen().await;
    // In one batch, then each alone, and once more after a while.
    stage.store.called("settle", 5).await;
    let started = |event: &Event| matches!(event, Event::Started(_));
    assert_eq!(stage.heard.count(started), 2, "as many as there are slots");
    assert_eq!(stage.heard.count(|event| matches!(event, Event::Lost(_))), 0);
    assert_eq!(stage.store.counts(stage.channel()).await.unwrap().reserved, 2);
    stage.store.mend("settle");
    stage.heard.wait_for(|event| matches!(event, Event::Failed { .. }), 5).await;
    assert_eq!(stage.heard.count(started), 5, "each once");
    stop.send(true).unwrap();
    timeout(PATIENCE, working).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn run_ends_with_an_error_when_the_end_of_a_job_cannot_be_stored() {
    let stage = Stage::new("").await;
    stage.store.breaks("settle", Fault::Corrupt);
    stage.push(NewJob::new(r#"{"class":"Nobody"}"#, 10)).await;
    let (_stop, told) = watch::channel(false);
    let running = tokio::spawn(stage.worker().await.run(Until::Empty, told));
    let said = end_of(running).await;
    for part in ["queue `q` is not served", "job 1", "planned; delete it"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[tokio::test]
async fn run_ends_with_an_error_when_jobs_whose_end_cannot_be_stored_are_in_all_slots() {
    let stage = Stage::new("\n[queues.other]").await;
    stage.store.spoils(Some(stage.channel()));
    for _ in 0..2 {
        stage.push(NewJob::new(r#"{"class":"Nobody"}"#, 10)).await;
    }
    let (_stop, told) = watch::channel(false);
    let worker =
        Worker { concurrency: 1, queues: Served::Named(vec!["q".into(), "other".into()]), ..stage.worker().await };
    let said = end_of(tokio::spawn(worker.run(Until::Empty, told))).await;
    assert!(said.contains("queue `q` is not served") && said.contains("job 1"), "{said}");
}

#[tokio::test]
async fn jobs_whose_end_cannot_be_stored_leave_their_slots_to_other_queues_and_keep_their_leases() {
    let stage = Stage::new("\n[queues.other]").await;
    let other = &stage.config.queues.iter().find(|queue| queue.name == "other").unwrap().channel;
    stage.store.spoils(Some(stage.channel()));
    for _ in 0..3 {
        stage.push(NewJob::new(r#"{"class":"Nobody"}"#, 10)).await;
    }
    let (stop, told) = watch::channel(false);
    let worker =
        Worker { concurrency: 1, queues: Served::Named(vec!["q".into(), "other".into()]), ..stage.worker().await };
    let working = tokio::spawn(worker.run(Until::Told, told));
    stage.store.called("settle", 1).await;
    let jobs = [NewJob::new(r#"{"class":"Nobody"}"#, 10), NewJob::new(r#"{"class":"Nobody"}"#, 10)];
    stage.store.push(other, Token::random(), None, &jobs).await.unwrap();
    stage.heard.wait_for(|event| matches!(event, Event::Failed { .. }), 2).await;
    assert_eq!(stage.store.counts(other).await.unwrap().failed, 2);
    let counts = stage.store.counts(stage.channel()).await.unwrap();
    assert_eq!((counts.reserved, counts.waiting), (1, 2), "no more is taken from it");
    stage.store.spoils(None);
    stage.heard.wait_for(|event| matches!(event, Event::Failed { .. }), 5).await;
    assert_eq!(stage.heard.count(|event| matches!(event, Event::Started(_))), 5, "each once");
    stop.send(true).unwrap();
    timeout(PATIENCE, working).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_worker_that_is_told_to_stop_says_so_while_its_store_does_not_answer() {
    let stage = Stage::new("").await;
    stage.push(NewJob::new(r#"{"class":"Nobody"}"#, 10)).await;
    stage.store.breaks("reserve", Fault::Hangs);
    let (stop, working) = stage.listen().await;
    stage.store.called("reserve", 1).await;
    stop.send(true).unwrap();
    stage.heard.wait_for(|event| matches!(event, Event::WorkerStopping { .. }), 1).await;
    stage.store.mend("reserve");
    timeout(PATIENCE, working).await.unwrap().unwrap().unwrap();
    assert_eq!(stage.heard.count(|event| matches!(event, Event::WorkerStopping { .. })), 1);
}

#[tokio::test]
async fn jobs_that_a_look_at_the_queue_reclaims_are_told_as_those_of_a_sweep() {
    let stage = Stage::new("").await;
    stage.push(NewJob::new(r#"{"class":"Nobody"}"#, 10)).await;
    stage.live(Duration::from_secs(20)).await;
    let dead = stage.reserve().await.remove(0).lease.id;
    stage.live(Duration::from_secs(8)).await;
    stage.clock.advance(Duration::from_secs(4));
    stage.store.breaks("sweep", Fault::Hangs);
    assert_eq!(stage.run().await, (0, 1));
    let events = stage.heard.0.lock().unwrap();
    let reclaimed = events.iter().find_map(|event| match event {
        Event::Reclaimed { queue, ids } => Some((queue.as_str(), ids.clone())),
        _ => None,
    });
    assert_eq!(reclaimed, Some(("q", vec![dead])));
}

#[tokio::test]
async fn a_worker_is_in_the_registry_while_it_works_and_not_after() {
    let stage = Stage::new("").await;
    let (stop, working) = stage.listen().await;
    stage.store.called("announce", 1).await;
    let known = timeout(PATIENCE, async {
        loop {
            let known = stage.store.workers().await.unwrap().workers;
            if !known.is_empty() {
                return known;
            }
            tokio::task::yield_now().await;
        }
    });
    let known = known.await.unwrap();
    assert_eq!(known.len(), 1);
    let told = &known[0].record;
    assert_eq!((told.host.as_str(), told.pid, told.slots, told.busy), ("here", 1, 2, 0));
    assert_eq!((told.queues.as_slice(), told.stopping), (["q".to_owned()].as_slice(), false));
    stop.send(true).unwrap();
    timeout(PATIENCE, working).await.unwrap().unwrap().unwrap();
    assert!(stage.store.workers().await.unwrap().workers.is_empty());
}

#[tokio::test]
async fn jobs_run_and_the_worker_ends_though_the_registry_takes_nothing() {
    for fault in [Fault::Hangs, Fault::Corrupt] {
        let stage = Stage::new("").await;
        stage.store.breaks("announce", fault);
        stage.store.breaks("withdraw", fault);
        let (stop, working) = stage.listen().await;
        stage.store.called("announce", 1).await;
        stage.push(NewJob::new(r#"{"class":"Nobody"}"#, 10)).await;
        stage.heard.wait_for(|event| matches!(event, Event::Failed { .. }), 1).await;
        stop.send(true).unwrap();
        timeout(PATIENCE, working).await.unwrap().unwrap().unwrap();
        stage.store.called("withdraw", 1).await;
        assert_eq!(stage.heard.count(|event| matches!(event, Event::StoreLost { .. })), 0);
    }
}
