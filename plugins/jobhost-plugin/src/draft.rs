//! A job that is not stored yet.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::export::{millis, wit};
use crate::job::{InvalidJson, Json};
use crate::queue::PushError;

/// A job that is not stored yet: what [`crate::queue::push`] takes, and what
/// `time_to_run` and `before_push` are asked about, with its payload as `P`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft<P = Json> {
    /// The queue's configured name.
    pub queue: String,
    /// What to run.
    pub name: String,
    /// A JSON object; as text, empty means `{}`. Fields that `P` does not name are ignored.
    pub payload: P,
    /// How long it waits first, in whole milliseconds.
    pub delay: Option<Duration>,
    /// How long an attempt may take; kept in whole seconds, rounded up, at least one.
    /// `None`: the handler's time-to-run, else the queue's.
    pub ttr: Option<Duration>,
    /// At most 4 KiB. Names that begin with `jobhost.` are the host's.
    pub metadata: Vec<(String, String)>,
}

impl Draft {
    /// A job for a queue. A payload that does not serialize to a JSON object is
    /// [`PushError::Invalid`].
    pub fn new<P: Serialize + ?Sized>(
        queue: impl Into<String>,
        name: impl Into<String>,
        payload: &P,
    ) -> Result<Self, PushError> {
        let name = name.into();
        let text = serde_json::to_string(payload)
            .map_err(|error| PushError::Invalid(format!("the payload of {name}: {error}")))?;
        if !text.trim_start().starts_with('{') {
            return Err(PushError::Invalid(format!(
                "the payload of {name} must be a JSON object, not {}",
                text.chars().take(40).collect::<String>()
            )));
        }
        Ok(Self {
            queue: queue.into(),
            name,
            payload: Json::from_text(text),
            delay: None,
            ttr: None,
            metadata: Vec::new(),
        })
    }

    /// The same draft with its payload read, for a function that takes `P`; as [`Json`] it is not looked at.
    pub(crate) fn read_for<P: DeserializeOwned + 'static>(self) -> Result<Draft<P>, InvalidJson> {
        let Self { queue, name, payload, delay, ttr, metadata } = self;
        let payload = if payload.as_text().is_empty() { Json::from_text("{}") } else { payload };
        Ok(Draft { queue, name, payload: payload.read_for()?, delay, ttr, metadata })
    }

    /// Lets it wait this long first.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = Some(delay);
        self
    }

    /// Sets its time to run, which then wins over the handler's and the queue's.
    #[must_use]
    pub fn ttr(mut self, ttr: Duration) -> Self {
        self.ttr = Some(ttr);
        self
    }

    /// Adds a name and value kept beside the payload.
    #[must_use]
    pub fn metadata(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.push((name.into(), value.into()));
        self
    }

    pub(crate) fn into_wit(self) -> wit::JobDraft {
        wit::JobDraft {
            queue: self.queue,
            name: self.name,
            payload: self.payload.as_text().to_owned(),
            delay: self.delay.map(millis),
            ttr: self.ttr.map(whole_seconds),
            metadata: self.metadata,
        }
    }

    pub(crate) fn from_wit(draft: wit::JobDraft) -> Self {
        Self {
            queue: draft.queue,
            name: draft.name,
            payload: Json::from_text(draft.payload),
            delay: draft.delay.map(Duration::from_millis),
            ttr: draft.ttr.map(|ttr| Duration::from_secs(ttr.into())),
            metadata: draft.metadata,
        }
    }
}

/// Rounded up, at least 1, as the host keeps it.
pub(crate) fn whole_seconds(time: Duration) -> u32 {
    let seconds = time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0));
    u32::try_from(seconds.max(1)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_that_is_not_an_object_is_refused() {
        let error = Draft::new("mail", "Send", &[1, 2]).unwrap_err();
        assert_eq!(error.to_string(), "invalid: the payload of Send must be a JSON object, not [1,2]");
    }

    #[test]
    fn a_time_to_run_is_rounded_up_to_whole_seconds_and_at_least_one() {
        assert_eq!(whole_seconds(Duration::ZERO), 1);
        assert_eq!(whole_seconds(Duration::from_millis(1001)), 2);
        assert_eq!(whole_seconds(Duration::MAX), u32::MAX);
    }

    #[test]
    fn a_draft_survives_the_way_to_the_host_and_back() {
        let draft = Draft::new("mail", "Send", &serde_json::json!({"to": "a"}))
            .unwrap()
            .delay(Duration::from_millis(1500))
            .ttr(Duration::from_mins(1))
            .metadata("tenant", "7");
        assert_eq!(Draft::from_wit(draft.clone().into_wit()), draft);
    }
}
