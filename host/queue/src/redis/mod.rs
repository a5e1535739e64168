//! The Redis store: yii2-queue's keys, and beside them what a lease, a failed
//! set and a status need. Each verb is one script (`scripts/*.lua`) or one
//! command; this module checks arguments, calls it and reads its reply. It decides nothing
//! about jobs.
//!
//! Sharing a queue with PHP programs:
//! - An id in `waiting` that no counter gave (a hand-written `abc`) gets a
//!   number of its own when it is reserved; its job runs.
//! - A job that a PHP program pushed gets its key at its first reserve here.
//! - `reserve` with a token that was used before returns the jobs of that call
//!   whose leases still hold: nobody could settle the others.

mod connection;
mod decode;
mod encode;
mod keys;
mod keyvalue;
#[cfg(feature = "conformance")]
mod private_server;
mod scripts;
mod settings;
mod trials;
mod wait;
mod workers;

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use redis::{FromRedisValue, Script, ScriptInvocation};

#[cfg(feature = "conformance")]
pub use private_server::PrivateRedis;

use crate::clock::Clock;
use crate::error::StoreError;
use crate::job::{Channel, JobId, Lease, NewJob, Token};
use crate::record::Progress;
use crate::store::{
    Counts, FailedJob, Held, JobStatus, Pushed, Reservation, ReserveOptions, Settled, Settlement, Store, SweepReport,
    Vitals, Wake,
};
use connection::Connection;
use encode::{add_job, add_lease, add_settlement, check_count, check_token, millis, one_channel};
use wait::Waiters;

/// The most jobs, leases or settlements of one call.
const MAX_BATCH: usize = 10_000;
/// The most ids of a call on the failed set, and jobs of a reserve.
const MAX_LISTED: usize = 1_000;

/// What a script that works in chunks drops at once, as `prelude.lua` has it.
const CHUNK: u64 = 1_000;

/// Queues in a Redis server, shared with yii2-queue programs.
pub struct RedisStore {
    connection: Arc<Connection>,
    waiters: Waiters,
    clock: Clock,
}

impl RedisStore {
    /// Connects to the server at `url`. An unusable address, a refused
    /// password, a server older than 6.2 and a cluster are
    /// [`StoreError::Invalid`]. Its connections belong to the runtime in which
    /// this is called, and end with it, whoever calls the store.
    pub async fn open(url: &str, clock: Clock) -> Result<Self, StoreError> {
        let connection = Arc::new(Connection::open(url).await?);
        Ok(Self { waiters: Waiters::new(connection.clone()), connection, clock })
    }

    /// A call of a script that only looks.
    fn look<'s>(script: &'s Script, channels: &[&Channel]) -> ScriptInvocation<'s> {
        let mut call = script.prepare_invoke();
        for key in channels.iter().flat_map(|channel| keys::block(channel)) {
            call.key(key);
        }
        call
    }

    /// A call of a script that goes by a time: its first argument.
    fn call<'s>(&self, script: &'s Script, channels: &[&Channel]) -> ScriptInvocation<'s> {
        let mut call = Self::look(script, channels);
        let now = self.clock.overridden();
        call.arg(now.map_or_else(String::new, |now| now.to_string()));
        call
    }

    async fn invoke<T: FromRedisValue>(&self, call: &ScriptInvocation<'_>) -> Result<T, StoreError> {
        self.connection.invoke(call).await
    }
}

#[async_trait]
impl Store for RedisStore {
    fn address(&self) -> &str {
        self.connection.address()
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let _: String = self.connection.query(&redis::cmd("PING")).await?;
        Ok(())
    }

    async fn warnings(&self) -> Result<Vec<String>, StoreError> {
        settings::warnings(&self.connection).await
    }

    async fn vitals(&self) -> Result<Vitals, StoreError> {
        settings::vitals(&self.connection).await
    }

