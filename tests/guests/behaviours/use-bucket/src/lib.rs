//! Opens `bucket` and does what `do` says with `key` and `value`, both where they are needed; answers what it saw, as a JSON
//! string. A refusal is a permanent failure whose code is its kind.

use guest::grantable_world::wasi::keyvalue::{atomics, batch, store};
use guest::types::{Job, JobError};

fn refused(error: store::Error) -> JobError {
    let (code, message) = match error {
        store::Error::NoSuchStore => ("no-such-store", String::new()),
        store::Error::AccessDenied => ("access-denied", String::new()),
        store::Error::Other(text) => ("other", text),
    };
    JobError::Permanent(guest::failure(code, message))
}

fn work(job: &Job, bucket: &store::Bucket) -> Result<String, store::Error> {
    let (key, value) = (guest::text(job, "key"), guest::text(job, "value"));
    let number: i64 = value.parse().unwrap_or(0);
    let seen = |bytes: Option<Vec<u8>>| match bytes {
        Some(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        None => "nothing".to_owned(),
    };
    Ok(match guest::text(job, "do").as_str() {
        "set" => bucket.set(&key, value.as_bytes()).map(|()| String::new())?,
        "get" => seen(bucket.get(&key)?),
        // As often as `value` says.
        "get-often" => {
            for _ in 0..number {
                bucket.get(&key)?;
            }
            String::new()
        }
        "delete" => bucket.delete(&key).map(|()| String::new())?,
        "exists" => bucket.exists(&key)?.to_string(),
        // `value` bytes.
        "set-long" => bucket
            .set(&key, &vec![b'x'; usize::try_from(number).unwrap_or(0)])
            .map(|()| String::new())?,
        "add" => atomics::increment(bucket, &key, number)?.to_string(),
        // A counter by hand, as often as `value` says.
        "count" => {
            for _ in 0..number {
                count(bucket, &key)?;
            }
            String::new()
        }
        // Somebody writes between the look and the swap.
        "stale" => {
            let cas = atomics::Cas::new(bucket, &key)?;
            bucket.set(&key, b"theirs")?;
            match atomics::swap(cas, value.as_bytes()) {
                Ok(()) => "swapped".to_owned(),
                Err(atomics::CasError::CasFailed(cas)) => {
                    format!("failed: {}", seen(cas.current()?))
                }
                Err(atomics::CasError::StoreError(error)) => return Err(error),
            }
        }
        // As many keys as `value` says, and all pages of them.
        "fill" => {
            let entries: Vec<_> = (0..number)
                .map(|n| (format!("{n:05}"), n.to_string().into_bytes()))
                .collect();
            for some in entries.chunks(1000) {
                batch::set_many(bucket, some)?;
            }
            let (mut keys, mut pages, mut cursor) = (0, 0, None);
            loop {
                let page = bucket.list_keys(cursor.as_deref())?;
                keys += page.keys.len();
                pages += 1;
                cursor = page.cursor;
                if cursor.is_none() {
                    break;
                }
            }
            let names = ["00001".to_owned(), "no".to_owned()];
            let found = batch::get_many(bucket, &names)?;
            let first = found[0].as_ref().map(|(_, value)| value.clone());
            batch::delete_many(bucket, &names)?;
            format!(
                "{keys} keys, {pages} pages, {} and {}",
                seen(first),
                found[1].is_none()
            )
        }
        // Until it is refused.
        "spin" => loop {
            bucket.get(&key)?;
        },
        other => other.to_owned(),
    })
}

fn count(bucket: &store::Bucket, key: &str) -> Result<(), store::Error> {
    let mut cas = atomics::Cas::new(bucket, key)?;
    loop {
        let now = cas.current()?.map_or(0, |bytes| {
            String::from_utf8_lossy(&bytes).parse::<u64>().unwrap_or(0)
        });
        match atomics::swap(cas, (now + 1).to_string().as_bytes()) {
            Ok(()) => return Ok(()),
            Err(atomics::CasError::CasFailed(newer)) => cas = newer,
            Err(atomics::CasError::StoreError(error)) => return Err(error),
        }
    }
}

guest::handler!(|job| {
    let bucket = store::open(&guest::text(&job, "bucket")).map_err(refused)?;
    let seen = work(&job, &bucket).map_err(refused)?;
    Ok(format!("\"{seen}\""))
});
