//! Buckets of the job store, which a guest opens through `wasi:keyvalue`. Who keeps them is the caller's business; here is
//! which of them a guest may open, write, and how much of it in one call.

use wasmtime::component::Resource;

use super::{advice, few, named, refused};
use crate::bindings::keyvalue::{atomics, batch, store};
use crate::buckets::{BucketChange, BucketChanged, BucketValue, BucketValues};
use crate::host::State;
use crate::load_error::Problem;

/// Keys of a page.
const PAGE: u32 = 1_000;

/// Keys that are asked for at once, so that the host holds few long values that the guest will not get.
const CHUNK: usize = 32;

/// Bytes of a value that a compare-and-swap keeps. A longer one is read again when the guest asks for it.
const KEPT: usize = 4 << 10;

/// One bucket of a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketGrant {
    /// Its name in the store.
    pub bucket: String,
    /// The identifier by which the guest opens it, 1 to 200 bytes.
    pub guest: String,
    /// Whether it may be written.
    pub write: bool,
    /// Keys that it may have after a write of this plugin.
    pub keys: u64,
    /// Bytes of keys and values that it may have after a write of this plugin.
    pub bytes: u64,
}

/// Whether these can be granted.
pub(super) fn check(grants: &[BucketGrant]) -> Result<(), Problem> {
    few("keyvalue", grants.len())?;
    for (index, grant) in grants.iter().enumerate() {
        named(&grant.guest).map_err(|why| refused("keyvalue", &grant.guest, why))?;
        if grants[..index].iter().any(|other| other.guest == grant.guest) {
            let why = "the plugin has another bucket of this name; give one of them another `guest`".to_owned();
            return Err(refused("keyvalue", &grant.guest, why));
        }
    }
    Ok(())
}

/// The grant of what a guest calls `identifier`, which is a bucket's own name only where stores take it as one.
fn entry(identifier: &str) -> String {
    let name = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_');
    let quoted = advice::quoted(identifier);
    if !identifier.is_empty() && identifier.len() <= 100 && identifier.chars().all(name) {
        format!("{{ bucket = {quoted}, mode = \"rw\" }}")
    } else {
        format!("{{ bucket = \"BUCKET\", guest = {quoted}, mode = \"rw\" }}")
    }
}

/// An open bucket: the number of its grant.
#[expect(unreachable_pub, reason = "the generated bindings export it from a private module")]
pub struct Open(usize);

/// A compare-and-swap under way.
#[expect(unreachable_pub, reason = "the generated bindings export it from a private module")]
pub struct Cas {
    bucket: usize,
    key: String,
    version: u64,
    seen: Seen,
}

/// What a compare-and-swap saw at its key.
enum Seen {
    Nothing,
    Short(Vec<u8>),
    /// More than is kept.
    Long,
}

type Answer<T, E = store::Error> = wasmtime::Result<Result<T, E>>;

impl State {
    fn opened(&mut self, bucket: &Resource<Open>) -> wasmtime::Result<usize> {
        Ok(self.table().get(bucket)?.0)
    }

    async fn look(&mut self, bucket: usize, keys: Vec<String>) -> Result<BucketValues, store::Error> {
        self.spend_keys(keys.len()).map_err(store::Error::Other)?;
        let host = self.call_host();
        let buckets = host.buckets().map_err(|why| store::Error::Other(why.to_owned()))?;
        let name = &self.granted().keyvalue[bucket].bucket;
        buckets.values(name, keys).await.map_err(store::Error::Other)
    }

    async fn look_at(&mut self, bucket: usize, key: String) -> Result<(Option<BucketValue>, u64), store::Error> {
        let mut found = self.look(bucket, vec![key]).await?;
        Ok((found.entries.pop().flatten(), found.version))
    }

