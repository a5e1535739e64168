//! The stored body of a job: a JSON object whose `class` is the job's name.
//! (Skeleton: signatures only.)

/// A body that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The job's name: the body's `class` without a leading backslash.
    pub name: String,
    /// JSON text: the stored body itself, or the JSON equivalent of a PHP-serialized one.
    pub payload: String,
}

/// Why a payload cannot be stored, or a body not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EnvelopeError(pub String);

/// The body to store for a payload (JSON text of an object; empty means `{}`).
pub fn encode(_name: &str, _payload: &str) -> Result<Vec<u8>, EnvelopeError> {
    Err(EnvelopeError("not written yet".into()))
}

/// Reads a stored body.
pub fn decode(_body: &[u8]) -> Result<Envelope, EnvelopeError> {
    Err(EnvelopeError("not written yet".into()))
}

/// Whether two names are the same but for a leading backslash.
pub fn same_name(a: &str, b: &str) -> bool {
    a.strip_prefix('\\').unwrap_or(a) == b.strip_prefix('\\').unwrap_or(b)
}
