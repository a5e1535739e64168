//! Which of a component's exports are ours, by name alone. A name that only looks like one of ours is an error: taken
//! for absent, it would be a hook that never fires.

/// The version of the plugin interface `jobhost:plugin` that this host speaks.
pub const VERSION: &str = "0.1.0";

const PACKAGE: &str = "jobhost:plugin";

/// The interface that holds only types; some toolchains export it along with those that use it.
const TYPES: &str = "types";

/// Names nearer than this to one of ours are taken for a slip of the pen.
const NEAR: f64 = 0.8;

/// The exported interfaces that the host knows of, in the order in which they are named to the user.
pub const INTERFACES: [&str; 7] =
    ["handler", "time-to-run", "retry-policy", "before-push", "before-exec", "after-exec", "after-error"];

/// Bytes of a name that might be one of ours, misspelt; comparing a longer one would take long.
const LONGEST: usize = 200;

/// Which interfaces of the plugin package a component exports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "one for each interface; they are independent")]
pub struct Exports {
    /// `execute`: the component is a handler.
    pub handler: bool,
    /// `get-ttr`.
    pub time_to_run: bool,
    /// `can-retry`.
    pub retry_policy: bool,
    /// The hook of that name.
    pub before_push: bool,
    /// The hook of that name.
    pub before_exec: bool,
    /// The hook of that name.
    pub after_exec: bool,
    /// The hook of that name.
    pub after_error: bool,
}

impl Exports {
    /// Whether the component has any of the four hooks.
    pub fn hook(self) -> bool {
        self.before_push || self.before_exec || self.after_exec || self.after_error
    }

    fn any(self) -> bool {
        self.handler || self.time_to_run || self.retry_policy || self.hook()
    }

    fn slot(&mut self, interface: &str) -> Option<&mut bool> {
        Some(match interface {
            "handler" => &mut self.handler,
            "time-to-run" => &mut self.time_to_run,
            "retry-policy" => &mut self.retry_policy,
            "before-push" => &mut self.before_push,
            "before-exec" => &mut self.before_exec,
            "after-exec" => &mut self.after_exec,
            "after-error" => &mut self.after_error,
            _ => return None,
        })
    }
}

/// The full name of one of our interfaces.
pub(crate) fn full(interface: &str) -> String {
    format!("{PACKAGE}/{interface}@{VERSION}")
}

/// Why a component's exports are not accepted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unrecognised {
    /// Nothing of ours, nor anything like it.
    Nothing { found: Vec<String> },
    /// Very much like one of ours.
    Nearly { found: String, why: String },
}

/// Finds our interfaces among the names of a component's exports.
pub(crate) fn recognise(names: &[String]) -> Result<Exports, Unrecognised> {
    let mut exports = Exports::default();
    for name in names {
        match interface_of(name) {
            Some(TYPES) => {}
            Some(interface) if exports.slot(interface).is_some() => {
                if let Some(slot) = exports.slot(interface) {
                    *slot = true;
                }
            }
            _ => {
                if let Some(why) = nearly(name) {
                    return Err(Unrecognised::Nearly { found: name.clone(), why });
                }
            }
        }
    }
    if exports.any() { Ok(exports) } else { Err(Unrecognised::Nothing { found: names.to_vec() }) }
}

/// The interface of our package that this name means, if its version is compatible with ours.
fn interface_of(name: &str) -> Option<&str> {
    let (path, version) = name.split_once('@')?;
    let interface = path.strip_prefix(PACKAGE)?.strip_prefix('/')?;
    compatible(version, VERSION).then_some(interface)
}

/// Versions meet if they agree up to the first number that is not zero, as the component model has it.
pub(crate) fn compatible(one: &str, other: &str) -> bool {
    one == other || track(one).is_some_and(|track_of_one| Some(track_of_one) == track(other))
}

/// None for versions that are compatible with themselves alone.
fn track(version: &str) -> Option<(u64, u64)> {
    if version.contains(['-', '+']) {
        return None;
    }
    let mut numbers = version.splitn(3, '.').map(str::parse::<u64>);
    match (numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?) {
        (0, 0, _) => None,
        (0, minor, _) => Some((0, minor)),
        (major, _, _) => Some((major, 0)),
    }
}

