//! The counters of a queue's row agree with its jobs, whatever happens to them.

use std::time::Duration;

use proptest::prelude::*;
use rusqlite::Connection;

use super::super::failure::Done;
use super::super::file::Place;
use super::super::{SqliteStore, line};
use super::{channel, opened, place, push, settlement, take};
use crate::clock::{Clock, ManualClock};
use crate::job::{JobId, NewJob, Reserved, Token};
use crate::store::{Counts, Settlement, Store, Verdict};

/// Something that may happen to a queue.
#[derive(Clone, Copy, Debug)]
enum Act {
    Push,
    PushDelayed,
    Take(u32),
    Done,
    DoneKept,
    Retry,
    RetryLater,
    Postpone,
    HandBack,
    Fail,
    FailUnkept,
    Remove(u64),
    RemoveFailed(u64),
    RetryFailed(u64),
    Prune,
    Clear,
    Sweep,
    Advance(u64),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        6 => Just(Act::Push),
        2 => Just(Act::PushDelayed),
        6 => (1..4_u32).prop_map(Act::Take),
        2 => Just(Act::Done),
        2 => Just(Act::DoneKept),
        1 => Just(Act::Retry),
        1 => Just(Act::RetryLater),
        1 => Just(Act::Postpone),
        1 => Just(Act::HandBack),
        3 => Just(Act::Fail),
        1 => Just(Act::FailUnkept),
        2 => (1..20_u64).prop_map(Act::Remove),
        2 => (1..20_u64).prop_map(Act::RemoveFailed),
        2 => (1..20_u64).prop_map(Act::RetryFailed),
        1 => Just(Act::Prune),
        1 => Just(Act::Clear),
        6 => Just(Act::Sweep),
        6 => (1..5_u64).prop_map(Act::Advance),
    ];
    prop::collection::vec(act, 1..60)
}

fn settled(job: &Reserved, act: Act) -> Settlement {
    let later = Duration::from_secs(5);
    let verdict = match act {
        Act::Retry => Verdict::Retry { delay: Duration::ZERO },
        Act::RetryLater => Verdict::Retry { delay: later },
        Act::Postpone => Verdict::Postponed { delay: later },
        Act::HandBack => Verdict::HandedBack,
        Act::Fail | Act::FailUnkept => Verdict::Failed,
        _ => Verdict::Done { output: None },
    };
    let kept = matches!(act, Act::DoneKept | Act::Fail);
    let retain = if kept { 2 * later } else { Duration::ZERO };
    settlement(job, verdict, retain)
}

async fn perform(store: &SqliteStore, clock: &ManualClock, held: &mut Vec<Reserved>, act: Act) {
    let channel = channel();
    let later = [NewJob { delay: Duration::from_secs(5), ..NewJob::new("later", 60) }];
    let ids = |id| [JobId(id)];
    match act {
        Act::Push => drop(push(store, "a").await.unwrap()),
        Act::PushDelayed => {
            let pushed = store.push(&channel, Token::random(), None, &later).await;
            pushed.unwrap();
        }
        Act::Take(limit) => held.extend(take(store, limit).await),
        Act::Remove(id) => drop(store.remove(&channel, JobId(id)).await.unwrap()),
        Act::RemoveFailed(id) => {
            store.remove_failed(&channel, &ids(id)).await.unwrap();
        }
        Act::RetryFailed(id) => {
            let retried = store.retry_failed(&channel, Token::random(), &ids(id)).await;
            retried.unwrap();
        }
        Act::Prune => {
            let older = Duration::from_secs(6);
            store.prune_failed(&channel, older).await.unwrap();
        }
        Act::Clear => drop(store.clear(&channel).await.unwrap()),
        Act::Sweep => drop(store.sweep(&channel).await.unwrap()),
        Act::Advance(seconds) => clock.advance(Duration::from_secs(seconds)),
        settling => {
            if let Some(job) = held.pop() {
                let batch = [settled(&job, settling)];
                store.settle(Token::random(), &batch).await.unwrap();
            }
        }
    }
}

/// The counters of the queue's row, and what they should be by its jobs.
fn counted(sql: &Connection) -> Done<(Counts, Counts, i64)> {
    let line = line::load(sql, &channel())?.unwrap_or_default();
    let of = |state: i64| {
        sql.query_one("SELECT count(*) FROM jobs WHERE state = ?1", [state], |row| row.get::<_, i64>(0))
            .map(i64::unsigned_abs)
    };
    let kept = line.counts(0);
    let rows = Counts {
        waiting: of(line::state::WAITING)?,
        delayed: of(line::state::DELAYED)?,
        reserved: of(line::state::RESERVED)?,
        done: kept.done,
        failed: of(line::state::FAILED)?,
    };
    let lost_bodies = sql.query_one(
        "SELECT (SELECT count(*) FROM bodies WHERE row NOT IN (SELECT row FROM jobs))
         + (SELECT count(*) FROM jobs WHERE state != 3 AND row NOT IN (SELECT row FROM bodies))",
        [],
        |row| row.get(0),
    )?;
    Ok((kept, rows, lost_bodies))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn the_counters_agree_with_the_rows_whatever_happens(acts in acts()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let clock = ManualClock::at(1_800_000_000_000);
            let place = Place { clock: Clock::Manual(clock.clone()), ..place(&folder) };
            let store = opened(&place).await;
            let mut held = Vec::new();
            for act in acts {
                perform(&store, &clock, &mut held, act).await;
                let (kept, rows, lost_bodies) = store.readers.read(counted).await.unwrap();
                prop_assert_eq!(kept, rows, "after {:?}", act);
                prop_assert_eq!(lost_bodies, 0, "after {:?}", act);
            }
            Ok(())
        })?;
    }
}