    async fn push(
        &self,
        channel: &Channel,
        token: Token,
        fence: Option<&Lease>,
        jobs: &[NewJob],
    ) -> Result<Pushed, StoreError> {
        check_count(jobs.len(), MAX_BATCH)?;
        check_token(&token)?;
        for job in jobs {
            job.check()?;
        }
        let mut channels = vec![channel];
        channels.extend(fence.map(|lease| &lease.channel));
        let mut call = self.call(&scripts::PUSH, &channels);
        call.arg(token.as_str());
        if let Some(lease) = fence {
            add_lease(&mut call, lease);
        }
        for job in jobs {
            add_job(&mut call, job)?;
        }
        decode::pushed(&self.connection, &self.invoke::<String>(&call).await?)
    }

    async fn reserve(
        &self,
        channel: &Channel,
        token: Token,
        options: &ReserveOptions,
    ) -> Result<Reservation, StoreError> {
        if options.limit == 0 || options.limit as usize > MAX_LISTED {
            return Err(StoreError::Invalid(format!(
                "{} jobs cannot be reserved at once; the limit is 1 to {MAX_LISTED}",
                options.limit
            )));
        }
        check_token(&token)?;
        let mut call = self.call(&scripts::RESERVE, &[channel]);
        call.arg(token.as_str()).arg(options.limit).arg(u8::from(options.suspects)).arg(&options.worker);
        let reply = self.invoke(&call).await?;
        decode::reservation(&self.connection, channel, &token, reply)
    }

    async fn settle(&self, token: Token, batch: &[Settlement]) -> Result<Vec<Settled>, StoreError> {
        let Some(channel) = one_channel(batch.iter().map(|settlement| &settlement.lease))? else {
            return Ok(Vec::new());
        };
        check_count(batch.len(), MAX_BATCH)?;
        check_token(&token)?;
        let channels = encode::channels_of(channel, batch);
        let mut call = self.call(&scripts::SETTLE, &channels);
        call.arg(token.as_str());
        let mut refused = Vec::with_capacity(batch.len());
        for settlement in batch {
            let why = encode::unfit(settlement);
            if why.is_none() {
                add_settlement(&mut call, settlement, &channels)?;
            }
            refused.push(why);
        }
        if refused.iter().all(Option::is_some) {
            return Ok(refused.into_iter().flatten().map(Settled::Refused).collect());
        }
        let reply: String = self.invoke(&call).await?;
        decode::settled(&self.connection, &reply, refused)
    }

    async fn extend(&self, leases: &[Lease], stopping: bool) -> Result<Vec<Held>, StoreError> {
        let Some(channel) = one_channel(leases.iter())? else {
            return Ok(Vec::new());
        };
        check_count(leases.len(), MAX_BATCH)?;
        let mut call = self.call(&scripts::EXTEND, &[channel]);
        call.arg(u8::from(stopping));
        for lease in leases {
            add_lease(&mut call, lease);
        }
        let reply: Vec<u8> = self.invoke(&call).await?;
        Ok(reply.into_iter().map(decode::held).collect())
    }

    async fn progress(&self, lease: &Lease, progress: &Progress) -> Result<Held, StoreError> {
        let mut call = self.call(&scripts::PROGRESS, &[&lease.channel]);
        add_lease(&mut call, lease);
        call.arg(decode::open_progress(progress)?);
        Ok(decode::held(self.invoke(&call).await?))
    }

    async fn sweep(&self, channel: &Channel) -> Result<SweepReport, StoreError> {
        let reply = self.invoke(&self.call(&scripts::SWEEP, &[channel])).await?;
        decode::sweep(&self.connection, reply)
    }

    async fn wait(&self, channel: &Channel, timeout: Duration) -> Result<Wake, StoreError> {
        self.waiters.wait(channel, timeout).await
    }

    async fn counts(&self, channel: &Channel) -> Result<Counts, StoreError> {
        let (waiting, delayed, reserved, done, failed) = self.invoke(&Self::look(&scripts::COUNTS, &[channel])).await?;
        Ok(Counts { waiting, delayed, reserved, done, failed })
    }

