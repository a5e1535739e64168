//! Whole files, right and wrong, as an operator writes them.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use jobhost_runtime::{
    BucketGrant, Clock, EnvGrant, EnvValue, FsMode, Instances, Random, Reuse, SecretGrant, SecretSource,
};

use super::*;

mod wrong;

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
limits = { memory = "64MiB", fuel = 7, table-elements = 8, instances = 9, handles = 10, open-files = 24, host-call-bytes = "1MiB", output = "2MiB", stdio = "1KiB", pushes = 11, stack = "1MiB", tables = 12, memories = 13, log-lines = 14, log-bytes = "15B", note-bytes = "16B", push-bytes = "17KiB", component-bytes = "18MiB", bucket-keys = 19, bucket-value = "3MiB", http-requests = 20, http-at-once = 21, http-sent = "22KiB", http-received = "23KiB" }
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
instances = { policy = "warm", max-jobs = 7, max-memory = "3MiB", max-age = "2h", max-idle = "5s" }
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
            open_files: 24,
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
    let reuse =
        Reuse { max_jobs: 7, max_memory: 3 << 20, max_age: Duration::from_hours(2), max_idle: Duration::from_secs(5) };
    assert_eq!((&plugin.instances, &events.instances), (&Instances::Fresh, &Instances::Warm(reuse)));
    assert_eq!(events.jobs, Jobs::Named(vec!["copy_asset_events".into()]));
}

#[test]
fn a_warm_instance_serves_a_hundred_calls_and_has_half_of_its_plugins_memory_where_nothing_else_is_said() {
    let text = "[plugins.p]\npath = \"plugins/copy_asset.wasm\"\nlimits = { memory = \"10MiB\" }\n\
                instances = { policy = \"warm\" }\n\
                [plugins.q]\npath = \"plugins/copy_asset.wasm\"\ninstances = { policy = \"fresh\" }";
    let folder = folder(text);
    let config = load(&request(folder.path())).unwrap();
    let reuse = Reuse {
        max_jobs: 100,
        max_memory: 5 << 20,
        max_age: Duration::from_mins(10),
        max_idle: Duration::from_mins(1),
    };
    assert_eq!(config.plugin("p").unwrap().instances, Instances::Warm(reuse));
    assert_eq!(config.plugin("q").unwrap().instances, Instances::Fresh);
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
    let other = folder.path().join("copy_asset.wasm");
    fs::write(&other, b"").unwrap();
    let request = Request { plugins: vec!["plugins/none.wasm".into(), other], ..request(folder.path()) };
    let error = load(&request).unwrap_err();
    let shown = error.to_string();
    assert_eq!(error.problems.len(), 2, "{shown}");
    assert!(shown.contains("--plugin plugins/none.wasm: there is no plugin at"), "{shown}");
    assert!(shown.contains("plugin `copy_asset` is already defined at"), "{shown}");
    assert!(shown.contains("plugins/copy_asset.wasm; give this one another name"), "{shown}");
}

#[test]
fn a_plugin_of_the_command_line_that_the_file_names_is_that_of_the_file() {
    let folder = folder(FULL);
    let of_file = load(&request(folder.path())).unwrap().plugins;
    let plugins = vec![folder.path().join("plugins/../plugins/copy_asset.wasm")];
    let both = load(&Request { plugins, ..request(folder.path()) }).unwrap().plugins;
    assert_eq!(both, of_file);
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
