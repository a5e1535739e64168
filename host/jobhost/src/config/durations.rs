//! Durations (`"90s"`, `"10m"`) and sizes (`"64MiB"`) as people write them,
//! in the configuration and on the command line. It knows no keys.

use std::time::Duration;

/// The longest duration that can be written anywhere.
pub(super) const LONGEST: Duration = Duration::from_hours(10 * 365 * 24);

/// Reads a duration of up to ten years: `90s`, `10m`, `1h 30m`, `30d`. A
/// number without unit is an error, except `0`.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let duration = humantime::parse_duration(text).map_err(|error| match error {
        humantime::DurationError::UnknownUnit { unit, value, .. } if unit.is_empty() => {
            format!("`{text}` has no unit; write \"{value}s\" or \"{value}m\"")
        }
        humantime::DurationError::UnknownUnit { unit, .. } => {
            format!("`{unit}` is not a unit of time; there are ms, s, m, h and d")
        }
        _ => format!("`{text}` is not a duration; write it as \"90s\", \"10m\" or \"1h 30m\""),
    })?;
    if duration > LONGEST {
        return Err(format!("`{text}` is longer than ten years"));
    }
    Ok(duration)
}

/// Reads a number of bytes: `512B`, `64KiB`, `64MiB`, `4GiB`; whole numbers only.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.trim_start() {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "" if !number.is_empty() => {
            return Err(format!("`{text}` has no unit; write \"{number}B\" or \"{number}MiB\""));
        }
        _ => {
            return Err(format!(
                "`{text}` is not a size; write a whole number with B, KiB, MiB or GiB, such as \"64MiB\""
            ));
        }
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(factor))
        .ok_or_else(|| format!("`{text}` is not a size; write it as \"64MiB\""))
}

/// A duration as it would be written in the configuration.
pub fn show_duration(duration: Duration) -> String {
    if duration.is_zero() {
        return "0".to_owned();
    }
    let seconds = duration.as_secs();
    if duration.subsec_nanos() == 0 {
        for (unit, name) in [(86_400, "d"), (3600, "h"), (60, "m")] {
            if seconds.is_multiple_of(unit) {
                return format!("{}{name}", seconds / unit);
            }
        }
        if seconds < 3600 {
            return format!("{seconds}s");
        }
    }
    humantime::format_duration(duration).to_string()
}

/// A size as it would be written in the configuration.
pub fn show_size(bytes: u64) -> String {
    for (shift, name) in [(30, "GiB"), (20, "MiB"), (10, "KiB")] {
        if bytes > 0 && bytes.trailing_zeros() >= shift {
            return format!("{}{name}", bytes >> shift);
        }
    }
    format!("{bytes}B")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, seconds) in [("90s", 90), ("10m", 600), ("1h 30m", 5400), ("30d", 2_592_000), ("0", 0)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)));
        }
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
    }

    #[test]
    fn a_wrong_duration_says_what_to_write() {
        for (text, part) in [
            ("600", "\"600s\""),
            ("5 lightyears", "`lightyears` is not a unit"),
            ("soon", "not a duration"),
            ("", "not a duration"),
            ("200years", "ten years"),
        ] {
            let message = parse_duration(text).unwrap_err();
            assert!(message.contains(part), "{text}: {message}");
        }
    }

    #[test]
    fn sizes_are_read_and_written_with_binary_units() {
        for (text, bytes) in [("64MiB", 64 << 20), ("1 KiB", 1024), ("7B", 7), ("4GiB", 4 << 30), ("0B", 0)] {
            assert_eq!(parse_size(text), Ok(bytes));
        }
        assert_eq!(show_size(64 << 20), "64MiB");
        assert_eq!(show_size(1000), "1000B");
        assert_eq!(show_size(0), "0B");
    }

    #[test]
    fn a_wrong_size_says_what_to_write() {
        for text in ["64", "64MB", "MiB", "-1MiB", "1.5MiB", "99999999999999GiB", ""] {
            let message = parse_size(text).unwrap_err();
            assert!(message.contains("MiB"), "{text}: {message}");
        }
    }

    #[test]
    fn a_shown_duration_reads_back() {
        for seconds in [0, 1, 25, 90, 600, 3600, 5400, 86_400, 2_592_000, 3601] {
            let duration = Duration::from_secs(seconds);
            assert_eq!(parse_duration(&show_duration(duration)), Ok(duration));
        }
    }
}