/// Why this name looks like a mistake for one of ours; none where it does not.
fn nearly(name: &str) -> Option<String> {
    if name.len() > LONGEST {
        return None;
    }
    let (path, version) = name.split_once('@').map_or((name, None), |(path, version)| (path, Some(version)));
    if let Some(interface) = path.strip_prefix(PACKAGE).and_then(|rest| rest.strip_prefix('/'))
        && INTERFACES.contains(&interface)
    {
        return Some(match version {
            Some(version) => format!(
                "it is of version {version} of {PACKAGE} and this host has {VERSION}; build the plugin against the WIT files of {VERSION}"
            ),
            None => format!("it has no version; the host looks for `{}`", full(interface)),
        });
    }
    let interface = path.rsplit('/').next().unwrap_or(path);
    let ours = path.starts_with("jobhost:");
    let (score, nearest) = INTERFACES
        .iter()
        .map(|known| {
            // A bare name is compared with the bare interface, a full one with both of its parts.
            let likeness = if path.contains('/') {
                strsim::jaro_winkler(path, &format!("{PACKAGE}/{known}")).min(strsim::jaro_winkler(interface, known))
            } else {
                strsim::jaro_winkler(interface, known)
            };
            (likeness, *known)
        })
        .max_by(|one, other| one.0.total_cmp(&other.0))?;
    if score >= NEAR {
        Some(format!("did you mean `{}`?", full(nearest)))
    } else if ours {
        Some(format!("{PACKAGE}@{VERSION} has no such interface to export; it has {}", INTERFACES.join(", ")))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recognised(names: &[&str]) -> Result<Exports, Unrecognised> {
        recognise(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
    }

    fn why(name: &str) -> String {
        match recognised(&[name, "jobhost:plugin/handler@0.1.0"]) {
            Err(Unrecognised::Nearly { found, why }) if found == name => why,
            other => panic!("{name}: {other:?}"),
        }
    }

    #[test]
    fn the_version_is_that_of_the_wit_files() {
        let package = format!("package {PACKAGE}@{VERSION};");
        for text in [include_str!("../../../wit/handler.wit"), include_str!("../../../wit/hooks.wit")] {
            assert!(text.starts_with(&package));
        }
    }

    #[test]
    fn exports_are_found_whatever_else_there_is() {
        let exports = recognised(&[
            "jobhost:plugin/handler@0.1.0",
            "jobhost:plugin/types@0.1.0",
            "jobhost:plugin/after-error@0.1.7",
            "wasi:cli/run@0.2.6",
            "my:thing/other@1.0.0",
            "memory",
        ]);
        assert_eq!(exports, Ok(Exports { handler: true, after_error: true, ..Exports::default() }));
    }

    #[test]
    fn what_only_looks_like_ours_is_never_taken_for_absent() {
        assert!(why("jobhost:plugin/after-exec@0.2.0").contains("version 0.2.0"));
        assert!(why("jobhost:plugin/after-exec@0.1.0-rc.1").contains("version 0.1.0-rc.1"));
        assert!(why("jobhost:plugin/after-exec").contains("no version"));
        assert_eq!(why("jobhost:plugins/after-exec@0.1.0"), "did you mean `jobhost:plugin/after-exec@0.1.0`?");
        assert_eq!(why("jobhots:plugin/after-exec@0.1.0"), "did you mean `jobhost:plugin/after-exec@0.1.0`?");
        assert_eq!(why("jobhost:plugin/handlr@0.1.0"), "did you mean `jobhost:plugin/handler@0.1.0`?");
        assert_eq!(why("handlr"), "did you mean `jobhost:plugin/handler@0.1.0`?");
        assert!(why("jobhost:plugin/cron@0.1.0").contains("no such interface"));
    }

    #[test]
    fn exports_of_others_are_listed_if_there_are_none_of_ours() {
        let found = vec!["wasi:cli/run@0.2.6".to_owned()];
        assert_eq!(recognised(&["wasi:cli/run@0.2.6"]), Err(Unrecognised::Nothing { found }));
        assert_eq!(recognised(&[]), Err(Unrecognised::Nothing { found: Vec::new() }));
    }
}
