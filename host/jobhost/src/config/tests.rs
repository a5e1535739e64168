//! Whole files, right and wrong, as an operator writes them.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use jobhost_runtime::{BucketGrant, Clock, EnvGrant, EnvValue, FsMode, Random, SecretGrant, SecretSource};

use super::*;

/// Everything that can be written.
const FULL: &str = r#"
store = "redis://127.0.0.1:6379/0"
concurrency = 8
shutdown-grace = "40s"
cache = "compiled"
cache-size = "64MiB"
compile = { memory = "1GiB", time = "30s" }

[queues.copy-asset]
channel  = "cpa:queue:copy:asset"
ttr      = "10m"
attempts = 3
backoff  = { initial = "2s", max = "5m", factor = 3 }
hooks    = ["copy_asset_events"]
retain   = { done = "1h", failed = "7d", output = "64KiB" }
unknown  = "release"
max-crashes = 5

[queues.upload-asset]

[plugins.copy_asset]
path = "plugins/copy_asset.wasm"
digest = "sha256:0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef"
signer = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"
jobs = ['\common\jobs\CopyAssetJob']
limits = { memory = "64MiB", fuel = 7, table-elements = 8, instances = 9, handles = 10, host-call-bytes = "1MiB", output = "2MiB", stdio = "1KiB", pushes = 11, stack = "1MiB", tables = 12, memories = 13, log-lines = 14, log-bytes = "15B", note-bytes = "16B", push-bytes = "17KiB", component-bytes = "18MiB", bucket-keys = 19, bucket-value = "3MiB", http-requests = 20, http-at-once = 21, http-sent = "22KiB", http-received = "23KiB" }
[plugins.copy_asset.grants]
fs = [{ host = "storage", guest = "/storage", mode = "ro" }, { host = "assets", guest = "/assets", mode = "rw" }]
queues = ["upload-asset"]
env = { REGION = "eu", TOOL = { env = "CARGO_PKG_NAME" } }
config = { b = "2", a = "1" }
secrets = { NAME = { env = "CARGO_PKG_NAME" }, TOKEN = { file = "plugins/token" } }
keyvalue = [{ bucket = "assets", mode = "rw", keys = 7, size = "1KiB" }, { bucket = "assets", guest = "default", mode = "ro" }]
clock = { fixed = 2026-11-22T17:00:00.5Z }
random = { seed = 0xff }

[plugins.copy_asset_events]
path = "plugins/copy_asset_events.wasm"
on-failure = "closed"
timeout = "250ms"
swap = { canary = "0.5%", for = "90s", max-failures = "1.5x", grants = "frozen" }
grants = { queues = ["upload-asset"], clock = { offset = "-90m" } }
"#;

/// A folder with the file and what the full one names.
fn folder(text: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at(DEFAULT_FILE), text).unwrap();
    for name in ["plugins", "storage", "assets"] {
        fs::create_dir(at(name)).unwrap();
    }
    fs::write(at("plugins/token"), b"open sesame\n").unwrap();
    for name in ["copy_asset", "copy_asset_events"] {
        fs::write(at(&format!("plugins/{name}.wasm")), b"").unwrap();
    }
    folder
}

fn request(folder: &Path) -> Request {
    Request { folder: folder.to_owned(), check_paths: true, ..Request::default() }
}

/// `line:column: message` of each problem.
fn problems(text: &str) -> Vec<String> {
    let folder = folder(text);
    let error = load(&request(folder.path())).expect_err("the file is wrong");
    let prefix = format!("{}:", folder.path().join(DEFAULT_FILE).display());
    let shown = error.problems.iter().map(ToString::to_string);
    shown.map(|problem| problem.strip_prefix(&prefix).unwrap_or(&problem).to_owned()).collect()
}

/// Each part is found in the problem of the same number, and no problem is left over.
fn expect(text: &str, parts: &[&str]) {
    let found = problems(text);
    assert_eq!(found.len(), parts.len(), "{found:#?}");
    for (problem, part) in found.iter().zip(parts) {
        assert!(problem.contains(part), "expected `{part}` in `{problem}`");
    }
}

