//! The Redis server of a run, in a thread of its own: the schedule goes on
//! while it is away.

use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use redis::{FromRedisValue, RedisResult};

use super::away::Away;
use crate::redis_server::RedisServer;

/// A server that has each change on the disk before it answers. It is killed when this is dropped.
pub(crate) struct Server {
    url: String,
    away: Away,
    away_for: Option<Sender<Duration>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start(folder: &Path, away: Away) -> Self {
        let (tell_url, url) = channel();
        let (away_for, times) = channel::<Duration>();
        let (folder, known) = (folder.to_owned(), away.clone());
        // The kernel ends the server with the thread that started it.
        let thread = thread::spawn(move || {
            let mut server = RedisServer::start_durable(&folder);
            let _ = tell_url.send(server.url());
            for time in times {
                away.begins();
                server.kill();
                thread::sleep(time);
                server.restart();
                away.ends();
            }
        });
        let url = url.recv().expect("the server starts");
        Self { url, away: known, away_for: Some(away_for), thread: Some(thread) }
    }

    /// Its address.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Kills it, unless it is away, and starts it again after this time. Answers whether it does.
    pub(crate) fn kill_for(&self, time: Duration) -> bool {
        !self.away.is_now() && self.away_for.as_ref().is_some_and(|away_for| away_for.send(time).is_ok())
    }

    /// Runs one command, given as words.
    pub(crate) fn command<T: FromRedisValue>(&self, words: &[&str]) -> RedisResult<T> {
        let client = redis::Client::open(self.url())?;
        let mut connection = client.get_connection_with_timeout(Duration::from_secs(5))?;
        redis::cmd(words[0]).arg(&words[1..]).query(&mut connection)
    }

    /// All keys in order, of a server that is there.
    pub(crate) fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = self.command(&["KEYS", "*"]).expect("the server answers");
        keys.sort();
        keys
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.away_for.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
