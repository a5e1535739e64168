//! Whether a path lies below a granted one, whatever a server behind it may make of dots, slashes and escapes.

use std::borrow::Cow;

/// How often a path is unescaped to see what might be in it. Some servers do so twice.
const ROUNDS: usize = 4;

/// Whether `path` is `granted` or below it, in whole segments. Below `/` is everything; below anything else only a
/// plain path is, see [`problem`].
pub(super) fn within(granted: &str, path: &str) -> bool {
    if granted == "/" {
        return path.starts_with('/');
    }
    let below = match path.strip_prefix(granted) {
        Some(rest) => rest.is_empty() || granted.ends_with('/') || rest.starts_with('/'),
        None => false,
    };
    below && problem(path).is_none()
}

/// Why a path could be taken for another one, by this or another reader; none if it could not.
pub(super) fn problem(path: &str) -> Option<&'static str> {
    let mut seen: Cow<'_, [u8]> = Cow::Borrowed(path.as_bytes());
    for _ in 0..ROUNDS {
        if let Some(problem) = segments_problem(&seen) {
            return Some(problem);
        }
        let unescaped = unescape(&seen);
        if unescaped == *seen {
            return None;
        }
        seen = Cow::Owned(unescaped);
    }
    Some("is escaped again and again")
}

fn segments_problem(path: &[u8]) -> Option<&'static str> {
    let Some((b'/', rest)) = path.split_first() else {
        return Some("does not begin with `/`");
    };
    let mut segments = rest.split(|byte| matches!(byte, b'/' | b'\\')).peekable();
    while let Some(segment) = segments.next() {
        // Some servers take what follows a semicolon away before they look at the dots. Those that unescape a path and hand
        // it on make a question mark or a hash the end of it.
        let name = segment.split(|byte| matches!(byte, b';' | b'?' | b'#')).next().unwrap_or_default();
        if name == b"." || name == b".." {
            return Some("has a segment `.` or `..`");
        }
        if segment.is_empty() && segments.peek().is_some() {
            return Some("has an empty segment");
        }
        if segment.windows(2).any(|bytes| matches!(bytes, [0xc0, 0xae | 0xaf] | [0xc1, 0x9c])) {
            return Some("has an overlong dot or slash");
        }
        if segment.iter().any(u8::is_ascii_control) {
            return Some("has a control character");
        }
    }
    None
}

/// Takes one layer of `%xx` away. What is no escape stays as it is.
fn unescape(path: &[u8]) -> Vec<u8> {
    let digit =
        |at: usize| path.get(at).and_then(|byte| char::from(*byte).to_digit(16)).and_then(|d| u8::try_from(d).ok());
    let mut plain = Vec::with_capacity(path.len());
    let mut at = 0;
    while let Some(byte) = path.get(at) {
        let escaped = if *byte == b'%' { digit(at + 1).zip(digit(at + 2)) } else { None };
        plain.push(escaped.map_or(*byte, |(high, low)| high << 4 | low));
        at += if escaped.is_some() { 3 } else { 1 };
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_granted_path_covers_whole_segments() {
        for (granted, path) in [
            ("/", "/"),
            ("/", "/v1/../v2//x"),
            ("/v1", "/v1"),
            ("/v1", "/v1/"),
            ("/v1", "/v1/items/7"),
            ("/v1/", "/v1/"),
            ("/v1/", "/v1/items"),
            ("/v1/items", "/v1/items/a%20b/100%25/c%2Fd"),
            ("/v1", "/v1/..hidden/...x"),
        ] {
            assert!(within(granted, path), "{granted} {path}");
        }
        for (granted, path) in [
            ("/v1", "/v10"),
            ("/v1/", "/v1"),
            ("/v1/", "/v10/"),
            ("/v1", "/V1/items"),
            ("/v1", "/v2"),
            ("/v1", "/"),
            ("/v1", "//v1/items"),
            ("/v1", "/%76%31/items"),
        ] {
            assert!(!within(granted, path), "{granted} {path}");
        }
    }

    #[test]
    fn no_spelling_of_dots_and_slashes_climbs_out() {
        for path in [
            "/v1/../admin",
            "/v1/..",
            "/v1/./admin",
            "/v1/%2e%2e/admin",
            "/v1/%2E%2e/admin",
            "/v1/.%2e/admin",
            "/v1/..%2fadmin",
            "/v1/..%5cadmin",
            "/v1/%2e%2e%2fadmin",
            "/v1/%252e%252e/admin",
            "/v1/%25252e%25252e%25252fadmin",
            "/v1/..;/admin",
            "/v1/..;a=b/admin",
            "/v1/%2e%2e%3b/admin",
            "/v1/..%3fx",
            "/v1/..%23x",
            "/v1/%252e%252e%253fx",
            "/v1/%c0%ae%c0%ae/admin",
            "/v1/..%c0%afadmin",
            "/v1/..%c1%9cadmin",
            "/v1/..\\admin",
            "/v1//admin",
            "/v1/%2f/admin",
            "/v1/a%00b",
            "/v1/%2525252525252e",
        ] {
            assert!(!within("/v1", path), "{path}");
            assert!(!within("/v1/", path), "{path}");
        }
    }
}
