//! Names for published files: `/YYYY/MM/DD/<unix seconds.fraction>.<random>.<ext>`.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use jobhost_plugin::JobError;

/// A name that no other file has, for a copy of `source`, made of the present
/// time (UTC) and 64 random bits.
pub(crate) fn fresh(source: &str) -> Result<String, JobError> {
    let random = getrandom::u64()
        .map_err(|error| JobError::temporary("no-randomness", format!("cannot name a file: {error}")))?;
    Ok(name(Timestamp::now(), random, source))
}

fn name(now: Timestamp, random: u64, source: &str) -> String {
    let day = now.to_zoned(TimeZone::UTC).strftime("%Y/%m/%d").to_string();
    let (seconds, micros) = (now.as_second(), now.subsec_microsecond());
    let extension = extension(source);
    format!("/{day}/{seconds}.{micros:06}.{random:016x}.{extension}")
}

/// The source's own extension in lower case if it is 1 to 8 ASCII letters and
/// digits, else `bin`: a web server chooses the content type by it.
fn extension(source: &str) -> String {
    let file = source.rsplit('/').next().unwrap_or(source);
    match file.rsplit_once('.') {
        Some((stem, extension))
            if !stem.is_empty()
                && (1..=8).contains(&extension.len())
                && extension.bytes().all(|byte| byte.is_ascii_alphanumeric()) =>
        {
            extension.to_ascii_lowercase()
        }
        _ => "bin".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_holds_day_time_random_and_extension() {
        let now = "2026-02-28T23:59:59.0000425Z".parse().unwrap();
        assert_eq!(name(now, 0xab, "a/Sea View.PNG"), "/2026/02/28/1772323199.000042.00000000000000ab.png");
    }

    #[test]
    fn only_short_plain_extensions_are_taken_over() {
        for (source, expected) in [
            ("a.tar.gz", "gz"),
            ("a.b/c", "bin"),
            (".png", "bin"),
            ("a.", "bin"),
            ("a.p g", "bin"),
            ("a.пнг", "bin"),
            ("a.averylongone", "bin"),
        ] {
            assert_eq!(extension(source), expected, "{source}");
        }
    }

    #[test]
    fn two_names_of_one_moment_differ() {
        assert_ne!(fresh("a.png").unwrap(), fresh("a.png").unwrap());
    }
}
