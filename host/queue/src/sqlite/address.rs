//! Reads the address of a SQLite store. It does not touch the file system.

use std::path::PathBuf;

use crate::error::StoreError;

/// How much a commit waits for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Synchronous {
    /// An accepted job survives a power cut.
    Full,
    /// The last commits before a power cut may be lost; the file stays whole.
    Normal,
}

/// `sqlite:path`, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub path: PathBuf,
    pub synchronous: Synchronous,
}

impl Address {
    /// `sqlite:relative.db`, `sqlite:/absolute.db` or `sqlite:///absolute.db`,
    /// with `?synchronous=full|normal`. Nothing is percent-decoded: a path may
    /// hold anything but a question mark.
    pub(super) fn parse(url: &str) -> Result<Self, StoreError> {
        let Some(rest) = url.strip_prefix("sqlite:") else {
            return Err(StoreError::Invalid(format!("`{url}` is not the address of a SQLite store; use sqlite:path")));
        };
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        Ok(Self { path: path_of(url, path)?, synchronous: synchronous_of(url, query)? })
    }
}

fn path_of(url: &str, path: &str) -> Result<PathBuf, StoreError> {
    let path = match path.strip_prefix("//") {
        Some(absolute) if absolute.starts_with('/') => absolute,
        Some(host) => {
            return Err(StoreError::Invalid(format!(
                "`{url}` names a host; a SQLite store is a file of this machine: use sqlite:{host} or sqlite:///{host}"
            )));
        }
        None => path,
    };
    if path.is_empty() || path.ends_with('/') || path.starts_with(':') || path.contains('\0') {
        return Err(StoreError::Invalid(format!(
            "`{}` does not name a file; use sqlite:path, such as sqlite:jobhost.db",
            url.escape_debug()
        )));
    }
    Ok(PathBuf::from(path))
}

fn synchronous_of(url: &str, query: &str) -> Result<Synchronous, StoreError> {
    let mut synchronous = Synchronous::Full;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        synchronous = match pair.split_once('=').unwrap_or((pair, "")) {
            ("synchronous", "full") => Synchronous::Full,
            ("synchronous", "normal") => Synchronous::Normal,
            ("synchronous", other) => {
                return Err(StoreError::Invalid(format!(
                    "`{url}` has synchronous `{other}`; it is `full` or `normal`"
                )));
            }
            (key, _) => {
                return Err(StoreError::Invalid(format!(
                    "`{url}` has the key `{key}`; a SQLite store knows only `synchronous`"
                )));
            }
        };
    }
    Ok(synchronous)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> (String, Synchronous) {
        let address = Address::parse(url).unwrap();
        (address.path.display().to_string(), address.synchronous)
    }

    #[test]
    fn paths_are_relative_or_absolute_and_taken_as_they_are() {
        let full = Synchronous::Full;
        assert_eq!(parsed("sqlite:jobs.db"), ("jobs.db".into(), full));
        assert_eq!(parsed("sqlite:a/b c%20.db"), ("a/b c%20.db".into(), full));
        assert_eq!(parsed("sqlite:/a/jobs.db"), ("/a/jobs.db".into(), full));
        assert_eq!(parsed("sqlite:///a/jobs.db"), ("/a/jobs.db".into(), full));
    }

    #[test]
    fn synchronous_is_full_unless_the_query_says_normal() {
        assert_eq!(parsed("sqlite:a?").1, Synchronous::Full);
        assert_eq!(parsed("sqlite:a?synchronous=full").1, Synchronous::Full);
        assert_eq!(parsed("sqlite:a?synchronous=normal").1, Synchronous::Normal);
    }

    #[test]
    fn what_is_wrong_with_an_address_is_named() {
        for (url, named) in [
            ("sqlite:", "sqlite:jobhost.db"),
            ("sqlite:folder/", "does not name a file"),
            ("sqlite::memory:", "does not name a file"),
            ("sqlite://jobs.db", "sqlite:jobs.db"),
            ("sqlite:a?synchronous=off", "`full` or `normal`"),
            ("sqlite:a?mode=ro", "knows only `synchronous`"),
            ("mysql:a", "use sqlite:path"),
        ] {
            let error = Address::parse(url).unwrap_err();
            assert!(matches!(error, StoreError::Invalid(_)));
            assert!(error.to_string().contains(named), "{error}");
        }
    }
}