    async fn status(&self, channel: &Channel, id: JobId) -> Result<Option<JobStatus>, StoreError> {
        let mut call = Self::look(&scripts::STATUS, &[channel]);
        call.arg(id.0);
        let reply = self.invoke(&call).await?;
        decode::status(&self.connection, channel, id, reply)
    }

    async fn failed(&self, channel: &Channel, offset: u64, limit: u32) -> Result<Vec<FailedJob>, StoreError> {
        check_count(limit as usize, MAX_LISTED)?;
        if limit == 0 {
            return Ok(Vec::new());
        }
        let mut call = Self::look(&scripts::FAILED, &[channel]);
        call.arg("list").arg(offset.min(1 << 50)).arg(limit);
        decode::failed(&self.connection, channel, self.invoke(&call).await?)
    }

    async fn failed_job(&self, channel: &Channel, id: JobId) -> Result<Option<FailedJob>, StoreError> {
        let mut call = Self::look(&scripts::FAILED, &[channel]);
        call.arg("one").arg(id.0);
        Ok(decode::failed(&self.connection, channel, self.invoke(&call).await?)?.pop())
    }

    async fn retry_failed(
        &self,
        channel: &Channel,
        token: Token,
        ids: &[JobId],
    ) -> Result<Vec<Option<JobId>>, StoreError> {
        check_count(ids.len(), MAX_LISTED)?;
        check_token(&token)?;
        let mut call = self.call(&scripts::RETRY_FAILED, &[channel]);
        call.arg(token.as_str());
        for id in ids {
            call.arg(id.0);
        }
        let reply: String = self.invoke(&call).await?;
        reply
            .split_ascii_whitespace()
            .map(|id| match id {
                "-" => Ok(None),
                id => decode::id(&self.connection, id).map(Some),
            })
            .collect()
    }

    async fn remove_failed(&self, channel: &Channel, ids: &[JobId]) -> Result<Vec<bool>, StoreError> {
        check_count(ids.len(), MAX_LISTED)?;
        let mut call = self.call(&scripts::REMOVE_FAILED, &[channel]);
        call.arg(Token::random().as_str()).arg("ids");
        for id in ids {
            call.arg(id.0);
        }
        let reply: String = self.invoke(&call).await?;
        Ok(reply.split_ascii_whitespace().map(|was| was == "1").collect())
    }

    async fn prune_failed(&self, channel: &Channel, older: Duration) -> Result<u64, StoreError> {
        // What fails meanwhile is not of the past that is meant, or this need not end.
        let began = Instant::now();
        let mut dropped = 0;
        loop {
            let mut call = self.call(&scripts::REMOVE_FAILED, &[channel]);
            call.arg(Token::random().as_str()).arg("older").arg(millis(older.saturating_add(began.elapsed())));
            let chunk = decode::number(&self.connection, &self.invoke::<String>(&call).await?)?;
            dropped += chunk;
            if chunk < CHUNK {
                return Ok(dropped);
            }
        }
    }

    async fn remove(&self, channel: &Channel, id: JobId) -> Result<bool, StoreError> {
        let mut call = self.call(&scripts::REMOVE, &[channel]);
        call.arg(Token::random().as_str()).arg(id.0);
        Ok(self.invoke::<String>(&call).await? == "1")
    }

    async fn clear(&self, channel: &Channel) -> Result<u64, StoreError> {
        let mut call = self.call(&scripts::CLEAR, &[channel]);
        call.arg(Token::random().as_str());
        decode::number(&self.connection, &self.invoke::<String>(&call).await?)
    }

    async fn is_used(&self, channel: &Channel) -> Result<bool, StoreError> {
        let keys: Vec<_> = keys::block(channel).collect();
        Ok(self.connection.query::<u64>(redis::cmd("EXISTS").arg(keys)).await? > 0)
    }

    async fn erase(&self, channel: &Channel) -> Result<(), StoreError> {
        let keys: Vec<_> = keys::block(channel).collect();
        // The memory is freed beside the server's other work.
        self.connection.query::<()>(redis::cmd("UNLINK").arg(keys)).await
    }
}
