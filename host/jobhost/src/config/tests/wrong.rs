//! Files that are wrong, and how they are told.

use super::*;

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
fn what_is_wrong_with_instances_is_told() {
    expect(
        r#"
[plugins.p]
path = "plugins/copy_asset.wasm"
instances = { policy = "hot", max-jobs = 0, max-idel = "1m" }
[plugins.q]
path = "plugins/copy_asset.wasm"
instances = { max-jobs = 7 }
[plugins.r]
path = "plugins/copy_asset.wasm"
limits = { memory = "8MiB" }
instances = { policy = "warm", max-memory = "9MiB", max-age = "10ms" }
[plugins.s]
path = "plugins/copy_asset.wasm"
instances = "warm"
[plugins.t]
path = "plugins/copy_asset.wasm"
instances = { policy = "fresh", max-idle = "1m" }
"#,
        &[
            "4:24: plugins.p.instances.policy: expected \"fresh\" or \"warm\", found the text \"hot\"",
            "4:42: plugins.p.instances.max-jobs: expected a whole number from 1 to 1000000, found the number 0",
            "4:45: unknown key `plugins.p.instances.max-idel`; did you mean `max-idle`?",
            "7:15: plugins.q.instances: `max-jobs` says nothing without policy = \"warm\"",
            "11:45: plugins.r.instances: `max-memory` is more than the plugin's limit `memory`",
            "11:63: plugins.r.instances.max-age: \"10ms\" is out of range; it goes from 1s to 30d",
            "14:13: plugins.s.instances: expected a table such as { policy = \"warm\", max-jobs = 100 }, found the text",
            "17:33: plugins.t.instances: `max-idle` says nothing without policy = \"warm\"",
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