    async fn change(&mut self, bucket: usize, change: BucketChange) -> Result<BucketChanged, store::Error> {
        let grant = &self.granted().keyvalue[bucket];
        if !grant.write {
            let (plugin, name) = (self.plugin(), &grant.bucket);
            let advice = format!(
                "plugin `{plugin}` may only read the bucket `{name}`; to allow it, set `mode = \"rw\"` for `bucket = {}` in `keyvalue` under `[plugins.{}.grants]`",
                advice::quoted(name),
                advice::key(plugin)
            );
            self.advise(advice);
            return Err(store::Error::AccessDenied);
        }
        let (keys, longest) = match &change {
            BucketChange::Set(entries) => {
                (entries.len(), entries.iter().map(|(_, value)| value.len()).max().unwrap_or(0))
            }
            BucketChange::Delete(keys) => (keys.len(), 0),
            BucketChange::Add { .. } => (1, 0),
            BucketChange::Swap { value, .. } => (1, value.len()),
        };
        let limit = self.value_bytes();
        if crate::limits::bytes(longest) > limit {
            let why = format!("a value of {longest} bytes, at most {limit} are allowed; raise `limits.bucket-value`");
            return Err(store::Error::Other(why));
        }
        self.spend_keys(keys).map_err(store::Error::Other)?;
        let host = self.call_host();
        let buckets = host.buckets().map_err(|why| store::Error::Other(why.to_owned()))?;
        let grant = &self.granted().keyvalue[bucket];
        buckets.change(&grant.bucket, (grant.keys, grant.bytes), change).await.map_err(store::Error::Other)
    }

    async fn compare(&mut self, bucket: usize, key: String) -> Result<Cas, store::Error> {
        let (found, version) = self.look_at(bucket, key.clone()).await?;
        let version = found.as_ref().map_or(version, |found| found.version);
        let seen = match found {
            None => Seen::Nothing,
            Some(found) if found.value.len() <= KEPT => Seen::Short(found.value),
            Some(_) => Seen::Long,
        };
        Ok(Cas { bucket, key, version, seen })
    }
}

impl store::Host for State {
    async fn open(&mut self, identifier: String) -> Answer<Resource<Open>> {
        if let Some(index) = self.granted().keyvalue.iter().position(|grant| grant.guest == identifier) {
            return Ok(Ok(self.table().push(Open(index))?));
        }
        let (plugin, name) = (self.plugin(), self.quoted(&identifier));
        let remedy = advice::add_to(plugin, "keyvalue", &entry(&name));
        let advice = format!("plugin `{plugin}` may not open the bucket `{name}`; {remedy}");
        self.advise(advice);
        Ok(Err(store::Error::AccessDenied))
    }
}

impl store::HostBucket for State {
    async fn get(&mut self, bucket: Resource<Open>, key: String) -> Answer<Option<Vec<u8>>> {
        let bucket = self.opened(&bucket)?;
        let found = self.look_at(bucket, key).await;
        Ok(found.map(|(found, _)| found.map(|found| found.value)))
    }

    async fn set(&mut self, bucket: Resource<Open>, key: String, value: Vec<u8>) -> Answer<()> {
        let bucket = self.opened(&bucket)?;
        Ok(self.change(bucket, BucketChange::Set(vec![(key, value)])).await.map(|_| ()))
    }

    async fn delete(&mut self, bucket: Resource<Open>, key: String) -> Answer<()> {
        let bucket = self.opened(&bucket)?;
        Ok(self.change(bucket, BucketChange::Delete(vec![key])).await.map(|_| ()))
    }

    async fn exists(&mut self, bucket: Resource<Open>, key: String) -> Answer<bool> {
        let bucket = self.opened(&bucket)?;
        Ok(self.look_at(bucket, key).await.map(|(found, _)| found.is_some()))
    }

    async fn list_keys(&mut self, bucket: Resource<Open>, cursor: Option<String>) -> Answer<store::KeyResponse> {
        let bucket = self.opened(&bucket)?;
        if let Err(why) = self.spend_keys(1) {
            return Ok(Err(store::Error::Other(why)));
        }
        let host = self.call_host();
        let buckets = match host.buckets() {
            Ok(buckets) => buckets,
            Err(why) => return Ok(Err(store::Error::Other(why.to_owned()))),
        };
        let name = &self.granted().keyvalue[bucket].bucket;
        let listed = buckets.keys(name, cursor.as_deref(), PAGE).await;
        Ok(listed.map_err(store::Error::Other).map(|keys| {
            let full = u32::try_from(keys.len()) == Ok(PAGE);
            store::KeyResponse { cursor: keys.last().filter(|_| full).cloned(), keys }
        }))
    }

