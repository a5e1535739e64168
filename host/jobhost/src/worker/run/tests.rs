//! The worker on a real store, without plugins: nobody handles any job.

use jobhost_queue::{Channel, Clock, ManualClock, NewJob, OpenOptions, ReserveOptions, Token, open};

use super::*;
use crate::config::{Config, Request, load};
use crate::registry::Wanted;

const NOW: u64 = 1_795_000_000_000;

/// A store in a folder of its own, and the configuration to run its jobs.
struct Stage {
    _folder: tempfile::TempDir,
    config: Config,
    store: Arc<dyn Store>,
    clock: ManualClock,
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
        Self { _folder: folder, config, store, clock }
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
        Worker {
            store: Arc::clone(&self.store),
            pusher: Arc::new(Pusher::new(Arc::clone(&registry))),
            registry,
            events: Events::default(),
            queues: vec!["q".into()],
            concurrency: 2,
            grace: Duration::from_secs(1),
            identity: "here:1".into(),
        }
    }

    /// Runs until nothing waits; then how many jobs are delayed, and failed.
    async fn run(&self) -> (u64, u64) {
        let (_stop, told) = watch::channel(false);
        self.worker().await.run(Until::Empty, told).await.unwrap();
        let counts = self.store.counts(self.channel()).await.unwrap();
        (counts.delayed, counts.failed)
    }
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
    let (settler, _serving) = Settler::new(Arc::clone(&stage.store), Outage::new(Events::default()));
    let shared = Arc::new(Shared {
        store: worker.store,
        registry: worker.registry,
        pusher: worker.pusher,
        events: worker.events,
        identity: worker.identity,
        leases: Leases::default(),
        settler,
        suspects: Suspects::default(),
        bell: Arc::default(),
    });
    let slots = Arc::new(Semaphore::new(1));
    let slot = Arc::clone(&slots).try_acquire_owned().unwrap();
    let taken = TakenSlot::new(Arc::clone(&shared), &reservation.jobs[0], slot);
    assert_eq!((shared.leases.len(), slots.available_permits()), (1, 0));
    let panicked = tokio::spawn(async move {
        let _taken = taken;
        panic!("planned");
    });
    assert!(panicked.await.is_err());
    assert_eq!((shared.leases.len(), slots.available_permits()), (0, 1));
    timeout(Duration::from_secs(10), shared.bell.notified()).await.unwrap();
}
