//! Configurations that several tests use. No test is here.

use std::io::Write;
use std::path::Path;

use jobhost_tests::{Workplace, guest, plugin};

/// A queue `work`, whose jobs one guest handles, whatever their names.
pub(crate) fn one_guest(place: &Workplace, behaviour: &str, queue: &str, plugin: &str) {
    place.configure(&format!(
        "[queues.work]\n{queue}\n[plugins.it]\npath = {}\njobs = [\"*\"]\n{plugin}\n",
        quoted(&guest(behaviour))
    ));
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