    async fn drop(&mut self, bucket: Resource<Open>) -> wasmtime::Result<()> {
        self.table().delete(bucket)?;
        Ok(())
    }
}

impl atomics::Host for State {
    async fn increment(&mut self, bucket: Resource<Open>, key: String, delta: i64) -> Answer<i64> {
        let bucket = self.opened(&bucket)?;
        Ok(match self.change(bucket, BucketChange::Add { key, delta }).await {
            Ok(BucketChanged::Sum(sum)) => Ok(sum),
            Ok(other) => Err(store::Error::Other(format!("the store answered {other:?} to an addition"))),
            Err(error) => Err(error),
        })
    }

    async fn swap(&mut self, cas: Resource<Cas>, value: Vec<u8>) -> Answer<(), atomics::CasError> {
        let Cas { bucket, key, version, .. } = self.table().delete(cas)?;
        let swap = BucketChange::Swap { key: key.clone(), value, version };
        let answer = match self.change(bucket, swap).await {
            Ok(BucketChanged::Stale) => self.compare(bucket, key).await,
            Ok(_) => return Ok(Ok(())),
            Err(error) => Err(error),
        };
        Ok(Err(match answer {
            Ok(cas) => atomics::CasError::CasFailed(self.table().push(cas)?),
            Err(error) => atomics::CasError::StoreError(error),
        }))
    }
}

impl atomics::HostCas for State {
    async fn new(&mut self, bucket: Resource<Open>, key: String) -> Answer<Resource<Cas>> {
        let bucket = self.opened(&bucket)?;
        Ok(match self.compare(bucket, key).await {
            Ok(cas) => Ok(self.table().push(cas)?),
            Err(error) => Err(error),
        })
    }

    /// What the swap will compare with. A long value is read again, and what was read is compared with from then on.
    async fn current(&mut self, cas: Resource<Cas>) -> Answer<Option<Vec<u8>>> {
        let held = self.table().get(&cas)?;
        match &held.seen {
            Seen::Nothing => return Ok(Ok(None)),
            Seen::Short(value) => return Ok(Ok(Some(value.clone()))),
            Seen::Long => {}
        }
        let (bucket, key) = (held.bucket, held.key.clone());
        let (found, version) = match self.look_at(bucket, key).await {
            Ok(found) => found,
            Err(error) => return Ok(Err(error)),
        };
        self.table().get_mut(&cas)?.version = found.as_ref().map_or(version, |found| found.version);
        Ok(Ok(found.map(|found| found.value)))
    }

    async fn drop(&mut self, cas: Resource<Cas>) -> wasmtime::Result<()> {
        self.table().delete(cas)?;
        Ok(())
    }
}

impl batch::Host for State {
    async fn get_many(&mut self, bucket: Resource<Open>, keys: Vec<String>) -> Answer<Vec<Option<(String, Vec<u8>)>>> {
        let bucket = self.opened(&bucket)?;
        let most = self.call_bytes();
        let mut pairs = Vec::new();
        let mut bytes = 0;
        for chunk in keys.chunks(CHUNK) {
            let found = match self.look(bucket, chunk.to_vec()).await {
                Ok(found) => found,
                Err(error) => return Ok(Err(error)),
            };
            for (key, found) in chunk.iter().zip(found.entries) {
                bytes += found.as_ref().map_or(0, |found| crate::limits::bytes(key.len() + found.value.len()));
                pairs.push(found.map(|found| (key.clone(), found.value)));
            }
            if bytes > most {
                let why = format!("the values of these keys are more than {most} bytes; ask for fewer at once");
                return Ok(Err(store::Error::Other(why)));
            }
        }
        Ok(Ok(pairs))
    }

    async fn set_many(&mut self, bucket: Resource<Open>, entries: Vec<(String, Vec<u8>)>) -> Answer<()> {
        let bucket = self.opened(&bucket)?;
        Ok(self.change(bucket, BucketChange::Set(entries)).await.map(|_| ()))
    }

    async fn delete_many(&mut self, bucket: Resource<Open>, keys: Vec<String>) -> Answer<()> {
        let bucket = self.opened(&bucket)?;
        Ok(self.change(bucket, BucketChange::Delete(keys)).await.map(|_| ()))
    }
}
