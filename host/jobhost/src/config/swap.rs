//! The keys below `[plugins.NAME.swap]`: how a new version of a plugin comes in force.

use std::time::Duration;

use jobhost_queue::Terms;
use toml::de::DeValue;

use super::section::{Section, choice, duration, found, text};
use super::{SwapConfig, UpgradeGrants};

/// A share of 100 %, in millionths.
const WHOLE: u64 = 1_000_000;
/// A factor of 1, in thousandths, and the greatest.
const FACTORS: (u64, u64) = (1_000, 1_000_000);
/// How long a trial may be planned to last; it may be extended tenfold.
const LENGTHS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_hours(30 * 24));

pub(super) fn read_swap(mut section: Section<'_, '_>) -> SwapConfig {
    let canary = section.read("canary", share);
    let (shortest, longest) = LENGTHS;
    let length = section.read("for", duration(shortest..=longest, "10m"));
    let factor = section.read("max-failures", factor);
    let grants = section.read("grants", choice(&[("any", UpgradeGrants::Any), ("frozen", UpgradeGrants::Frozen)]));
    let has = |key: &str| section.at_key(key) != section.at;
    for key in ["for", "max-failures"] {
        if has(key) && !has("canary") {
            let message = format!("`{key}` says nothing without `canary`; add canary = \"5%\", or remove it");
            section.note(section.at_key(key), message);
        }
    }
    section.finish();
    let terms = |share| Terms {
        share,
        length: millis(length.unwrap_or(Duration::from_mins(10))),
        factor: factor.unwrap_or(2_000),
    };
    SwapConfig { canary: canary.map(terms), grants: grants.unwrap_or_default() }
}

/// A share in millionths as it would be written.
pub fn show_share(share: u32) -> String {
    format!("{}%", shown(share.into(), 4))
}

/// A factor in thousandths as it would be written.
pub fn show_factor(factor: u32) -> String {
    format!("{}x", shown(factor.into(), 3))
}

fn share(value: &DeValue<'_>) -> Result<u32, String> {
    let written = text("\"5%\"")(value)?;
    let millionths = written.strip_suffix('%').and_then(|number| decimal(number.trim_end(), 4));
    millionths.filter(|share| (1..=WHOLE).contains(share)).and_then(|share| u32::try_from(share).ok()).ok_or_else(|| {
        format!(
            "expected a share of the jobs over 0% and up to 100%, with at most 4 decimals, such as \"5%\", found {}",
            found(value)
        )
    })
}

fn factor(value: &DeValue<'_>) -> Result<u32, String> {
    let written = text("\"2x\"")(value)?;
    let thousandths = written.strip_suffix('x').and_then(|number| decimal(number.trim_end(), 3));
    let (least, most) = FACTORS;
    let right = thousandths.filter(|factor| (least..=most).contains(factor));
    right.and_then(|factor| u32::try_from(factor).ok()).ok_or_else(|| {
        format!(
            "expected how many times the failures of the old version the new one may have, 1x to 1000x, with at most 3 decimals, such as \"2x\", found {}",
            found(value)
        )
    })
}

/// A number with at most so many decimals, in units of the last one.
fn decimal(text: &str, places: usize) -> Option<u64> {
    let (whole, rest) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| (1..=9).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(rest) || rest.len() > places {
        return None;
    }
    format!("{whole}{rest:0<places$}").parse().ok()
}

/// The same as text, without needless zeros.
fn shown(units: u64, places: u32) -> String {
    let unit = 10_u64.pow(places);
    let rest = format!("{:0width$}", units % unit, width = places as usize);
    let number = format!("{}.{rest}", units / unit);
    number.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_factors_are_shown_as_they_are_written() {
        for (text, places, units) in [
            ("5", 4, 50_000),
            ("0.5", 4, 5_000),
            ("0.0001", 4, 1),
            ("100", 4, 1_000_000),
            ("33.33", 4, 333_300),
            ("2", 3, 2_000),
            ("1.25", 3, 1_250),
        ] {
            assert_eq!(decimal(text, places), Some(units), "{text}");
            assert_eq!(shown(units, u32::try_from(places).unwrap()), text);
        }
        for text in ["", ".5", "5.", "-1", "1e3", "0.00001", "1.2.3", "1234567890"] {
            assert_eq!(decimal(text, 4), None, "{text}");
        }
        assert_eq!((show_share(5_000), show_factor(1_500)), ("0.5%".into(), "1.5x".into()));
    }
}
