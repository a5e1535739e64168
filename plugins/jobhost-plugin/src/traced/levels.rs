//! Which events are wanted, as `RUST_LOG` says it.

use tracing_core::{Level, LevelFilter};

/// Of targets that nothing is said about.
const USUAL: LevelFilter = LevelFilter::INFO;

/// A level for each target, and one for the others.
#[derive(Debug)]
pub(super) struct Levels {
    others: LevelFilter,
    /// Those that say more come first.
    targets: Vec<(String, LevelFilter)>,
}

impl Levels {
    /// Reads `LEVEL,TARGET=LEVEL,…`, and returns the parts that are neither.
    pub(super) fn read(text: &str) -> (Self, Vec<String>) {
        let mut levels = Self { others: USUAL, targets: Vec::new() };
        let mut wrong = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            match part.split_once('=') {
                None => match part.parse() {
                    Ok(level) => levels.others = level,
                    Err(_) => wrong.push(part.to_owned()),
                },
                Some((target, level)) => match level.trim().parse() {
                    Ok(level) => levels.targets.push((target.trim().to_owned(), level)),
                    Err(_) => wrong.push(part.to_owned()),
                },
            }
        }
        levels.targets.sort_by_key(|(target, _)| std::cmp::Reverse(target.len()));
        (levels, wrong)
    }

    pub(super) fn wants(&self, target: &str, level: Level) -> bool {
        let said = self.targets.iter().find(|(prefix, _)| target.starts_with(prefix.as_str()));
        level <= said.map_or(self.others, |(_, level)| *level)
    }

    /// The most that any target may say.
    pub(super) fn most(&self) -> LevelFilter {
        self.targets.iter().map(|(_, level)| *level).fold(self.others, Ord::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_that_says_most_decides() {
        let (levels, wrong) = Levels::read(" warn, a::b=trace ,a=off");
        assert!(wrong.is_empty(), "{wrong:?}");
        for (target, level, wanted) in [
            ("x", Level::WARN, true),
            ("x", Level::INFO, false),
            ("a", Level::ERROR, false),
            ("a::c", Level::ERROR, false),
            ("a::b", Level::TRACE, true),
            ("a::b::c", Level::TRACE, true),
        ] {
            assert_eq!(levels.wants(target, level), wanted, "{target} {level}");
        }
        assert_eq!(levels.most(), LevelFilter::TRACE);
    }

    #[test]
    fn what_cannot_be_read_is_told_and_the_rest_holds() {
        let (levels, wrong) = Levels::read("loud,a=3x,debug");
        assert_eq!(wrong, ["loud", "a=3x"]);
        assert_eq!(levels.most(), LevelFilter::DEBUG);
        assert_eq!(Levels::read("").0.most(), LevelFilter::INFO);
    }
}
