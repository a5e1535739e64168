//! What a look at a bucket costs a plugin, against the same look from plain Rust, which asks the same server or file for
//! the same value one after the other.

use std::time::Instant;

use redis::RedisResult;
use rusqlite::OpenFlags;
use serde_json::json;

use super::figure::{load_now, micros};
use super::{Figure, Unit, both_stores};
use crate::artifacts::guest;
use crate::workplace::Workplace;

/// Looks of one attempt. Its own cost, some tens of microseconds, is not taken off.
const LOOKS: u32 = 10_000;

const RUNS: usize = 10;

const VALUE: &str = "copying, since a minute";

/// For each store.
pub(super) fn run() -> Vec<Figure> {
    both_stores().iter().flat_map(|(store, place)| of(store, place)).collect()
}

fn of(store: &str, place: &Workplace) -> [Figure; 2] {
    place.configure(&format!(
        "[queues.work]\n[plugins.it]\npath = '{}'\njobs = ['*']\n\
         grants.keyvalue = [{{ bucket = 'assets', mode = 'rw' }}]\n",
        guest("use-bucket").display()
    ));
    attempt(place, "set", VALUE);
    let mut plain = Plain::of(place);
    let load = load_now();
    // In turns, so that both see the same machine.
    let (sandboxed, plain) = (0..RUNS).map(|_| (attempt(place, "get-often", &LOOKS.to_string()), plain.look())).unzip();
    [("a plugin", sandboxed), ("plain Rust", plain)]
        .map(|(who, times)| Figure::new(format!("buckets, {store}, {LOOKS} gets by {who}"), Unit::Micros, times, &load))
}

/// How long an attempt took that does this to the key, in microseconds.
#[track_caller]
fn attempt(place: &Workplace, what: &str, value: &str) -> u64 {
    let payload = json!({"bucket": "assets", "do": what, "key": "asset-17", "value": value});
    let id = place.push("work", "X", &payload.to_string());
    place.run("work");
    let status = place.status(&id);
    assert_eq!(status["state"], "done", "{status}");
    status["record"]["duration_us"].as_u64().expect("the attempt was recorded")
}

enum Plain {
    Redis(Box<redis::Connection>),
    Sqlite(rusqlite::Connection),
}

impl Plain {
    #[track_caller]
    fn of(place: &Workplace) -> Self {
        if place.is_redis() {
            let client = redis::Client::open(place.store()).expect("the address is right");
            return Self::Redis(Box::new(client.get_connection().expect("the server answers")));
        }
        let file = place.path("jobhost.db");
        Self::Sqlite(
            rusqlite::Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("it can be opened"),
        )
    }

    /// How long the looks take, in microseconds.
    #[track_caller]
    fn look(&mut self) -> u64 {
        let began = Instant::now();
        for _ in 0..LOOKS {
            let found = match self {
                Self::Redis(connection) => {
                    let found: RedisResult<String> =
                        redis::cmd("HGET").arg("jobhost:keyvalue:assets:values").arg("asset-17").query(connection);
                    found.expect("the key is there")
                }
                Self::Sqlite(connection) => connection
                    .prepare_cached(
                        "SELECT CAST(value AS TEXT) FROM bucket_values AS v JOIN buckets AS b ON b.number = v.bucket \
                         WHERE b.name = 'assets' AND v.key = 'asset-17'",
                    )
                    .and_then(|mut query| query.query_one([], |row| row.get::<_, String>(0)))
                    .expect("the key is there"),
            };
            assert!(found.ends_with(VALUE), "{found}");
        }
        micros(began.elapsed())
    }
}
