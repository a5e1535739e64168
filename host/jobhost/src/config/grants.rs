//! The keys below `[plugins.NAME.grants]`: what the operator allows a plugin. Whether it can be kept is in `check` and in
//! the runtime.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use jobhost_queue::Bucket;
use jobhost_runtime::{BucketGrant, Clock, EnvGrant, EnvValue, FsGrant, FsMode, Random, SecretGrant, SecretSource};
use toml::de::DeValue;

use super::durations::{parse_duration, show_duration};
use super::file::FilePlugin;
use super::http::read_http;
use super::section::{Section, choice, found, size, text, whole};

/// The farthest that a plugin's clock may be from the host's.
const FARTHEST: Duration = Duration::from_hours(24 * 365 * 100);

pub(super) fn read_grants(mut section: Section<'_, '_>, plugin: &mut FilePlugin, folder: &Path) {
    let example = "[{ host = \"storage\", guest = \"/storage\", mode = \"ro\" }]";
    for entry in section.section_list("fs", example) {
        let at = entry.at_value("host");
        if let Some(grant) = read_fs(entry, folder) {
            plugin.fs_at.push(at);
            plugin.config.grants.fs.push(grant);
        }
    }
    for http in read_http(&mut section, folder) {
        plugin.ca_files_at.push(http.ca_file_at);
        plugin.config.grants.http.push(http.grant);
    }
    for queue in section.words("queues", "[\"upload-asset\"]").unwrap_or_default() {
        plugin.queues_at.push(queue.at);
        plugin.config.grants.queues.push(queue.text);
    }
    for entry in section.section_list("keyvalue", "[{ bucket = \"assets\", mode = \"rw\" }]") {
        if let Some(grant) = read_bucket(entry, &plugin.config.grants.keyvalue) {
            plugin.config.grants.keyvalue.push(grant);
        }
    }
    let grants = &mut plugin.config.grants;
    let example = "{ REGION = \"eu\", LANG = { env = \"LANG\" } }";
    for (name, at, value) in section.entries("env", example, read_env).unwrap_or_default() {
        plugin.env_at.push(at);
        grants.env.push(EnvGrant { name, value });
    }
    let value = text("\"https://cdn.example.com\"");
    grants.config = section
        .entries("config", "{ base-url = \"https://cdn.example.com\" }", value)
        .map(|entries| entries.into_iter().map(|(key, _, value)| (key, value)).collect::<BTreeMap<_, _>>());
    let example = "{ API_TOKEN = { env = \"API_TOKEN\" } }";
    let read = |value: &DeValue<'_>| read_secret(value, folder);
    for (name, at, source) in section.entries("secrets", example, read).unwrap_or_default() {
        plugin.secrets_at.push(at);
        grants.secrets.push(SecretGrant { name, source });
    }
    if let Some(clock) = section.section("clock", "{ offset = \"-1h\" }") {
        grants.clock = read_clock(clock);
    }
    if let Some(mut random) = section.section("random", "{ seed = 7 }") {
        if let Some(seed) = random.read("seed", whole(0..=u64::MAX)) {
            grants.random = Random::Seeded(seed);
        }
        random.finish();
    }
    section.finish();
}

fn read_fs(mut section: Section<'_, '_>, folder: &Path) -> Option<FsGrant> {
    let host = section.read("host", text("\"storage\""));
    let guest = section.read("guest", |value| {
        let guest = text("\"/storage\"")(value)?;
        let parts_right = guest.split('/').skip(1).all(|part| part != ".." && part != ".");
        if guest.starts_with('/') && parts_right && !guest.contains('\0') {
            return Ok(guest);
        }
        Err(format!("expected an absolute path without `..`, such as \"/storage\", found {guest:?}"))
    });
    let mode = section.read("mode", choice(&[("ro", FsMode::ReadOnly), ("rw", FsMode::ReadWrite)]));
    for key in ["host", "guest", "mode"] {
        if section.at_key(key) == section.at {
            section.note(section.at, format!("`{key}` is missing; a folder needs host, guest and mode"));
        }
    }
    section.finish();
    Some(FsGrant { host: folder.join(host?), guest: guest?, mode: mode? })
}