#[test]
fn every_key_of_a_queue_is_read() {
    let folder = folder(FULL);
    let config = load(&request(folder.path())).unwrap();
    assert_eq!(config.store, "redis://127.0.0.1:6379/0");
    assert_eq!((config.concurrency, config.shutdown_grace.as_secs()), (8, 40));
    assert_eq!((&config.cache, config.cache_size), (&CacheFolder::At(folder.path().join("compiled")), 64 << 20));
    assert_eq!(config.compile, Compile { memory: 1 << 30, time: Duration::from_secs(30) });
    let queue = config.queue("copy-asset").unwrap();
    assert_eq!(queue.channel.as_str(), "cpa:queue:copy:asset");
    assert_eq!((queue.ttr, queue.attempts, queue.max_crashes), (600, 3, 5));
    assert_eq!(queue.backoff, Backoff { initial: Duration::from_secs(2), max: Duration::from_mins(5), factor: 3.0 });
    assert_eq!(queue.hooks, ["copy_asset_events"]);
    assert_eq!(
        queue.retain,
        Retain { done: Duration::from_hours(1), failed: Duration::from_hours(7 * 24), output: 64 << 10 }
    );
    assert_eq!(queue.unknown, Unknown::Release);
    assert_eq!((queue.place.line, queue.place.column), (Some(9), Some(9)));
}

#[test]
fn every_key_of_a_plugin_is_read() {
    let folder = folder(FULL);
    let config = load(&request(folder.path())).unwrap();
    let plugin = config.plugin("copy_asset").unwrap();
    assert_eq!(plugin.path, folder.path().join("plugins/copy_asset.wasm"));
    assert_eq!(plugin.jobs, Jobs::Named(vec!["common\\jobs\\CopyAssetJob".into()]));
    assert_eq!(
        plugin.limits,
        Limits {
            memory: 64 << 20,
            fuel: 7,
            table_elements: 8,
            instances: 9,
            handles: 10,
            host_call_bytes: 1 << 20,
            output_bytes: 2 << 20,
            stdio_bytes: 1 << 10,
            pushes: 11,
            stack: 1 << 20,
            tables: 12,
            memories: 13,
            log_lines: 14,
            log_bytes: 15,
            note_bytes: 16,
            push_bytes: 17 << 10,
            component_bytes: 18 << 20,
            bucket_keys: 19,
            value_bytes: 3 << 20,
            http_requests: 20,
            http_at_once: 21,
            http_sent: 22 << 10,
            http_received: 23 << 10,
        }
    );
}

#[test]
fn every_pin_and_grant_of_a_plugin_is_read() {
    let folder = folder(FULL);
    let config = load(&request(folder.path())).unwrap();
    let plugin = config.plugin("copy_asset").unwrap();
    let digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    assert_eq!(plugin.pin.digest.as_deref(), Some(digest));
    assert_eq!(plugin.pin.signer.as_ref().unwrap().key_id(), "E7620F1842B4E81F");
    assert_eq!(plugin.grants.queues, ["upload-asset"]);
    assert_eq!(plugin.grants.fs[0].host, folder.path().join("storage"));
    assert_eq!((plugin.grants.fs[1].guest.as_str(), plugin.grants.fs[1].mode), ("/assets", FsMode::ReadWrite));
    let named = |name: &str, value| EnvGrant { name: name.into(), value };
    assert_eq!(
        plugin.grants.env,
        [named("REGION", EnvValue::Given("eu".into())), named("TOOL", EnvValue::Host("CARGO_PKG_NAME".into())),]
    );
    let settings: Vec<_> = plugin.grants.config.iter().flatten().map(|(key, value)| (&**key, &**value)).collect();
    assert_eq!(settings, [("a", "1"), ("b", "2")]);
    let secret = |name: &str, source| SecretGrant { name: name.into(), source };
    assert_eq!(
        plugin.grants.secrets,
        [
            secret("NAME", SecretSource::Env("CARGO_PKG_NAME".into())),
            secret("TOKEN", SecretSource::File(folder.path().join("plugins/token"))),
        ]
    );
    let bucket = |guest: &str, write, keys, bytes| BucketGrant {
        bucket: "assets".into(),
        guest: guest.into(),
        write,
        keys,
        bytes,
    };
    let buckets = [bucket("assets", true, 7, 1024), bucket("default", false, 100_000, 64 << 20)];
    assert_eq!(plugin.grants.keyvalue, buckets);
    assert_eq!(plugin.grants.clock, Clock::Fixed(Duration::from_millis(1_795_366_800_500)));
    assert_eq!(plugin.grants.random, Random::Seeded(255));
    let events = config.plugin("copy_asset_events").unwrap();
    assert_eq!(events.grants.clock, Clock::Behind(Duration::from_mins(90)));
    assert_eq!((events.grants.config.as_ref(), events.grants.random), (None, Random::System));
    assert_eq!((events.on_failure, events.timeout.as_millis()), (OnFailure::Closed, 250));
    assert_eq!(events.jobs, Jobs::Named(vec!["copy_asset_events".into()]));
}

