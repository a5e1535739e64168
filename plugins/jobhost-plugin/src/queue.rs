//! Pushing follow-up jobs. It needs a grant for the target queue.

use std::fmt;

use crate::bindings::imports::jobhost::plugin::queue as host;
use crate::draft::Draft;

/// Pushes a job in the same transaction that settles this attempt. A handler's
/// pushes are stored only if the attempt is done; a hook's with the outcome that
/// it heard of, a retry included.
pub fn push(draft: Draft) -> Result<(), PushError> {
    host::push(&draft.into_wit()).map_err(PushError::from_wit)
}

/// Like [`push`]: all of them or none.
pub fn push_many(drafts: impl IntoIterator<Item = Draft>) -> Result<(), PushError> {
    let drafts: Vec<_> = drafts.into_iter().map(Draft::into_wit).collect();
    host::push_many(&drafts).map_err(PushError::from_wit)
}

/// Stores a job at once, whatever becomes of this attempt. Returns its id: then
/// it is stored once.
///
/// [`PushError::Unavailable`] leaves open whether it is: the host has asked the
/// store several times, without storing the job twice, and had no answer. A
/// further call is another job. So push one that may run twice, or [`push`].
pub fn push_now(draft: Draft) -> Result<String, PushError> {
    host::push_now(&draft.into_wit()).map_err(PushError::from_wit)
}

/// Why a job was not pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushError {
    /// Not granted, no such queue, or not from within this function.
    Denied(String),
    /// A before-push hook refused it.
    Rejected(String),
    /// Too large, too many, or not encodable.
    Invalid(String),
    /// The store does not answer, or this attempt has lost its lease. Of
    /// [`push_now`]: the job may be stored or not.
    Unavailable(String),
}

impl PushError {
    fn from_wit(error: host::PushError) -> Self {
        match error {
            host::PushError::Denied(text) => Self::Denied(text),
            host::PushError::Rejected(text) => Self::Rejected(text),
            host::PushError::Invalid(text) => Self::Invalid(text),
            host::PushError::Unavailable(text) => Self::Unavailable(text),
        }
    }
}

impl fmt::Display for PushError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, text) = match self {
            Self::Denied(text) => ("denied", text),
            Self::Rejected(text) => ("rejected", text),
            Self::Invalid(text) => ("invalid", text),
            Self::Unavailable(text) => ("unavailable", text),
        };
        write!(f, "{word}: {text}")
    }
}

impl std::error::Error for PushError {}
