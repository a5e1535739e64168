//! The stages of the pipeline that reach this server, and the ways in which it can be told to answer.

use std::fmt;
use std::str::FromStr;

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// A file goes into the channel.
    Upload,
    /// An article is made of files.
    Publish,
    /// The source hears of a task.
    Callback,
}

impl Stage {
    /// That of a request.
    pub(crate) fn of(method: &str, path: &str) -> Option<Self> {
        match (method, path) {
            ("PUT", path) if path.starts_with("/assets/") => Some(Self::Upload),
            ("POST", "/articles") => Some(Self::Publish),
            ("POST", "/callback") => Some(Self::Callback),
            _ => None,
        }
    }
}

impl FromStr for Stage {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "upload" => Ok(Self::Upload),
            "publish" => Ok(Self::Publish),
            "callback" => Ok(Self::Callback),
            _ => Err(format!("`{text}` is no stage; there are upload, publish and callback")),
        }
    }
}

/// How to answer one request instead of doing as it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// With this status, and perhaps seconds to wait.
    Status(u16, Option<u64>),
    /// Never.
    Hang,
    /// By closing the connection.
    Close,
    /// By doing as it says, and then closing the connection.
    Lose,
}

impl FromStr for Answer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no answer; there are hang, close, lose, and statuses such as 500 or 429:2");
        match text {
            "hang" => return Ok(Self::Hang),
            "close" => return Ok(Self::Close),
            "lose" => return Ok(Self::Lose),
            _ => {}
        }
        let (status, wait) = match text.split_once(':') {
            Some((status, wait)) => (status, Some(wait.parse().map_err(|_| wrong())?)),
            None => (text, None),
        };
        let status = status.parse().ok().filter(|status| (200..600).contains(status)).ok_or_else(wrong)?;
        Ok(Self::Status(status, wait))
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status, None) => write!(f, "{status}"),
            Self::Status(status, Some(wait)) => write!(f, "{status}, retry after {wait} s"),
            Self::Hang => f.write_str("hang"),
            Self::Close => f.write_str("close"),
            Self::Lose => f.write_str("lose"),
        }
    }
}
