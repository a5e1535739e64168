//! The one thread of a process that writes to the file. It takes all commands
//! that are queued, runs each in a savepoint of one transaction, and answers
//! after the commit, so that many callers share one write to the disk. What a
//! command does is no concern of it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::failure::{Done, Failure};
use super::file::Place;
use super::wake::Bell;
use crate::clock::UnixMillis;
use crate::error::StoreError;

/// How long a transaction takes on more commands; others wait for its lock.
pub(super) const TRANSACTION: Duration = Duration::from_millis(4);
/// The most commands that wait for the thread; further callers wait their turn.
const QUEUED: usize = 1024;

/// What a command works with.
pub(super) struct Verb<'c> {
    pub sql: &'c Connection,
    pub now: UnixMillis,
    /// Channels in which there is something new to reserve.
    pub filled: Vec<String>,
}

/// The thread, and the way to it.
pub(super) struct Writer {
    place: Arc<Place>,
    commands: Option<mpsc::Sender<Box<dyn Command>>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(sql: Connection, place: Arc<Place>, bell: Arc<Bell>) -> std::io::Result<Self> {
        let (commands, mut queue) = mpsc::channel(QUEUED);
        let thread = Thread { sql, place: Arc::clone(&place), bell };
        let thread = std::thread::Builder::new().name("jobhost-sqlite".into()).spawn(move || {
            while let Some(first) = queue.blocking_recv() {
                let group = AssertUnwindSafe(|| thread.group(first, &mut queue));
                if catch_unwind(group).is_err() {
                    // The panic has told itself; the callers are answered by their drop.
                    thread.undo();
                }
            }
        })?;
        Ok(Self { place, commands: Some(commands), thread: Some(thread) })
    }

    /// Runs `work` in a transaction; returns when it is committed, or when the
    /// caller has waited long enough. Dropping the future takes nothing back.
    pub(super) async fn run<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Verb<'_>) -> Done<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let call = Call { work: Some(work), result: None, reply };
        let stopped = || StoreError::Unavailable {
            store: self.place.address.clone(),
            reason: "its writer was cut short, which is a bug of jobhost".into(),
        };
        let commands = self.commands.as_ref().ok_or_else(stopped)?;
        self.place
            .in_time(async {
                commands.send(Box::new(call)).await.map_err(|_| stopped())?;
                answer.await.map_err(|_| stopped())?
            })
            .await
    }

    /// How many commands wait for the thread.
    #[cfg(test)]
    pub(super) fn queued(&self) -> usize {
        let free = self.commands.as_ref().map(mpsc::Sender::capacity);
        QUEUED - free.unwrap_or(QUEUED)
    }
}

impl Drop for Writer {
    /// Waits for what is queued and for the file to be closed.
    fn drop(&mut self) {
        drop(self.commands.take());
        if let Some(thread) = self.thread.take() {
            // It panicked if this fails, and has said so itself.
            let _ = thread.join();
        }
    }
}

/// A caller's work on its way through the thread.
trait Command: Send {
    /// Runs it. An error is the caller's, its changes are to be undone; `Err`
    /// holds it if the whole transaction has to end.
    fn apply(&mut self, verb: &mut Verb<'_>, place: &Place) -> Result<(), Failure>;
    /// Tells the caller: what came of the work, or why nothing was committed.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
    /// Whether the work was done and waits for the commit.
    fn succeeded(&self) -> bool;
}

struct Call<T, F> {
    work: Option<F>,
    result: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Command for Call<T, F>
where
    T: Send,
    F: FnOnce(&mut Verb<'_>) -> Done<T> + Send,
{
    fn apply(&mut self, verb: &mut Verb<'_>, place: &Place) -> Result<(), Failure> {
        let Some(work) = self.work.take() else {
            return Ok(());
        };
        match work(verb) {
            Err(failure) if failure.ends_the_transaction() => return Err(failure),
            Err(failure) => self.result = Some(Err(failure.at(place))),
            Ok(value) => self.result = Some(Ok(value)),
        }
        Ok(())
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        let answer = match (self.result, committed) {
            (Some(Ok(value)), Ok(())) => Ok(value),
            (Some(Err(error)), _) | (_, Err(error)) => Err(error),
            (None, Ok(())) => return,
        };
        // The caller may have gone.
        let _ = self.reply.send(answer);
    }

    fn succeeded(&self) -> bool {
        matches!(self.result, Some(Ok(_)))
    }
}

struct Thread {
    sql: Connection,
    place: Arc<Place>,
    bell: Arc<Bell>,
}

impl Thread {
    /// One transaction: the first command, and those queued behind it.
    fn group(&self, first: Box<dyn Command>, queue: &mut mpsc::Receiver<Box<dyn Command>>) {
        let mut group = vec![first];
        let mut filled = Vec::new();
        let committed = self
            .place
            .is_still_there()
            .map_err(Failure::from)
            .and_then(|()| self.execute("BEGIN IMMEDIATE"))
            .and_then(|()| self.run_group(&mut group, queue, &mut filled))
            .and_then(|()| self.execute("COMMIT"));
        if let Err(failure) = committed {
            self.undo();
            // Those behind would only wait for the same lock or disk again.
            while let Ok(next) = queue.try_recv() {
                group.push(next);
            }
            let error = failure.at(&self.place);
            tracing::debug!(store = %self.place.address, %error, "nothing was committed");
            for command in group {
                command.answer(Err(again(&error)));
            }
            return;
        }
        #[cfg(test)]
        self.bell.commits.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        for command in group {
            command.answer(Ok(()));
        }
        self.bell.ring(&filled);
    }

    fn run_group(
        &self,
        group: &mut Vec<Box<dyn Command>>,
        queue: &mut mpsc::Receiver<Box<dyn Command>>,
        filled: &mut Vec<String>,
    ) -> Done<()> {
        let started = Instant::now();
        let mut next = 0;
        while let Some(command) = group.get_mut(next) {
            filled.extend(self.run_one(command.as_mut())?);
            next += 1;
            if started.elapsed() < TRANSACTION
                && let Ok(another) = queue.try_recv()
            {
                group.push(another);
            }
        }
        Ok(())
    }

    fn run_one(&self, command: &mut dyn Command) -> Done<Vec<String>> {
        let mut verb = Verb { sql: &self.sql, now: self.place.now(), filled: Vec::new() };
        self.execute("SAVEPOINT command")?;
        command.apply(&mut verb, &self.place)?;
        if !command.succeeded() {
            self.execute("ROLLBACK TO command")?;
            verb.filled.clear();
        }
        self.execute("RELEASE command")?;
        Ok(verb.filled)
    }

    fn execute(&self, statement: &str) -> Done<()> {
        self.sql.prepare_cached(statement)?.execute([])?;
        Ok(())
    }

    /// Ends the transaction, unless SQLite has done so itself.
    fn undo(&self) {
        if !self.sql.is_autocommit()
            && let Err(failure) = self.execute("ROLLBACK")
        {
            let error = failure.at(&self.place);
            tracing::error!(store = %self.place.address, %error, "a transaction cannot be undone");
        }
    }
}

/// The same error for another caller.
fn again(error: &StoreError) -> StoreError {
    match error {
        StoreError::Unavailable { store, reason } => {
            StoreError::Unavailable { store: store.clone(), reason: reason.clone() }
        }
        StoreError::Corrupt { store, place, reason } => {
            StoreError::Corrupt { store: store.clone(), place: place.clone(), reason: reason.clone() }
        }
        StoreError::Invalid(what) => StoreError::Invalid(what.clone()),
        StoreError::Absent(what) => StoreError::Absent(what.clone()),
    }
}