#[test]
fn limits_at_the_top_are_those_of_every_plugin_that_says_nothing_else() {
    let folder = folder(
        "[limits]\nmemory = \"32MiB\"\nlog-lines = 7\n[plugins.copy_asset]\npath = \"plugins/copy_asset.wasm\"\nlimits = { log-lines = 8 }\n",
    );
    let mut request = request(folder.path());
    request.plugins = vec![folder.path().join("plugins/copy_asset_events.wasm")];
    let config = load(&request).unwrap();
    let limits = |name: &str| config.plugin(name).map(|plugin| (plugin.limits.memory, plugin.limits.log_lines));
    assert_eq!(limits("copy_asset"), Some((32 << 20, 8)));
    assert_eq!(limits("copy_asset_events"), Some((32 << 20, 7)));
}

#[test]
fn what_is_not_said_is_the_default() {
    let folder = folder("[queues.mail]\n");
    let config = load(&request(folder.path())).unwrap();
    assert_eq!(config.store, DEFAULT_STORE);
    assert_eq!((config.concurrency, config.shutdown_grace.as_secs()), (16, 25));
    assert_eq!((&config.cache, config.cache_size), (&CacheFolder::Usual, 1 << 30));
    assert_eq!(config.compile, Compile { memory: 4 << 30, time: Duration::from_mins(2) });
    let queue = &config.queues[0];
    assert_eq!((queue.channel.as_str(), queue.ttr, queue.attempts), ("mail", 300, 1));
    assert_eq!((queue.unknown, queue.max_crashes), (Unknown::Fail, 3));
    assert_eq!(queue.backoff.max, Duration::from_mins(10));
}

#[test]
fn a_stores_relative_path_counts_from_the_file() {
    let folder = folder("store = \"sqlite:data/jobs.db?synchronous=normal\"");
    let config = load(&request(folder.path())).unwrap();
    let expected = folder.path().join("data/jobs.db?synchronous=normal");
    assert_eq!(config.store, format!("sqlite:{}", expected.display()));
}

