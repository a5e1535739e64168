//! Lets guests that compute take turns, a thread each at a time. Without it they would all stand in the threads' own
//! queues, and whoever comes back from a call of the host, or has run out of time, would wait until each of them had
//! computed for a tick. It knows nothing of deadlines.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use tokio::sync::Semaphore;
use tokio::task::yield_now;

/// Whether a guest has computed for a tick and is to let others compute. Clones are the same guest's.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tick(Arc<AtomicBool>);

impl Tick {
    /// What the guest waits for at the end of a tick.
    pub(crate) async fn over(self) {
        self.0.store(true, Ordering::Relaxed);
        yield_now().await;
    }

    fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

/// Runs `body`, which says by its `tick` when it has computed for a tick, and then goes on when it is its turn. While it
/// waits for that it is in no thread's queue, so that whatever else ends the wait does so at once.
pub(crate) async fn taken<F: Future>(turns: &Semaphore, tick: &Tick, body: F) -> F::Output {
    let mut body = pin!(body);
    let mut turn = None;
    loop {
        let ended = poll_fn(|context| {
            let polled = body.as_mut().poll(context);
            // Whether it computes on or waits for the host: now somebody else may compute.
            turn = None;
            match polled {
                Poll::Ready(ended) => Poll::Ready(Some(ended)),
                Poll::Pending if tick.take() => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        });
        if let Some(ended) = ended.await {
            return ended;
        }
        // It is never closed.
        turn = turns.acquire().await.ok();
        // Timers and what they wake come first.
        yield_now().await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use tokio::sync::Notify;

    use super::*;

    const AMPLE: Duration = Duration::from_secs(20);

    /// A guest that computes for ever.
    async fn busy(turns: Arc<Semaphore>) {
        let tick = Tick::default();
        let body = async {
            loop {
                tick.clone().over().await;
            }
        };
        taken(&turns, &tick, body).await;
    }

    #[tokio::test]
    async fn guests_that_compute_take_turns_in_their_order() {
        let turns = Arc::new(Semaphore::new(1));
        let order = Arc::new(Mutex::new(Vec::new()));
        let guests: Vec<_> = (0..3)
            .map(|guest| {
                let (turns, order) = (Arc::clone(&turns), Arc::clone(&order));
                tokio::spawn(async move {
                    let tick = Tick::default();
                    let body = async {
                        for _ in 0..4 {
                            order.lock().unwrap().push(guest);
                            tick.clone().over().await;
                        }
                    };
                    taken(&turns, &tick, body).await;
                })
            })
            .collect();
        for guest in guests {
            tokio::time::timeout(AMPLE, guest).await.expect("it had its turns").unwrap();
        }
        assert_eq!(*order.lock().unwrap(), [0, 1, 2].repeat(4));
        assert_eq!(turns.available_permits(), 1);
    }

    #[tokio::test]
    async fn a_guest_that_waits_for_the_host_keeps_nobody_from_computing() {
        let turns = Arc::new(Semaphore::new(1));
        let (called, answer) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let waiting = tokio::spawn({
            let (turns, called, answer) = (Arc::clone(&turns), Arc::clone(&called), Arc::clone(&answer));
            async move {
                let tick = Tick::default();
                let body = async {
                    // It has a turn when it calls the host.
                    tick.clone().over().await;
                    called.notify_one();
                    answer.notified().await;
                };
                taken(&turns, &tick, body).await;
            }
        });
        called.notified().await;
        let tick = Tick::default();
        let ticks = async {
            for _ in 0..10 {
                tick.clone().over().await;
            }
        };
        let computed = tokio::time::timeout(AMPLE, taken(&turns, &tick, ticks)).await;
        assert_eq!(computed, Ok(()));
        assert!(!waiting.is_finished());
        answer.notify_one();
        waiting.await.unwrap();
    }

    #[tokio::test]
    async fn a_guest_that_is_dropped_takes_no_turn_along() {
        let turns = Arc::new(Semaphore::new(1));
        for _ in 0..20 {
            let guests: Vec<_> = (0..3).map(|_| tokio::spawn(busy(Arc::clone(&turns)))).collect();
            yield_now().await;
            guests.iter().for_each(tokio::task::JoinHandle::abort);
            for guest in guests {
                assert!(guest.await.unwrap_err().is_cancelled());
            }
        }
        assert_eq!(turns.available_permits(), 1);
    }
}
