//! Comparing text that is not the same twice, and waiting for what no event tells.

use std::time::{Duration, Instant};

/// How long a test waits for what must come: so long that only what never comes is missed, however busy the machine.
pub const PATIENCE: Duration = Duration::from_mins(2);

/// Whether `text` is `pattern`, in which each `…` stands for anything, also for nothing.
pub fn matches(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('…');
    let Some(mut rest) = text.strip_prefix(pieces.next().unwrap_or_default()) else {
        return false;
    };
    let Some(end) = pieces.next_back() else {
        return rest.is_empty();
    };
    for piece in pieces {
        match rest.split_once(piece) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(end)
}

/// The text with a 0 for every digit: the form of times and durations.
pub fn digits_as_zeros(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect()
}

/// Looks until there is something, for things that no event tells of; gives up
/// after `most` and says what it last saw.
#[track_caller]
pub fn wait_until<T, S: std::fmt::Debug>(what: &str, most: Duration, mut look: impl FnMut() -> Result<T, S>) -> T {
    let began = Instant::now();
    loop {
        match look() {
            Ok(found) => return found,
            Err(seen) if began.elapsed() > most => panic!("{what} did not come within {most:?}; last seen: {seen:?}"),
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ellipsis_stands_for_anything_and_everything_else_for_itself() {
        for (pattern, text, expected) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("", "", true),
            ("…", "", true),
            ("…", "täglich", true),
            ("a…c", "abbbc", true),
            ("a…c", "ac", true),
            ("a…c", "acd", false),
            ("a…b…c", "a b b c", true),
            ("a…b…c", "a c", false),
            ("a…b…c", "a c b", false),
            ("ab…bc", "abc", false),
            ("a…", "ab\nc", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}