#[test]
fn all_problems_are_told_at_once_with_their_places() {
    expect(
        r#"
store = "rediss:/x"
concurrency = 0
shutdwn-grace = "1s"
[queues.a]
ttr = 600
attempts = "many"
unknown = "keep"
[queues.b]
ttr = "soon"
backoff = { initial = "2h", max = "1h", factor = 0.5 }
retain = "1d"
[plugins.p]
jobs = "x"
digest = "sha256:12"
signer = "RWQ"
limits = { memory = "1KiB", memry = "2MiB", fuel = -1 }
on-failure = "close"
"#,
        &[
            "2:9: store: `rediss:/x` is not the address",
            "3:15: concurrency: expected a whole number from 1 to 1024, found the number 0",
            "4:1: unknown key `shutdwn-grace`; did you mean `shutdown-grace`?",
            "6:7: queues.a.ttr: expected a duration such as \"10m\", found the number 600; write \"600s\"",
            "7:12: queues.a.attempts: expected a whole number from 1, found the text \"many\"",
            "8:11: queues.a.unknown: expected \"fail\" or \"release\", found the text \"keep\"",
            "10:7: queues.b.ttr: `soon` is not a duration",
            "11:35: queues.b.backoff: `max` is shorter than `initial`",
            "11:50: queues.b.backoff.factor: expected a number from 1 to 1000, found the number 0.5",
            "12:10: queues.b.retain: expected a table such as { done = \"24h\"",
            "13:10: plugins.p: `path` is missing",
            "14:8: plugins.p.jobs: expected a list of texts such as ['common\\jobs\\CopyAssetJob'], found the text \"x\"",
            "15:10: plugins.p.digest: expected sha256: and 64 hexadecimal digits",
            "16:10: plugins.p.signer: \"RWQ\" is not a minisign public key; give the second line",
            "17:21: plugins.p.limits.memory: \"1KiB\" is out of range; it goes from 1MiB to 4GiB",
            "17:29: unknown key `plugins.p.limits.memry`; did you mean `memory`?",
            "17:52: plugins.p.limits.fuel: expected a whole number from 0, found the number -1",
            "18:14: plugins.p.on-failure: expected \"open\" or \"closed\", found the text \"close\"",
        ],
    );
}

#[test]
fn what_is_wrong_with_a_trial_is_told() {
    expect(
        r#"
[plugins.p]
path = "plugins/copy_asset.wasm"
swap = { canary = "0%", for = "10ms", max-failures = "0.9x", grants = "none" }
[plugins.q]
path = "plugins/copy_asset.wasm"
swap = { for = "1m", max-failures = 2, canari = "5%" }
[plugins.r]
path = "plugins/copy_asset.wasm"
swap = { canary = 5 }
"#,
        &[
            "4:19: plugins.p.swap.canary: expected a share of the jobs over 0% and up to 100%, with at most 4 decimals, such as \"5%\", found the text \"0%\"",
            "4:31: plugins.p.swap.for: \"10ms\" is out of range; it goes from 1s to 30d",
            "4:54: plugins.p.swap.max-failures: expected how many times the failures of the old version",
            "4:71: plugins.p.swap.grants: expected \"any\" or \"frozen\", found the text \"none\"",
            "7:10: plugins.q.swap: `for` says nothing without `canary`",
            "7:22: plugins.q.swap: `max-failures` says nothing without `canary`",
            "7:37: plugins.q.swap.max-failures: expected a text such as \"2x\", found the number 2",
            "7:40: unknown key `plugins.q.swap.canari`; did you mean `canary`?",
            "10:19: plugins.r.swap.canary: expected a text such as \"5%\", found the number 5",
        ],
    );
}

#[test]
fn parts_that_do_not_fit_each_other_are_told() {
    expect(
        r#"
[queues.a]
channel = "x"
hooks = ["q", "p", "p"]
[queues.b]
channel = "x"
[queues.c]
channel = "x.y"
[plugins.p]
path = "plugins/copy_asset.wasm"
jobs = ['app\A']
grants = { queues = ["aa", "b"] }
[plugins.r]
path = "plugins/copy_asset.wasm"
jobs = ['\app\A', 'app\B']
[plugins.s]
path = "plugins/copy_asset.wasm"
jobs = ["*"]
[plugins.t]
path = "plugins/copy_asset.wasm"
jobs = ["*"]
"#,
        &[
            "4:10: queues.a.hooks: there is no plugin `q`; define [plugins.q]; did you mean `p`?",
            "4:20: queues.a.hooks: `p` stands here twice",
            "6:11: queues.b: channel `x` is also that of queue `a`",
            "8:11: queues.c: channels `x` and `x.y` (of `c` and `a`) overlap",
            "8:11: queues.c: channels `x` and `x.y` (of `c` and `b`) overlap",
            "12:22: plugins.p.grants.queues: there is no queue `aa`; define [queues.aa]; did you mean `a`?",
            "15:9: plugins.r.jobs: job `app\\A` is already handled by plugin `p`",
            "21:9: plugins.t.jobs: `s` already handles every job",
        ],
    );
}

