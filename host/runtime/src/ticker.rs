//! Advances an engine's epoch while guests run, which is what makes busy guests look at their deadline. It decides nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, Thread};
use std::time::Duration;

/// How often a busy guest is asked whether it may go on. It is also how long one computes before it is the turn of
/// another, and so what each of them adds to the time in which others are served.
pub(crate) const TICK: Duration = Duration::from_millis(2);

/// Ticks after the end of the last call: where one follows the other, none has to wake up the thread.
const LINGERS: u32 = 50;

/// A thread that ticks while calls run, and rests without them, so that an idle worker is not woken up for nothing. It is
/// a thread of the operating system, because a runtime that is busy with guests would not get round to a timer. It ends
/// when this is dropped.
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Thread,
}

#[derive(Default)]
struct Shared {
    /// Calls under way.
    calls: AtomicUsize,
    /// Whether the thread has to be woken up for a call. It is set before the calls are looked at, and looked at after
    /// they are counted: in one order for all, so that one of the two sees the other.
    rests: AtomicBool,
    ended: AtomicBool,
}

/// A call under way.
pub(crate) struct Running<'t>(&'t Shared);

impl Ticker {
    /// Starts a thread that calls `tick` while calls run.
    pub(crate) fn start(tick: impl Fn() + Send + 'static) -> std::io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let ticking = Arc::clone(&shared);
        let thread = thread::Builder::new().name("jobhost-epoch".to_owned()).spawn(move || ticking.serve(tick))?;
        Ok(Self { shared, thread: thread.thread().clone() })
    }

    /// Has it tick until what is returned is dropped.
    pub(crate) fn running(&self) -> Running<'_> {
        self.shared.calls.fetch_add(1, Ordering::SeqCst);
        if self.shared.rests.load(Ordering::SeqCst) {
            self.thread.unpark();
        }
        Running(&self.shared)
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Shared {
    fn serve(&self, tick: impl Fn()) {
        let mut idle = 0;
        loop {
            thread::sleep(TICK);
            if self.ended.load(Ordering::SeqCst) {
                return;
            }
            tick();
            idle = if self.calls.load(Ordering::SeqCst) > 0 { 0 } else { idle + 1 };
            if idle >= LINGERS {
                self.rest();
                idle = 0;
            }
        }
    }

    fn rest(&self) {
        self.rests.store(true, Ordering::SeqCst);
        while self.calls.load(Ordering::SeqCst) == 0 && !self.ended.load(Ordering::SeqCst) {
            thread::park();
        }
        self.rests.store(false, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use super::*;

    const AMPLE: Duration = Duration::from_secs(20);

    fn counted() -> (Ticker, Receiver<()>) {
        let (sender, ticks) = channel();
        let ticker = Ticker::start(move || {
            let _ = sender.send(());
        });
        (ticker.unwrap(), ticks)
    }

    fn until_it_rests(ticker: &Ticker) {
        let began = std::time::Instant::now();
        while !ticker.shared.rests.load(Ordering::SeqCst) {
            assert!(began.elapsed() < AMPLE, "it never rests");
            thread::yield_now();
        }
    }

    #[test]
    fn it_ticks_for_as_long_as_a_call_runs() {
        let (ticker, ticks) = counted();
        let running = ticker.running();
        for _ in 0..3 * LINGERS {
            ticks.recv_timeout(AMPLE).expect("it ticks");
            assert!(!ticker.shared.rests.load(Ordering::SeqCst));
        }
        drop(running);
    }

    #[test]
    fn it_rests_without_calls_and_is_woken_up_by_each_that_comes() {
        let (ticker, ticks) = counted();
        for _ in 0..3 {
            until_it_rests(&ticker);
            while ticks.try_recv().is_ok() {}
            let _running = ticker.running();
            ticks.recv_timeout(AMPLE).expect("it ticks again");
        }
    }

    #[test]
    fn its_thread_ends_with_it_also_while_it_rests() {
        let (ticker, ticks) = counted();
        until_it_rests(&ticker);
        drop(ticker);
        while ticks.recv_timeout(AMPLE).is_ok() {}
        assert_eq!(ticks.recv_timeout(AMPLE), Err(std::sync::mpsc::RecvTimeoutError::Disconnected));
    }
}
