//! A job in its stages: new, stored, reserved under a lease.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::clock::UnixMillis;
use crate::error::StoreError;

/// The longest body a store takes, in bytes. A host may set less.
pub const MAX_BODY: usize = 16 << 20;

/// The most that a job's metadata may take, in bytes of names and values.
pub const MAX_METADATA: usize = 4096;

/// A job's number within its queue, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub u64);

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for JobId {
    type Err = StoreError;

    /// Decimal digits without sign or leading zero, at least 1.
    fn from_str(text: &str) -> Result<Self, StoreError> {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
        text.parse()
            .ok()
            .filter(|_| digits)
            .map(Self)
            .ok_or_else(|| StoreError::Invalid(format!("`{text}` is not a job id; ids are whole numbers from 1")))
    }
}

/// A queue's key prefix in the store.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Channel(String);

impl Channel {
    /// At most 200 bytes, not empty, of printable ASCII without space, quote,
    /// backslash and the characters that yii2-queue's `clear` would take for
    /// wildcards (`*?[]`).
    pub fn new(name: &str) -> Result<Self, StoreError> {
        let bad = name.chars().find(|c| !c.is_ascii_graphic() || "*?[]\\\"'`".contains(*c));
        match bad {
            Some(c) => Err(StoreError::Invalid(format!(
                "channel `{}` has the character {c:?}; use ASCII letters, digits and punctuation other than * ? [ ] \\ and quotes",
                name.escape_debug()
            ))),
            None if name.is_empty() => Err(StoreError::Invalid("a channel's name must not be empty".into())),
            None if name.len() > 200 => {
                Err(StoreError::Invalid(format!("channel `{}…` is longer than 200 bytes", &name[..40])))
            }
            None => Ok(Self(name.to_owned())),
        }
    }

    /// The prefix.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Names one call, so that sending it again changes nothing: 128 random bits
/// as 32 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Token(String);

impl Token {
    /// A fresh one.
    pub fn random() -> Self {
        use fmt::Write;
        let mut bytes = [0_u8; 16];
        if getrandom::fill(&mut bytes).is_err() {
            // Without the system's randomness nothing here is safe to go on.
            std::process::abort();
        }
        Self(bytes.iter().fold(String::with_capacity(32), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        }))
    }

    /// One that was written down before.
    pub fn from_stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Its digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A job that is not stored yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewJob {
    /// The stored bytes: see [`crate::envelope`]. At most [`MAX_BODY`].
    pub body: Vec<u8>,
    /// Time to run, in seconds, at least 1.
    pub ttr: u32,
    /// How long it waits first. The store keeps whole seconds, rounded up.
    pub delay: Duration,
    /// Kept beside the message, at most [`MAX_METADATA`] bytes.
    pub metadata: Vec<(String, String)>,
}

impl NewJob {
    /// A job without delay and metadata.
    pub fn new(body: impl Into<Vec<u8>>, ttr: u32) -> Self {
        Self { body: body.into(), ttr, delay: Duration::ZERO, metadata: Vec::new() }
    }

    /// What every store checks before it takes a job.
    pub fn check(&self) -> Result<(), StoreError> {
        let metadata: usize = self.metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
        if self.body.len() > MAX_BODY {
            return Err(StoreError::Invalid(format!(
                "the payload has {} bytes; a store takes at most {MAX_BODY}",
                self.body.len()
            )));
        }
        if metadata > MAX_METADATA {
            return Err(StoreError::Invalid(format!(
                "the metadata has {metadata} bytes; at most {MAX_METADATA} are kept"
            )));
        }
        if self.ttr == 0 {
            return Err(StoreError::Invalid("a ttr of 0 leaves no time to run; the least is 1 s".into()));
        }
        Ok(())
    }
}

/// What a store holds for a job: on Redis `ttr;body`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// It could be read.
    Readable {
        /// Time to run, in seconds.
        ttr: u32,
        /// The bytes after the first `;`, untouched.
        body: Vec<u8>,
    },
    /// It is not `ttr;body`. The job can only be failed.
    Malformed {
        /// The stored bytes.
        raw: Vec<u8>,
        /// What is wrong with them.
        reason: String,
    },
}

impl Message {
    /// Reads `ttr;body` as yii2-queue writes it: decimal seconds, the first
    /// `;` ends them.
    pub fn parse(raw: Vec<u8>) -> Self {
        let Some(end) = raw.iter().position(|b| *b == b';') else {
            return Self::Malformed { raw, reason: "there is no `;` after the ttr".into() };
        };
        let ttr = std::str::from_utf8(&raw[..end]).ok().and_then(|digits| digits.parse::<u32>().ok());
        match ttr {
            Some(ttr) if ttr > 0 => Self::Readable { ttr, body: raw[end + 1..].to_vec() },
            _ => {
                let shown = String::from_utf8_lossy(&raw[..end.min(40)]).into_owned();
                Self::Malformed { raw, reason: format!("the ttr `{shown}` is not a whole number of seconds from 1") }
            }
        }
    }
}

/// The proof of holding a reservation. A stale one settles nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Lease {
    /// The job's channel.
    pub channel: Channel,
    /// The job.
    pub id: JobId,
    /// The token of the reserve that took it.
    pub token: Token,
}

/// A job taken for one attempt, under a lease.
#[derive(Clone, Debug)]
pub struct Reserved {
    /// The proof.
    pub lease: Lease,
    /// Unique everywhere and the same for every attempt.
    pub key: String,
    /// What was stored.
    pub message: Message,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// How many workers died while they ran it.
    pub crashes: u32,
    /// When jobhost stored it; `None` for a PHP program's job.
    pub pushed_at: Option<UnixMillis>,
    /// When it could first be taken for this attempt: when it was pushed, or,
    /// delayed or to be retried, when it was due. `None` where only a PHP
    /// program knows.
    pub ready_at: Option<UnixMillis>,
    /// When any of ours first took it, by the store's time.
    pub first_reserved_at: UnixMillis,
    /// When it was taken, by the store's time.
    pub reserved_at: UnixMillis,
    /// Kept beside the message; empty for a PHP program's job.
    pub metadata: Vec<(String, String)>,
}