#[test]
fn files_and_folders_that_are_not_there_are_told_where_jobs_are_run() {
    let text = r#"
[plugins.p]
path = "plugins/none.wasm"
[plugins.p.grants]
fs = [{ host = "none", guest = "/none", mode = "ro" }, { host = "storage", guest = "../x", mode = "rw" }, { host = "x" }]
"#;
    expect(
        text,
        &[
            "3:8: plugins.p.path: there is no plugin at",
            "5:16: plugins.p.grants.fs: folder",
            "5:84: plugins.p.grants.fs[1].guest: expected an absolute path without `..`",
            "5:107: plugins.p.grants.fs[2]: `guest` is missing",
            "5:107: plugins.p.grants.fs[2]: `mode` is missing",
        ],
    );
    let folder = folder("[plugins.p]\npath = \"none.wasm\"\n");
    let look = Request { check_paths: false, ..request(folder.path()) };
    assert!(load(&look).is_ok());
}

#[test]
fn values_that_cannot_be_granted_are_told_and_secrets_are_not_shown() {
    let text = r#"
[plugins.p]
path = "plugins/copy_asset.wasm"
[plugins.p.grants]
env = { A = 1, B = { enw = "HOME" }, C = { env = "JOBHOST_NOT_SET" } }
config = { a = { env = "HOME" } }
secrets = { A = "hush-hush", B = { env = "JOBHOST_NOT_SET" }, C = { file = "plugins" }, D = { value = "hush-hush" } }
clock = { fixed = 2026-11-22T17:00:00, offset = "1h" }
random = { sead = 7 }
keyvalue = [{ bucket = "a.b", mode = "rw" }, { bucket = "a", mode = "w" }, { bucket = "a", mode = "ro" }, { bucket = "a", mode = "ro" }, { guest = "z" }]
"#;
    expect(
        text,
        &[
            "5:13: plugins.p.grants.env.A: expected a text, or { env = \"LANG\" }",
            "5:20: plugins.p.grants.env.B: expected a text, or { env = \"LANG\" }",
            "5:38: plugins.p.grants.env.C: the environment variable `JOBHOST_NOT_SET` of the host is not set",
            "6:16: plugins.p.grants.config.a: expected a text such as",
            "7:17: plugins.p.grants.secrets.A: a secret is not written here, only where it is: { env =",
            "7:30: plugins.p.grants.secrets.B: the environment variable `JOBHOST_NOT_SET` of the host is not set",
            "7:63: plugins.p.grants.secrets.C: ",
            "7:93: plugins.p.grants.secrets.D: a secret is not written here",
            "8:19: plugins.p.grants.clock.fixed: expected a time since 1970 with its zone",
            "8:40: plugins.p.grants.clock: a clock is either `fixed` or has an `offset`",
            "9:12: unknown key `plugins.p.grants.random.sead`; did you mean `seed`?",
            "10:24: plugins.p.grants.keyvalue[0].bucket: `a.b` cannot be a bucket",
            "10:69: plugins.p.grants.keyvalue[1].mode: expected \"ro\" or \"rw\"",
            "10:107: plugins.p.grants.keyvalue[3]: two buckets are to be `a`",
            "10:138: plugins.p.grants.keyvalue[4]: `bucket` is missing",
            "10:138: plugins.p.grants.keyvalue[4]: `mode` is missing",
        ],
    );
    assert!(problems(text).iter().all(|problem| !problem.contains("hush")), "{:?}", problems(text));
}

#[test]
fn broken_toml_is_told_with_its_place_and_nothing_else() {
    let found = problems("concurrency = 16\nstore = \n[queues.a\n");
    assert!(found.len() >= 2, "{found:?}");
    assert!(found[0].starts_with("2:"), "{found:?}");
    assert!(found.iter().all(|problem| problem.contains("not TOML")), "{found:?}");
    expect("concurrency = 1\nconcurrency = 2\n", &["2:1: not TOML: duplicate key"]);
}

