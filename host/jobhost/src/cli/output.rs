//! How commands print: text or one JSON document to stdout, colours where
//! they are wanted, a closed pipe as a quiet end. Nothing else writes there.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use jobhost_queue::UnixMillis;
use serde::Serialize;

use super::args::{ColorWhen, GlobalArgs};
use crate::exit::CliError;

/// Standard output, as the options want it.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    json: bool,
    paint: Paint,
}

impl Output {
    /// By the options, the environment and whether stdout is a terminal.
    pub fn new(global: &GlobalArgs) -> Self {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { json: global.json, paint: Paint::new(global.color, no_color, io::stdout().is_terminal()) }
    }

    /// Prints one of the two forms of an answer.
    pub fn answer(&self, document: &impl Serialize, text: impl FnOnce(&Paint) -> String) -> Result<(), CliError> {
        if self.json { self.document(document) } else { self.text(&text(&self.paint)) }
    }

    /// Prints a JSON document and ends its line.
    pub fn document(&self, document: &impl Serialize) -> Result<(), CliError> {
        let mut json = serde_json::to_string(document)
            .map_err(|error| CliError::Bug(format!("the answer cannot be written: {error}")))?;
        json.push('\n');
        self.text(&json)
    }

    /// Prints text as it is.
    pub fn text(&self, text: &str) -> Result<(), CliError> {
        let mut stdout = io::stdout().lock();
        stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.flush())
            .map_err(|error| CliError::Stream { what: "standard output".to_owned(), error })
    }

    /// Whether JSON is wanted.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// The colours of stdout.
    pub fn paint(&self) -> Paint {
        self.paint
    }
}

/// Tells why the command ended; what cannot be written is dropped.
pub fn complain(message: &str) {
    let mut text = String::new();
    for (index, line) in message.lines().enumerate() {
        let _ = writeln!(text, "{}{line}", if index == 0 { "jobhost: " } else { "" });
    }
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Tells that a plugin is about to be compiled, where it is so large that somebody may wonder what takes so long.
pub fn compiling(plugin: &str, bytes: u64) {
    const LARGE: u64 = 1 << 20;
    if bytes >= LARGE {
        complain(&format!("compiling {plugin} ({}) for this machine", human_bytes(bytes)));
    }
}

/// Asks a question, on stderr so that it is seen when stdout is a file.
pub(super) fn ask(question: &str) {
    let _ = io::stderr().lock().write_all(question.as_bytes());
}

/// Colours, or none.
#[derive(Clone, Copy, Debug)]
pub struct Paint {
    on: bool,
}

impl Paint {
    pub(super) fn new(when: ColorWhen, no_color: bool, terminal: bool) -> Self {
        let on = match when {
            ColorWhen::Always => true,
            ColorWhen::Never => false,
            ColorWhen::Auto => terminal && !no_color,
        };
        Self { on }
    }

    /// A heading, or what went well.
    pub fn good(self, text: &str) -> String {
        self.wrap("32", text)
    }

    /// A label, a date or a duration.
    pub fn label(self, text: &str) -> String {
        self.wrap("33", text)
    }

    /// What went wrong.
    pub fn bad(self, text: &str) -> String {
        self.wrap("31", text)
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.on && !text.is_empty() { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// Text of jobs and plugins, made harmless for a terminal: control characters
/// other than line feed and tab are written as escapes.
pub fn harmless(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() && c != '\n' && c != '\t' {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// The same on one line.
pub fn harmless_line(text: &str) -> String {
    harmless(text).replace(['\n', '\t'], " ")
}

/// A time as yii2 prints it, in the zone of this machine: `2026-11-22 17:23:54`.
pub fn local_time(at: UnixMillis) -> String {
    time_in(at, TimeZone::system())
}

fn time_in(at: UnixMillis, zone: TimeZone) -> String {
    i64::try_from(at)
        .ok()
        .and_then(|at| Timestamp::from_millisecond(at).ok())
        .map_or_else(|| format!("{at} ms"), |at| at.to_zoned(zone).strftime("%Y-%m-%d %H:%M:%S").to_string())
}

/// A duration for people: `249 ms`, `2.5 s`, `3 min 20 s`, `4 h 5 min`.
pub fn human_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 if duration.as_micros() < 1000 => format!("{} µs", duration.as_micros()),
        0 => format!("{} ms", duration.as_millis()),
        1..60 => format!("{seconds}.{} s", duration.subsec_millis() / 100),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// A large number for people, its digits in groups: `1,250,000`.
pub fn human_count(count: u64) -> String {
    let digits = count.to_string();
    let mut shown = String::new();
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// A number of bytes for people: `512 B`, `1.5 KiB`, `128.0 MiB`.
pub fn human_bytes(bytes: u64) -> String {
    for (shift, unit) in [(30, "GiB"), (20, "MiB"), (10, "KiB")] {
        let one = 1_u64 << shift;
        if bytes >= one {
            let tenths = bytes % one * 10 / one;
            return format!("{}.{tenths} {unit}", bytes / one);
        }
    }
    format!("{bytes} B")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_written_on_a_terminal_only_unless_they_are_forced() {
        let on = |when, no_color, terminal| Paint::new(when, no_color, terminal).on;
        assert!(on(ColorWhen::Auto, false, true));
        assert!(!on(ColorWhen::Auto, false, false));
        assert!(!on(ColorWhen::Auto, true, true));
        assert!(on(ColorWhen::Always, true, false));
        assert!(!on(ColorWhen::Never, false, true));
    }

    #[test]
    fn a_jobs_text_cannot_steer_the_terminal() {
        assert_eq!(harmless("a\u{1b}[2Jb\u{7f}\n\tc"), "a\\u{1b}[2Jb\\u{7f}\n\tc");
        assert_eq!(harmless("é 😀"), "é 😀");
        assert_eq!(harmless_line("a\nb\tc\r"), "a b c\\r");
    }

    #[test]
    fn times_are_printed_like_yii2_prints_them() {
        assert_eq!(time_in(1_795_368_234_567, TimeZone::UTC), "2026-11-22 17:23:54");
        assert_eq!(time_in(UnixMillis::MAX, TimeZone::UTC), "18446744073709551615 ms");
    }

    #[test]
    fn durations_and_sizes_are_printed_for_people() {
        assert_eq!(human_duration(Duration::from_micros(7)), "7 µs");
        assert_eq!(human_duration(Duration::from_millis(249)), "249 ms");
        assert_eq!(human_duration(Duration::from_millis(2_560)), "2.5 s");
        assert_eq!(human_duration(Duration::from_secs(200)), "3 min 20 s");
        assert_eq!(human_duration(Duration::from_hours(25)), "1 d 1 h");
        assert_eq!([0, 999, 1_000, 1_250_000].map(human_count), ["0", "999", "1,000", "1,250,000"]);
        assert_eq!(human_bytes(512), "512 B");
        assert_eq!(human_bytes(1536), "1.5 KiB");
        assert_eq!(human_bytes(128 << 20), "128.0 MiB");
    }
}