fn read_bucket(mut section: Section<'_, '_>, others: &[BucketGrant]) -> Option<BucketGrant> {
    let bucket = section.read("bucket", |value| {
        let name = text("\"assets\"")(value)?;
        Bucket::new(&name).map(|_| name).map_err(|error| error.to_string())
    });
    let guest = section.read("guest", text("\"default\""));
    let write = section.read("mode", choice(&[("ro", false), ("rw", true)]));
    let keys = section.read("keys", whole(1..=1_000_000_000)).unwrap_or(100_000);
    let bytes = section.read("size", size(1..=1 << 40)).unwrap_or(64 << 20);
    for key in ["bucket", "mode"] {
        if section.at_key(key) == section.at {
            section.note(section.at, format!("`{key}` is missing; a bucket needs bucket and mode"));
        }
    }
    let guest = guest.or_else(|| bucket.clone());
    if let Some(guest) = guest.as_ref().filter(|guest| others.iter().any(|other| other.guest == **guest)) {
        section.note(section.at, format!("two buckets are to be `{guest}`; give one another `guest`"));
    }
    section.finish();
    Some(BucketGrant { bucket: bucket?, guest: guest?, write: write?, keys, bytes })
}

fn read_env(value: &DeValue<'_>) -> Result<EnvValue, String> {
    if let Some(text) = value.as_str() {
        return Ok(EnvValue::Given(text.to_owned()));
    }
    match one_key(value) {
        Some(("env", name)) => Ok(EnvValue::Host(name.to_owned())),
        _ => Err(format!(
            "expected a text, or {{ env = \"LANG\" }} for the value of the host's variable LANG, found {}",
            found(value)
        )),
    }
}

/// Where a secret is. What was written is never shown: it may be the secret itself.
fn read_secret(value: &DeValue<'_>, folder: &Path) -> Result<SecretSource, String> {
    match one_key(value) {
        Some(("env", name)) => Ok(SecretSource::Env(name.to_owned())),
        Some(("file", path)) => Ok(SecretSource::File(folder.join(path))),
        _ => Err("a secret is not written here, only where it is: { env = \"API_TOKEN\" } or { file = \"token.txt\" }"
            .to_owned()),
    }
}

/// A table with one text in it.
fn one_key<'v>(value: &'v DeValue<'_>) -> Option<(&'v str, &'v str)> {
    let table = value.as_table().filter(|table| table.len() == 1)?;
    let (key, value) = table.iter().next()?;
    Some((key.get_ref().as_ref(), value.get_ref().as_str()?))
}

fn read_clock(mut section: Section<'_, '_>) -> Clock {
    let fixed = section.read("fixed", |value| {
        let written = match value {
            DeValue::String(text) => Some(text.to_string()),
            DeValue::Datetime(time) => Some(time.to_string()),
            _ => None,
        };
        let time = written.and_then(|text| text.parse::<Timestamp>().ok()).map(Timestamp::as_duration);
        time.and_then(|time| Duration::try_from(time).ok()).map(Clock::Fixed).ok_or_else(|| {
            format!("expected a time since 1970 with its zone, such as 2026-11-22T17:00:00Z, found {}", found(value))
        })
    });
    let offset = section.read("offset", |value| {
        let text = text("\"-1h\"")(value)?;
        let (clock, rest): (fn(Duration) -> Clock, _) = match text.strip_prefix('-') {
            Some(rest) => (Clock::Behind, rest),
            None => (Clock::Ahead, text.strip_prefix('+').unwrap_or(&text)),
        };
        let by = parse_duration(rest)?;
        if by <= FARTHEST {
            return Ok(clock(by));
        }
        Err(format!("{text:?} is out of range; it goes to {} either way", show_duration(FARTHEST)))
    });
    if section.at_key("fixed") != section.at && section.at_key("offset") != section.at {
        section.note(section.at_key("offset"), "a clock is either `fixed` or has an `offset`; remove one of them");
    }
    section.finish();
    fixed.or(offset).unwrap_or_default()
}
