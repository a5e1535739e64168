//! From an asset's URL to its path under the storage folder. It asks no server
//! and resolves no host: all hosts of a source serve the same storage.

use std::fmt;

use percent_encoding::percent_decode_str;

/// The longest URL, in bytes.
const MAX_LENGTH: usize = 8192;

/// The path of the URL, decoded, relative, without anything that could leave
/// the folder it is joined to.
///
/// Takes `http` and `https` URLs and bare paths. Query and fragment are
/// dropped. Characters that a URL should have encoded are taken as they are.
pub(crate) fn storage_path(url: &str) -> Result<String, UrlError<'_>> {
    let refuse = |reason| UrlError { url, reason };
    if url.len() > MAX_LENGTH {
        return Err(refuse("it is too long"));
    }
    let path = path_of(url).ok_or(refuse("it is neither an http(s) URL nor a path"))?;
    let path = path.split(['?', '#']).next().unwrap_or_default();
    if path.ends_with('/') {
        return Err(refuse("it names a folder, not a file"));
    }
    let mut segments = Vec::new();
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        let segment = percent_decode_str(segment).decode_utf8().map_err(|_| refuse("its path is not UTF-8"))?;
        if matches!(&*segment, "." | "..") {
            return Err(refuse("its path has a segment `.` or `..`"));
        }
        if segment.contains(['/', '\\', '\0']) {
            return Err(refuse("its path has an encoded slash, a backslash or a NUL"));
        }
        segments.push(segment);
    }
    if segments.is_empty() {
        return Err(refuse("it has no path"));
    }
    Ok(segments.join("/"))
}

/// What follows the authority.
fn path_of(url: &str) -> Option<&str> {
    if url.starts_with('/') && !url.starts_with("//") {
        return Some(url);
    }
    let (scheme, rest) = url.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return None;
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    (end > 0).then(|| &rest[end..])
}

/// A URL without a usable path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct UrlError<'a> {
    url: &'a str,
    reason: &'static str,
}

impl fmt::Display for UrlError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: String = self.url.chars().take(200).collect();
        write!(f, "absolute_url `{shown}` cannot be used: {}", self.reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_is_what_follows_the_host_decoded() {
        for (url, path) in [
            ("http://s.example/a/b.png", "a/b.png"),
            ("HTTPS://s.example:8080/a//b.png?x=/y#z", "a/b.png"),
            ("/a/b.png", "a/b.png"),
            ("http://s.example/a%20b/%D0%B2%D1%96.mp4", "a b/ві.mp4"),
            ("http://s.example/довга назва.mp4", "довга назва.mp4"),
            ("http://s.example/100%.png", "100%.png"),
            ("http://s.example/..a/b..png", "..a/b..png"),
        ] {
            assert_eq!(storage_path(url).as_deref(), Ok(path), "{url}");
        }
    }

    #[test]
    fn nothing_leads_out_of_the_storage() {
        for url in [
            "http://s.example/../b.png",
            "http://s.example/a/%2e%2E/b.png",
            "http://s.example/a/./b.png",
            "http://s.example/a%2F..%2Fb.png",
            "http://s.example/a\\..\\b.png",
            "http://s.example/a%00.png",
            "http://s.example/%ff.png",
            "file:///etc/passwd",
            "//s.example/a.png",
            "a/b.png",
            "http:///a.png",
            "http://s.example",
            "http://s.example/?a.png",
            "http://s.example/a/",
            "",
        ] {
            assert!(storage_path(url).is_err(), "{url}");
        }
        assert!(storage_path(&format!("/{}", "a".repeat(9000))).is_err());
    }

    #[test]
    fn a_refusal_names_the_url_and_the_reason() {
        assert_eq!(
            storage_path("ftp://s.example/a").unwrap_err().to_string(),
            "absolute_url `ftp://s.example/a` cannot be used: it is neither an http(s) URL nor a path"
        );
    }
}
