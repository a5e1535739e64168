//! A job as a plugin sees it, and JSON that is read when it is wanted.

use std::any::Any;
use std::fmt;
use std::ops::Deref;
use std::time::{Duration, SystemTime};

use serde::de::{Deserialize, DeserializeOwned, Deserializer};
use serde::ser::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::export::wit;

/// A job that has been reserved for this attempt, with its payload as `P`.
/// It derefs to [`JobInfo`].
#[derive(Clone, Debug)]
pub struct Job<P = Json> {
    info: JobInfo,
    /// What the job's pusher wrote. Fields that `P` does not name are ignored.
    pub payload: P,
}

/// What there is to know of a job beside its payload.
#[derive(Clone, Debug)]
pub struct JobInfo {
    /// Unique within its queue.
    pub id: String,
    /// Unique everywhere and the same for every attempt: an idempotency key.
    pub key: String,
    /// The queue's configured name.
    pub queue: String,
    /// The `class` of the stored message.
    pub name: String,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// The queue's limit; `None`: decided by the retry policy or a hook alone.
    pub max_attempts: Option<u32>,
    /// How long this attempt may take.
    pub ttr: Duration,
    /// When it was pushed; `None` where the pusher left no time (a PHP program).
    pub pushed_at: Option<SystemTime>,
    /// Names and values kept beside the payload.
    pub metadata: Vec<(String, String)>,
}

impl<P> Deref for Job<P> {
    type Target = JobInfo;

    fn deref(&self) -> &JobInfo {
        &self.info
    }
}

impl Job {
    pub(crate) fn from_wit(job: wit::Job) -> Self {
        let since_epoch = job.pushed_at.map(Duration::from_millis);
        Self {
            info: JobInfo {
                id: job.id,
                key: job.key,
                queue: job.queue,
                name: job.name,
                attempt: job.attempt,
                max_attempts: job.max_attempts,
                ttr: Duration::from_secs(job.ttr.into()),
                pushed_at: since_epoch.and_then(|time| SystemTime::UNIX_EPOCH.checked_add(time)),
                metadata: job.metadata,
            },
            payload: Json(job.payload),
        }
    }

    /// The same job with its payload read.
    pub fn read<P: DeserializeOwned>(self) -> Result<Job<P>, InvalidJson> {
        let payload = self.payload.read()?;
        Ok(Job { info: self.info, payload })
    }

    /// The same for a function that takes `P`; of one that takes [`Json`] the payload is not looked at.
    pub(crate) fn read_for<P: DeserializeOwned + 'static>(self) -> Result<Job<P>, InvalidJson> {
        let payload = self.payload.read_for()?;
        Ok(Job { info: self.info, payload })
    }
}

/// JSON text that has not been looked at. What a job's pusher or handler wrote
/// need not be what a hook expects; [`Json::read`] tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Json(String);

impl Json {
    /// Takes text as it is, JSON or not.
    pub fn from_text(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn as_text(&self) -> &str {
        &self.0
    }

    /// Reads it; the error names the place in the document.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, InvalidJson> {
        let mut reader = serde_json::Deserializer::from_str(&self.0);
        let value = serde_path_to_error::deserialize(&mut reader)
            .map_err(|error| InvalidJson { path: place(error.path()), reason: error.into_inner().to_string() })?;
        reader.end().map_err(|error| InvalidJson { path: ".".to_owned(), reason: error.to_string() })?;
        Ok(value)
    }
}

impl Json {
    /// What a function that takes `T` is given. No text is no value, as `null` is.
    pub(crate) fn read_for<T: DeserializeOwned + 'static>(self) -> Result<T, InvalidJson> {
        let mut whole = Some(self);
        if let Some(taken) = (&mut whole as &mut dyn Any).downcast_mut::<Option<T>>().and_then(Option::take) {
            return Ok(taken);
        }
        match whole {
            Some(json) if !json.0.is_empty() => json.read(),
            _ => Self::from_text("null").read(),
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(|raw| Self(Box::<str>::from(raw).into()))
    }
}

impl Serialize for Json {
    /// Fails if the text is not JSON.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serde_json::from_str::<&RawValue>(&self.0).map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}

/// What is not JSON at all has no place.
fn place(path: &serde_path_to_error::Path) -> String {
    match path.to_string() {
        unknown if unknown == "?" => ".".to_owned(),
        place => place,
    }
}

/// JSON that is not what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidJson {
    /// Where, such as `assets[1].type`; `.` is the document itself.
    pub path: String,
    /// What was expected there and what was found.
    pub reason: String,
}

impl fmt::Display for InvalidJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.reason)
    }
}

impl std::error::Error for InvalidJson {}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    struct Task {
        #[expect(dead_code, reason = "only its reading is tested")]
        assets: Vec<Asset>,
    }

    #[derive(Debug, serde::Deserialize)]
    struct Asset {
        #[expect(dead_code, reason = "only its reading is tested")]
        size: u64,
    }

    #[test]
    fn an_unreadable_field_is_named_by_its_path_with_what_was_expected() {
        let error = Json::from_text(r#"{"assets":[{"size":1},{"size":"big"}]}"#).read::<Task>().unwrap_err();
        assert_eq!(error.path, "assets[1].size");
        assert!(error.reason.contains("expected u64"), "{error}");
    }

    #[test]
    fn text_after_the_document_is_an_error() {
        assert!(Json::from_text("{\"assets\":[]} x").read::<Task>().is_err());
    }

    #[test]
    fn what_is_not_json_is_an_error_of_the_document() {
        let error = Json::from_text("{").read::<Task>().unwrap_err();
        assert_eq!(error.path, ".");
    }

    #[test]
    fn a_function_that_takes_json_is_given_any_text_and_another_what_it_reads() {
        let text = || Json::from_text(" not JSON");
        assert_eq!(text().read_for::<Json>(), Ok(text()));
        assert!(text().read_for::<u32>().is_err());
        assert_eq!(Json::from_text("7").read_for::<u32>(), Ok(7));
        assert_eq!(Json::from_text("").read_for::<Option<u32>>(), Ok(None));
        assert_eq!(Json::from_text("").read_for::<Json>(), Ok(Json::from_text("")));
        assert!(Json::from_text("").read_for::<u32>().is_err());
    }

    #[test]
    fn undecoded_json_keeps_its_text_through_reading_and_writing() {
        let text = r#"{"b":1.50,"a":[ ]}"#;
        let json: Json = Json::from_text(text).read().unwrap();
        assert_eq!(json.as_text(), text);
        assert_eq!(serde_json::to_string(&json).unwrap(), text);
    }
}
