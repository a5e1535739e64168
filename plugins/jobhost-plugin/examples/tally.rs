//! A plugin that keeps count of words in a bucket: settings, a secret, and each way of reading and changing values.

use jobhost_plugin::keyvalue::{Bucket, Error};
use jobhost_plugin::{Job, JobError, config, secrets};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Words {
    words: Vec<String>,
}

#[derive(Serialize)]
struct Tally {
    /// All words so far.
    total: i64,
    /// The words of the job before, and whether this one left some.
    before: Option<Vec<String>>,
    left: bool,
    /// Bytes of the longest word so far.
    longest: usize,
    keys: Vec<String>,
    settings: Vec<String>,
    secret: usize,
}

#[jobhost_plugin::handler]
fn count(job: Job<Words>) -> Result<Tally, JobError> {
    let bucket = Bucket::open(&config::required("bucket")?)?;
    let words = job.payload.words;
    let before = bucket.get::<Vec<String>>("latest")?;
    if words.is_empty() {
        bucket.delete("latest")?;
    } else {
        bucket.set("latest", &words)?;
    }
    let total = bucket.increment("total", i64::try_from(words.len())?)?;
    let longest = words.iter().map(String::len).max().unwrap_or(0);
    let longest = bucket.update("longest", |known: Option<usize>| Ok::<_, Error>(known.unwrap_or(0).max(longest)))?;
    Ok(Tally {
        total,
        before,
        left: bucket.exists("latest")?,
        longest,
        keys: bucket.keys()?,
        settings: config::all()?.into_iter().map(|(key, _)| key).collect(),
        secret: secrets::get("SALT")?.len(),
    })
}
