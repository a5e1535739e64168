//! Prints the lines of a worker on a thread of its own, so that a reader who
//! pauses (a terminal on hold, `less`) stops neither jobs nor leases.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::exit::CliError;

/// The most bytes that wait for the reader; further lines are dropped.
const MOST_WAITING: usize = 16 << 20;

/// Where lines go. Never blocks.
pub(super) struct Lines {
    sender: Sender<String>,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// Bytes that are not printed yet.
    waiting: AtomicUsize,
    /// Lines dropped since the last one that was printed.
    dropped: AtomicU64,
}

/// The end of the printing.
pub(super) struct Printed(oneshot::Receiver<()>);

/// Starts a thread that hands lines to `print`, in order.
pub(super) fn start(print: impl Fn(&str) + Send + 'static) -> Result<(Lines, Printed), CliError> {
    let (sender, lines) = channel();
    let (end, ended) = oneshot::channel();
    let state = Arc::new(State::default());
    let shared = Arc::clone(&state);
    thread::Builder::new()
        .name("jobhost-console".into())
        .spawn(move || {
            // Dropped with the thread, which is the message.
            let _end: oneshot::Sender<()> = end;
            serve(&lines, &shared, print);
        })
        .map_err(|error| CliError::Stream { what: "a thread cannot be started".to_owned(), error })?;
    Ok((Lines { sender, state }, Printed(ended)))
}

fn serve(lines: &Receiver<String>, state: &State, print: impl Fn(&str)) {
    for line in lines {
        state.waiting.fetch_sub(line.len(), Ordering::AcqRel);
        let dropped = state.dropped.swap(0, Ordering::AcqRel);
        if dropped > 0 {
            tracing::warn!(lines = dropped, "lines were not printed, since nobody read them in time");
        }
        print(&line);
    }
}

impl Lines {
    /// Has a line printed, or drops it where too much waits for the reader.
    pub(super) fn send(&self, line: String) {
        if self.state.waiting.load(Ordering::Acquire) > MOST_WAITING {
            self.state.dropped.fetch_add(1, Ordering::AcqRel);
            return;
        }
        self.state.waiting.fetch_add(line.len(), Ordering::AcqRel);
        // The thread ends only after this.
        let _ = self.sender.send(line);
    }
}

impl Printed {
    /// Comes back when all is printed after the last [`Lines`] is gone, or the
    /// reader has not taken it `within` this time.
    pub(super) async fn wait(self, within: Duration) {
        let _ = timeout(within, self.0).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_reader_who_pauses_blocks_nobody_and_gets_what_was_kept_in_order() {
        let (go, held) = channel::<()>();
        let (printed, seen) = channel();
        let (lines, end) = start(move |line| {
            let _ = held.recv();
            let _ = printed.send(line.to_owned());
        })
        .unwrap();
        let large = "x".repeat(MOST_WAITING + 1);
        for line in ["first", "second", &large, "third", "fourth"] {
            lines.send(line.to_owned());
        }
        drop((go, lines));
        end.wait(Duration::from_mins(1)).await;
        let seen: Vec<String> = seen.iter().collect();
        assert_eq!(seen, ["first", "second", &large], "after these too much waited");
    }
}
