//! Configurations that several tests use. No test is here.

use std::fs;
use std::io::Write;
use std::path::Path;

use jobhost_tests::{Workplace, guest, plugin};
use serde_json::json;

/// A queue `work`, whose jobs one guest handles, whatever their names.
pub(crate) fn one_guest(place: &Workplace, behaviour: &str, queue: &str, plugin: &str) {
    place.configure(&format!(
        "[queues.work]\n{queue}\n[plugins.it]\npath = {}\njobs = [\"*\"]\n{plugin}\n",
        quoted(&guest(behaviour))
    ));
}

/// A queue `work` whose jobs leave marks that can be counted, and may hand on to `next`.
pub(crate) fn marked_jobs(place: &Workplace) {
    place.make_folder("marks");
    let grants = "grants = { queues = [\"next\"], fs = [{ host = \"marks\", guest = \"/marks\", mode = \"rw\" }] }";
    one_guest(place, "leave-marks", "", &format!("{grants}\n[queues.next]\n[queues.other]"));
}

/// The payload of such a job: where it leaves its marks, and how long it takes.
pub(crate) fn marked(mark: &str, ms: u64) -> String {
    json!({"mark": format!("/marks/{mark}"), "ms": ms, "good": 1, "next": "", "after": ""}).to_string()
}

/// The same of a job that pushes another one to `next`, which leaves marks of its own.
pub(crate) fn marked_to_hand_on(mark: &str, ms: u64) -> String {
    let after = marked(&format!("{mark}-next"), 1);
    json!({"mark": format!("/marks/{mark}"), "ms": ms, "good": 1, "next": "next", "after": after}).to_string()
}

/// How often a job with this mark began, and how often it ended well.
pub(crate) fn marks(place: &Workplace, mark: &str) -> (usize, usize) {
    let found = fs::read_to_string(place.path("marks").join(mark)).unwrap_or_default();
    (found.matches("begun").count(), found.matches("ended").count())
}

/// Running jobs get this when their worker is told to stop.
pub(crate) fn set_grace(place: &Workplace, grace: &str) {
    let configured = String::from_utf8(place.read("jobhost.toml")).unwrap();
    place.configure_with(&format!("shutdown-grace = \"{grace}\"\n{configured}"));
}

/// The queues and plugins of the asset pipeline; its folders are made.
pub(crate) fn asset_pipeline(place: &Workplace) {
    for folder in ["storage", "assets", "logs"] {
        place.make_folder(folder);
    }
    place.configure(&format!(
        r#"
[queues.copy-asset]
channel = "cpa:queue:copy:asset"
ttr = "10m"
attempts = 1
hooks = ["copy_asset_events"]

[queues.upload-asset]
[queues.source-callback]

[plugins.copy_asset]
path = {}
jobs = ['common\jobs\CopyAssetJob']
[plugins.copy_asset.grants]
fs = [
    {{ host = "storage", guest = "/storage", mode = "ro" }},
    {{ host = "assets", guest = "/assets", mode = "rw" }},
]

[plugins.copy_asset_events]
path = {}
[plugins.copy_asset_events.grants]
queues = ["upload-asset", "source-callback"]
fs = [{{ host = "logs", guest = "/logs", mode = "rw" }}]
"#,
        quoted(&plugin("copy-asset")),
        quoted(&plugin("copy-asset-events")),
    ));
}

/// A path as TOML has it.
pub(crate) fn quoted(path: &Path) -> String {
    format!("'{}'", path.display())
}

/// Tells a figure also when the test passes, which the test runner would keep back.
pub(crate) fn tell(figure: &str) {
    let _ = writeln!(std::io::stderr(), "{figure}");
}
