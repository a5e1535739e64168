//! A worker that is not ours: it pops and settles with single commands, as a PHP
//! worker of yii2-queue does, and now and then dies between two of them. What it
//! has then taken out of every set is lost until the orphan sweep finds it.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use redis::{Connection, FromRedisValue, RedisResult};
use serde_json::Value;

use super::dice::Dice;
use crate::workplace::Workplace;

/// The queue that it serves beside our workers. Its channel has the same name.
pub(crate) const SHARED: &str = "shared";

/// One such worker, in a thread; each death is followed by a new life at once.
pub(crate) struct Other {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Deaths>,
}

/// What it did.
#[derive(Default)]
pub(crate) struct Deaths {
    /// Jobs that it settled.
    pub(crate) settled: u64,
    /// Times that it died between two commands, or that Redis went away.
    pub(crate) times: u64,
    /// Jobs that it ran or may have settled by half when it died: `queue/id`.
    pub(crate) cut_short: Vec<String>,
}

impl Other {
    pub(crate) fn start(place: &Workplace, url: &str, seed: u64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let client = redis::Client::open(url).expect("the address is right");
        let (folder, stopped) = (place.path(""), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            let (mut dice, mut deaths) = (Dice::new(seed), Deaths::default());
            while !stopped.load(Ordering::Relaxed) {
                if let Ok(connection) = client.get_connection_with_timeout(Duration::from_secs(1)) {
                    let life = Life { connection, dice: &mut dice, folder: &folder, stopped: &stopped };
                    deaths.times += u64::from(life.live(&mut deaths).is_err());
                }
                thread::sleep(dice.millis(20, 200));
            }
            deaths
        });
        Self { stop, thread }
    }

    /// Ends it after the job that it runs.
    pub(crate) fn end(self) -> Deaths {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("it has not panicked")
    }
}

/// Why a life ended.
struct Died;

struct Life<'a> {
    connection: Connection,
    dice: &'a mut Dice,
    folder: &'a PathBuf,
    stopped: &'a AtomicBool,
}

impl Life<'_> {
    fn live(mut self, deaths: &mut Deaths) -> Result<(), Died> {
        while !self.stopped.load(Ordering::Relaxed) {
            self.move_due()?;
            let Some(id) = self.command::<Option<String>>(&["RPOP", &key("waiting")])? else {
                thread::sleep(Duration::from_millis(50));
                continue;
            };
            let done = self.serve(&id);
            match done {
                Ok(settled) => deaths.settled += u64::from(settled),
                Err(died) => {
                    deaths.cut_short.push(format!("{SHARED}/{id}"));
                    return Err(died);
                }
            }
        }
        Ok(())
    }

    /// Runs one job that it has taken; whether there was one.
    fn serve(&mut self, id: &str) -> Result<bool, Died> {
        let Some(message) = self.command::<Option<String>>(&["HGET", &key("messages"), id])? else {
            return Ok(false);
        };
        let (ttr, body) = message.split_once(';').ok_or(Died)?;
        let until = self.now()? + ttr.parse::<u64>().map_err(|_| Died)?;
        self.command::<()>(&["ZADD", &key("reserved"), &until.to_string(), id])?;
        self.command::<()>(&["HINCRBY", &key("attempts"), id, "1"])?;
        execute(self.folder, id, body);
        self.command::<()>(&["ZREM", &key("reserved"), id])?;
        self.command::<()>(&["HDEL", &key("attempts"), id])?;
        self.command::<()>(&["HDEL", &key("messages"), id])?;
        Ok(true)
    }

    fn move_due(&mut self) -> Result<(), Died> {
        let lock = ["SET", &key("moving_lock"), "1", "NX", "EX", "1"];
        if self.command::<Option<String>>(&lock)?.is_none() {
            return Ok(());
        }
        for from in ["delayed", "reserved"] {
            let now = self.now()?.to_string();
            let due: Vec<String> = self.command(&["ZREVRANGEBYSCORE", &key(from), &now, "-inf"])?;
            if !due.is_empty() {
                self.command::<()>(&["ZREMRANGEBYSCORE", &key(from), "-inf", &now])?;
            }
            for id in due {
                self.command::<()>(&["RPUSH", &key("waiting"), &id])?;
            }
        }
        Ok(())
    }

    fn now(&mut self) -> Result<u64, Died> {
        let (seconds, _): (u64, u64) = self.command(&["TIME"])?;
        Ok(seconds)
    }

    /// One command, before which it may die.
    fn command<T: FromRedisValue>(&mut self, words: &[&str]) -> Result<T, Died> {
        // An idle one sends many commands; death is for those amid their work.
        let idle = ["RPOP", "TIME", "SET"].contains(&words[0]);
        if !idle && self.dice.percent(2) {
            return Err(Died);
        }
        let answer: RedisResult<T> = redis::cmd(words[0]).arg(&words[1..]).query(&mut self.connection);
        answer.map_err(|_| Died)
    }
}

/// Does what the guest does, without its failures and follow-ups.
fn execute(folder: &Path, id: &str, body: &str) {
    let job: Value = serde_json::from_str(body).expect("the job is JSON");
    let mark = job["mark"].as_str().expect("the job names its mark").trim_start_matches('/');
    let leave = |line: &[u8]| {
        let file = OpenOptions::new().append(true).create(true).open(folder.join(mark));
        file.and_then(|mut file| file.write_all(line)).expect("marks can be left");
    };
    leave(format!("begun 0 {id}\n").as_bytes());
    thread::sleep(Duration::from_millis(job["ms"].as_u64().unwrap_or(0)));
    leave(format!("ended 0 {id}\n").as_bytes());
}

fn key(name: &str) -> String {
    format!("{SHARED}.{name}")
}
