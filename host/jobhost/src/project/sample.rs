//! The jobs beside a plugin, `*.job.json`: what a file says, and what is compared with it. How a job is run is in
//! `cli/plugin/test`.

mod called;
mod observed;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jobhost_runtime::Grants;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

pub use self::called::{Cause, CauseKind, HookCall, Question};
pub use self::observed::{Ending, Failure, Line, Observed, Progress, Push};
use super::grants;
use crate::config::{ConfigError, Place, Problem, parse_duration};

/// How the files' names end.
pub const SUFFIX: &str = ".job.json";
/// Files that are read of a folder.
const MOST: usize = 1000;
/// Bytes of a file: a payload, an output and pushes of the largest size that is usual.
const LONGEST: u64 = 8 << 20;
/// Some editors write it; JSON has none.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// As long as nobody waits for a test.
const LONGEST_TTR: Duration = Duration::from_hours(24);

/// A job to try a plugin with, and what is expected of it.
#[derive(Debug)]
pub struct Sample {
    /// Where it is written.
    pub path: PathBuf,
    /// The file's text, for an update.
    pub text: String,
    /// What it says.
    pub job: SampleJob,
    /// What the plugin is granted instead of what the configuration says.
    pub grants: Option<Grants>,
    /// The time to run, if it says one.
    pub ttr: Option<Duration>,
}

/// What a file says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with a job")]
pub struct SampleJob {
    /// The job's name; default: the plugin's.
    pub name: Option<String>,
    /// The payload; default: `{}`.
    #[serde(default)]
    pub payload: Map<String, Value>,
    /// The queue; default: the first of the configuration.
    pub queue: Option<String>,
    /// Counted from 1, the default.
    pub attempt: Option<u32>,
    /// None by default.
    pub max_attempts: Option<u32>,
    /// The time to run, such as "10s"; default: that of the queue.
    ttr: Option<String>,
    /// Kept beside the payload.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// As in `[plugins.NAME.grants]`; read for itself.
    #[expect(dead_code, reason = "it only says that the key is known")]
    grants: Option<IgnoredAny>,
    /// Which hook is called; default: the handler runs the job.
    pub hook: Option<HookCall>,
    /// What the job's plugin is asked instead.
    pub ask: Option<Question>,
    /// What is compared; default: that it is done.
    #[serde(default)]
    pub expect: Observed,
}

/// Values of a file whose place is told where they are wrong.
#[derive(Deserialize)]
struct Places<'a> {
    #[serde(borrow)]
    attempt: Option<&'a RawValue>,
    #[serde(borrow)]
    ttr: Option<&'a RawValue>,
    #[serde(borrow)]
    grants: Option<&'a RawValue>,
    #[serde(borrow)]
    ask: Option<&'a RawValue>,
    #[serde(borrow)]
    expect: Option<&'a RawValue>,
}

