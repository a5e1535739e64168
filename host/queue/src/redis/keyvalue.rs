//! Buckets: one hash of values, one set that keeps the keys in order, and the bucket's numbers.

use async_trait::async_trait;

use super::encode::add_lease;
use super::{RedisStore, keys, scripts};
use crate::error::StoreError;
use crate::job::{Lease, Token};
use crate::keyvalue::{Bucket, Change, Changed, Entry, KeyValue, Quota, Values, check_keys, check_limit};

#[async_trait]
impl KeyValue for RedisStore {
    async fn values(&self, bucket: &Bucket, keys: &[String]) -> Result<Values, StoreError> {
        check_keys(keys.iter())?;
        let mut call = scripts::BUCKET_VALUES.prepare_invoke();
        for key in keys::bucket(bucket) {
            call.key(key);
        }
        for key in keys {
            call.arg(key);
        }
        let mut reply: Vec<Option<Vec<u8>>> = self.invoke(&call).await?;
        if reply.len() != keys.len() + 1 {
            return Err(self.connection.corrupt("a reply", format!("it has {} parts", reply.len())));
        }
        let entries = reply.split_off(1).into_iter().zip(keys);
        let version = reply.pop().flatten().and_then(|version| number(&version));
        let spoiled = |key: &str| {
            let place = format!("key `{}`", key.escape_debug());
            self.connection.corrupt(place, format!("bucket `{bucket}` has no version for it; delete it"))
        };
        Ok(Values {
            version: version.ok_or_else(|| spoiled("version"))?,
            entries: entries
                .map(|(found, key)| found.map(|found| entry(found).ok_or_else(|| spoiled(key))).transpose())
                .collect::<Result<_, _>>()?,
        })
    }

    async fn keys(&self, bucket: &Bucket, after: Option<&str>, limit: u32) -> Result<Vec<String>, StoreError> {
        check_limit(limit)?;
        let mut command = redis::cmd("ZRANGEBYLEX");
        command.arg(keys::bucket_order(bucket)).arg(after.map_or_else(|| "-".to_owned(), |after| format!("({after}")));
        command.arg("+").arg("LIMIT").arg(0).arg(limit);
        self.connection.query(&command).await
    }

    async fn change(
        &self,
        bucket: &Bucket,
        fence: &Lease,
        quota: Quota,
        change: &Change,
    ) -> Result<Changed, StoreError> {
        change.check()?;
        let mut call = self.call(&scripts::BUCKET_CHANGE, &[&fence.channel]);
        for key in keys::bucket(bucket) {
            call.key(key);
        }
        add_lease(&mut call, fence);
        // For the connection's own second try, if the first one's reply is lost.
        call.arg(Token::random().as_str()).arg(quota.keys).arg(quota.bytes);
        match change {
            Change::Set(entries) => {
                call.arg("set");
                for (key, value) in entries {
                    call.arg(key).arg(value);
                }
            }
            Change::Delete(keys) => {
                call.arg("delete").arg(keys);
            }
            Change::Add { key, delta } => {
                call.arg("add").arg(key).arg(*delta);
            }
            Change::Swap { key, value, version } => {
                call.arg("swap").arg(key).arg(value).arg(*version);
            }
        }
        let reply: String = self.invoke(&call).await?;
        changed(&reply).ok_or_else(|| self.connection.corrupt("a reply", reply))
    }
}

fn changed(reply: &str) -> Option<Changed> {
    Some(match reply {
        "yes" => Changed::Yes,
        "stale" => Changed::Stale,
        "nan" => Changed::NotANumber,
        "keys" => Changed::TooManyKeys,
        "bytes" => Changed::TooManyBytes,
        "lost" => Changed::Lost,
        sum => Changed::Sum(sum.strip_prefix("sum ")?.parse().ok()?),
    })
}

/// `<version> <value>`.
fn entry(mut found: Vec<u8>) -> Option<Entry> {
    let space = found.iter().position(|byte| *byte == b' ')?;
    let version = number(&found[..space])?;
    found.drain(..=space);
    Some(Entry { value: found, version })
}

fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}
