//! Counts the bytes of text in what crosses the border, for the limits and the report of a call.

use crate::capabilities::queues;
use crate::limits::bytes;
use crate::types::{
    AttemptReport, ExecDecision, Failure, FailureCause, Job, JobDraft, JobError, PushDecision, RetryDecision,
};

/// What an entry of a list weighs besides its texts, so that a million empty ones are not free. As JSON it is about that.
const ENTRY: u64 = 6;

/// Something that holds text.
pub(crate) trait Weight {
    /// Bytes of all texts in it, and a few for each entry of a list.
    fn weight(&self) -> u64;
}

impl Weight for String {
    fn weight(&self) -> u64 {
        bytes(self.len())
    }
}

impl Weight for () {
    fn weight(&self) -> u64 {
        0
    }
}

impl Weight for u32 {
    fn weight(&self) -> u64 {
        0
    }
}

impl<T: Weight> Weight for Option<T> {
    fn weight(&self) -> u64 {
        self.as_ref().map_or(0, Weight::weight)
    }
}

impl<T: Weight, E: Weight> Weight for Result<T, E> {
    fn weight(&self) -> u64 {
        match self {
            Ok(value) => value.weight(),
            Err(error) => error.weight(),
        }
    }
}

impl Weight for [(String, String)] {
    fn weight(&self) -> u64 {
        self.iter().map(|(name, value)| ENTRY + name.weight() + value.weight()).sum()
    }
}

impl Weight for Job {
    fn weight(&self) -> u64 {
        let texts = [&self.id, &self.key, &self.queue, &self.name, &self.payload];
        texts.into_iter().map(Weight::weight).sum::<u64>() + self.metadata.weight()
    }
}

impl Weight for JobDraft {
    fn weight(&self) -> u64 {
        queues::weight(self)
    }
}

impl Weight for Failure {
    fn weight(&self) -> u64 {
        self.code.weight() + self.message.weight() + self.details.weight()
    }
}

impl Weight for JobError {
    fn weight(&self) -> u64 {
        match self {
            Self::Temporary(failure) | Self::Permanent(failure) => failure.weight(),
            Self::RetryAfter(delayed) => delayed.failure.weight(),
        }
    }
}

impl Weight for FailureCause {
    fn weight(&self) -> u64 {
        match self {
            Self::Returned(error) => error.weight(),
            Self::Trapped(text)
            | Self::Limit(text)
            | Self::Undecodable(text)
            | Self::HookFailed(text)
            | Self::Other(text) => text.weight(),
            Self::TimedOut(_)
            | Self::OutOfMemory(_)
            | Self::OutOfFuel(_)
            | Self::Exited(_)
            | Self::Crashed(_)
            | Self::Unhandled => 0,
        }
    }
}

impl Weight for RetryDecision {
    fn weight(&self) -> u64 {
        match self {
            Self::GiveUp(reason) => reason.weight(),
            Self::Unchanged | Self::Retry | Self::RetryAfter(_) => 0,
        }
    }
}

impl Weight for PushDecision {
    fn weight(&self) -> u64 {
        match self {
            Self::Accept => 0,
            Self::Replace(draft) => draft.weight(),
            Self::Reject(reason) => reason.weight(),
        }
    }
}

impl Weight for ExecDecision {
    fn weight(&self) -> u64 {
        match self {
            Self::Proceed | Self::Postpone(_) => 0,
            Self::Skip(reason) => reason.weight(),
            Self::Fail(failure) => failure.weight(),
        }
    }
}

impl Weight for AttemptReport {
    fn weight(&self) -> u64 {
        self.plugin_digest.weight()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_details_are_not_free() {
        let failure = |entries| Failure {
            code: "a".to_owned(),
            message: "bc".to_owned(),
            details: vec![(String::new(), String::new()); entries],
        };
        assert_eq!(failure(0).weight(), 3);
        assert!(failure(1_000_000).weight() > 1 << 20);
    }
}