#[test]
fn names_that_could_not_be_told_apart_from_ids_are_refused() {
    expect("[queues.\"a/b\"]\n", &["1:9: queues.a/b: `a/b` cannot be a name"]);
    expect(
        "[queues.\"ä\"]\nchannel = \"a*\"",
        &["1:9: queues.ä: `ä` cannot be a name", "2:11: queues.ä.channel: channel `a*` has the character '*'"],
    );
}

#[test]
fn a_plugin_of_the_command_line_alone_handles_every_job() {
    let folder = folder("");
    let file = folder.path().join("plugins/copy_asset.wasm");
    let alone = Request { plugins: vec![file.clone()], ..request(folder.path()) };
    let config = load(&alone).unwrap();
    assert_eq!(config.queues[0].name, DEFAULT_QUEUE);
    assert_eq!(config.plugins[0].jobs, Jobs::All);
    assert_eq!((config.plugins[0].name.as_str(), &config.plugins[0].path), ("copy_asset", &file));

    let two =
        Request { plugins: vec![file, folder.path().join("plugins/copy_asset_events.wasm")], ..request(folder.path()) };
    let jobs: Vec<_> = load(&two).unwrap().plugins.into_iter().map(|plugin| plugin.jobs).collect();
    let named = |name: &str| Jobs::Named(vec![name.to_owned()]);
    assert_eq!(jobs, [named("copy_asset"), named("copy_asset_events")]);
}

#[test]
fn a_plugin_of_the_command_line_joins_those_of_the_file() {
    let folder = folder(FULL);
    let request = Request {
        plugins: vec!["plugins/none.wasm".into(), folder.path().join("plugins/copy_asset.wasm")],
        ..request(folder.path())
    };
    let error = load(&request).unwrap_err();
    let shown = error.to_string();
    assert_eq!(error.problems.len(), 2, "{shown}");
    assert!(shown.contains("--plugin plugins/none.wasm: there is no plugin at"), "{shown}");
    assert!(shown.contains("plugin `copy_asset` is already defined at"), "{shown}");
}

#[test]
fn the_command_line_wins_over_the_file() {
    let folder = folder(FULL);
    let request = Request { store: Some("sqlite:here.db".into()), concurrency: Some(2), ..request(folder.path()) };
    let config = load(&request).unwrap();
    assert_eq!((config.store.as_str(), config.concurrency), ("sqlite:here.db", 2));
    let wrong = Request { store: Some("http://x".into()), ..request };
    let shown = load(&wrong).unwrap_err().to_string();
    assert!(shown.starts_with("--store or $JOBHOST_STORE: `http://x`"), "{shown}");
}

#[test]
fn a_file_that_is_named_must_be_there_and_be_text() {
    let folder = folder("");
    let named = |path: &Path| Request { config: Some(path.to_owned()), ..Request::default() };
    let shown = load(&named(&folder.path().join("none.toml"))).unwrap_err().to_string();
    assert!(shown.contains("none.toml: the configuration cannot be read"), "{shown}");
    let binary = folder.path().join("binary.toml");
    fs::write(&binary, b"a = \"\xff\"").unwrap();
    let shown = load(&named(&binary)).unwrap_err().to_string();
    assert!(shown.contains("not UTF-8 text, first at byte 5"), "{shown}");
}

#[test]
fn closed_on_a_hook_that_comes_too_late_is_a_problem() {
    let folder = folder(FULL);
    let config = load(&request(folder.path())).unwrap();
    let events = config.plugin("copy_asset_events").unwrap();
    let problem = check_exports(events, &["after-exec"]).unwrap();
    assert_eq!(problem.place.line, Some(37));
    assert!(problem.message.contains("on-failure"), "{problem}");
    assert_eq!(check_exports(events, &["after-exec", "after-error"]), None);
    assert_eq!(check_exports(config.plugin("copy_asset").unwrap(), &["after-exec"]), None);
}