/// Every sample of a folder, by name; all problems at once. No sample is no error.
pub fn read_all(folder: &Path) -> Result<Vec<Sample>, ConfigError> {
    let wrong = |message: String| ConfigError::one(Place::option(&folder.display().to_string()), message);
    let entries = fs::read_dir(folder).map_err(|error| wrong(format!("the folder cannot be read: {error}")))?;
    // What is hidden is nobody's: editors lock a file by a link of such a name, and copies of files leave what else was known
    // of them.
    let is_sample = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.ends_with(SUFFIX) && !name.starts_with('.')
    };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).filter(is_sample).collect();
    if paths.len() > MOST {
        return Err(wrong(format!("it has {} files *{SUFFIX}, at most {MOST} are read", paths.len())));
    }
    paths.sort();
    let (mut samples, mut problems) = (Vec::new(), Vec::new());
    for path in paths {
        match read(&path) {
            Ok(sample) => samples.push(sample),
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() { Ok(samples) } else { Err(ConfigError { problems }) }
}

fn read(path: &Path) -> Result<Sample, Vec<Problem>> {
    let problem = |line, column, message: String| {
        vec![Problem { place: Place { source: path.display().to_string(), line, column }, message }]
    };
    let text = read_text(path).map_err(|why| problem(None, None, why))?;
    let broken = |error: serde_json::Error| {
        let message = error.to_string();
        let message = message.split(" at line ").next().unwrap_or_default().to_owned();
        problem(Some(error.line()), Some(error.column().max(1)), message)
    };
    let job: SampleJob = serde_json::from_str(&text).map_err(broken)?;
    let places: Places<'_> = serde_json::from_str(&text).map_err(broken)?;
    let mut problems = Vec::new();
    let mut note = |value: Option<&RawValue>, message: String| {
        // The value is a part of the text.
        let at = value.map_or(0, |value| value.get().as_ptr().addr().saturating_sub(text.as_ptr().addr()));
        let before = text.get(..at).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.matches('\n').count() + 1;
        problems.extend(problem(Some(line), Some(before[line_start..].chars().count() + 1), message));
    };
    if job.attempt == Some(0) {
        note(places.attempt, "attempt: attempts are counted from 1".to_owned());
    }
    if job.hook.is_some() && job.ask.is_some() {
        note(places.ask, "ask: a sample makes one call, and this one has a `hook`".to_owned());
    }
    // A list would be taken for the values in their order.
    if places.expect.is_some_and(|expect| expect.get().starts_with('[')) {
        note(places.expect, "expect: it is an object, such as {\"outcome\": \"done\"}".to_owned());
    }
    let ttr = job.ttr.as_deref().map(parse_duration).transpose().unwrap_or_else(|why| {
        note(places.ttr, format!("ttr: {why}"));
        None
    });
    if ttr.is_some_and(|ttr| ttr.is_zero() || ttr > LONGEST_TTR) {
        note(places.ttr, "ttr: it goes from 1ms to 24h".to_owned());
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    let grants = places.grants.map(|json| grants::read(json.get(), folder)).transpose().unwrap_or_else(|why| {
        for why in why {
            note(places.grants, why);
        }
        None
    });
    if problems.is_empty() { Ok(Sample { path: path.to_owned(), text, job, grants, ttr }) } else { Err(problems) }
}

fn read_text(path: &Path) -> Result<String, String> {
    let unreadable = |error: std::io::Error| format!("the job cannot be read: {error}");
    // Anything else might be waited for without end.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err("the job is not a regular file".to_owned());
    }
    let mut bytes = Vec::new();
    File::open(path).map_err(unreadable)?.take(LONGEST + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LONGEST {
        return Err(format!("the job has more than {LONGEST} bytes; let the plugin read large data elsewhere"));
    }
    if bytes.starts_with(BYTE_ORDER_MARK) {
        return Err("the job begins with a byte order mark; save it as UTF-8 without one".to_owned());
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        format!("the job is not UTF-8 text, first at byte {at}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text_of(text: &str) -> Result<Sample, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.job.json");
        fs::write(&path, text).unwrap();
        let shorten = |problem: &Problem| problem.to_string().replace(&format!("{}/", folder.path().display()), "");
        read(&path).map_err(|problems| problems.iter().map(shorten).collect::<Vec<_>>().join("\n"))
    }

    #[test]
    fn all_that_a_sample_may_say_is_read() {
        let sample = read_text_of(
            r#"{"name": "a", "payload": {"n": 1.0}, "queue": "q", "attempt": 2, "max_attempts": 3, "ttr": "2s",
                "metadata": {"tenant": "7"}, "grants": {"queues": ["q"], "random": {"seed": 7}},
                "expect": {"outcome": "retry-after", "error": {"code": "c", "after_ms": 5}, "pushes": [], "logs": []}}"#,
        )
        .unwrap();
        assert_eq!(sample.ttr, Some(Duration::from_secs(2)));
        assert_eq!(sample.grants.unwrap().queues, ["q"]);
        assert_eq!(sample.job.expect.outcome, Some(Ending::RetryAfter));
    }

    #[test]
    fn what_is_no_regular_file_is_told_and_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.job.json");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(read_text(&path).unwrap_err(), "the job is not a regular file");
    }

    #[test]
    fn what_a_sample_says_wrongly_is_told_with_file_line_and_column() {
        for (text, expected) in [
            ("{\n  \"paylod\": {}}", "a.job.json:2:10: unknown field `paylod`"),
            ("{\"expect\": {\n\"outcom\": \"done\"}}", "a.job.json:2:8: unknown field `outcom`"),
            ("{\"expect\": {\"outcome\": \"fine\"}}", "unknown variant `fine`, expected one of `done`, `temporary`"),
            ("\u{feff}{}", "a.job.json: the job begins with a byte order mark"),
            ("[]", "expected an object with a job"),
            ("{\"expect\": []}", "a.job.json:1:12: expect: it is an object"),
            ("{\"expect\": null}", "a.job.json:1:15: invalid type: null, expected an object with what is expected"),
            (
                "{\"expect\": {\"error\": null}}",
                "invalid type: null, expected an object with what is expected of the error",
            ),
            ("{\"expect\": {\"pushes\": null}}", "invalid type: null, expected a sequence"),
            ("{\"payload\": [1]}", "a.job.json:1:12: invalid type: sequence, expected a map"),
            ("{", "a.job.json:1:1: EOF"),
            ("{}{}", "a.job.json:1:3: trailing characters"),
            ("{\n \"attempt\": 0}", "a.job.json:2:13: attempt: attempts are counted from 1"),
            (
                "{\"hook\": {\"before_exec\": {}},\n\"ask\": {\"get_ttr\": {}}}",
                "a.job.json:2:8: ask: a sample makes one call",
            ),
            ("{\"hook\": {\"before_push\": {\"delay\": 1}}}", "unknown field `delay`, expected `delay_ms`"),
            ("{\"ask\": {\"ttr\": {}}}", "unknown variant `ttr`, expected `get_ttr` or `can_retry`"),
            ("{\"ttr\": \"5\"}", "a.job.json:1:9: ttr: `5` has no unit"),
            ("{\"ttr\": \"25h\"}", "a.job.json:1:9: ttr: it goes"),
            (
                "{\n\n\"grants\": {\"queus\": []}}",
                "a.job.json:3:11: unknown key `grants.queus`; did you mean `queues`?",
            ),
            ("{\"grants\": {\"fs\": [{\"host\": \"a\", \"guest\": \"/a\", \"mode\": \"x\"}]}}", "grants.fs[0].mode"),
            ("{\"grants\": {\"queues\": null}}", "a.job.json:1:12: grants"),
        ] {
            let error = read_text_of(text).expect_err(text);
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn a_sample_that_is_too_long_is_refused() {
        let long = " ".repeat(usize::try_from(LONGEST).unwrap() + 1);
        assert!(read_text_of(&long).unwrap_err().contains("more than 8388608 bytes"));
    }
}
