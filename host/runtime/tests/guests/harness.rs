//! Builds and loads the guests, and records what they do to the host.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use jobhost_runtime::types::{AttemptReport, FailureCause, Job, JobDraft, Level, PushError};
use jobhost_runtime::{
    Call, CallHost, Engine, EngineSettings, Fault, Finished, Interrupt, Outcome, Plugin, PluginSettings,
};

/// Enough for every guest that comes to an end by itself, on a busy machine too.
pub(crate) const AMPLE: Duration = Duration::from_mins(1);

pub(crate) fn guests_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/guests")
}

/// The file of a guest. The first call builds all of them; that is nothing where they are up to date.
pub(crate) fn guest(name: &str) -> PathBuf {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(build);
    let release = guests_folder().join("target/wasm32-wasip2/release");
    // A library's file has underscores, a program's has its name.
    let library = release.join(format!("{}.wasm", name.replace('-', "_")));
    if library.exists() { library } else { release.join(format!("{name}.wasm")) }
}

fn build() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .current_dir(guests_folder())
        .args(["build", "--quiet", "--release", "--target", "wasm32-wasip2", "--target-dir", "target"])
        // Flags meant for the host would replace those of the guests' own configuration.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .status()
        .unwrap();
    assert!(built.success(), "the guests do not build; see the messages above, or run `cargo xtask plugins`");
}

/// One engine for all tests that need nothing special.
pub(crate) fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE
        .get_or_init(|| Engine::new(&EngineSettings { calls: 8, hook_calls: 8, ..EngineSettings::default() }).unwrap())
}

/// A guest, loaded as it is by default, once for all tests.
pub(crate) fn plugin(name: &str) -> Plugin {
    static LOADED: Mutex<BTreeMap<String, Plugin>> = Mutex::new(BTreeMap::new());
    let mut loaded = LOADED.lock().unwrap();
    loaded.entry(name.to_owned()).or_insert_with(|| plugin_with(name, |_| ())).clone()
}

/// A guest, loaded with changed settings.
pub(crate) fn plugin_with(name: &str, change: impl FnOnce(&mut PluginSettings)) -> Plugin {
    let mut settings = PluginSettings::default();
    change(&mut settings);
    Plugin::load(engine(), name, &guest(name), settings).unwrap()
}

/// A component that Rust cannot be made into: the smallest handler with `extra` in its module, whose `execute` ends with
/// `body` and a bracket. The file lives as long as the folder.
pub(crate) fn handwritten(extra: &str, body: &str) -> (tempfile::TempDir, PathBuf) {
    let text = include_str!("handler.wat").replace(";; extra", extra).replace("i32.const 1024)", body);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("handwritten.wasm");
    std::fs::write(&path, wat::parse_str(text).unwrap()).unwrap();
    (folder, path)
}

/// Why a file is refused.
pub(crate) fn refusal(path: &Path) -> String {
    refusal_with(path, PluginSettings::default())
}

/// Why a file is refused with these settings.
pub(crate) fn refusal_with(path: &Path, settings: PluginSettings) -> String {
    match Plugin::load(engine(), "thumbs", path, settings) {
        Ok(_) => panic!("{} was not refused", path.display()),
        Err(error) => error.to_string(),
    }
}

pub(crate) fn job(payload: &str) -> Job {
    Job {
        id: "7".to_owned(),
        key: "cpa/7".to_owned(),
        queue: "copy-asset".to_owned(),
        name: "CopyAssetJob".to_owned(),
        payload: payload.to_owned(),
        attempt: 2,
        max_attempts: Some(3),
        ttr: 60,
        pushed_at: None,
        metadata: vec![("tenant".to_owned(), "ä".to_owned())],
    }
}

pub(crate) fn draft(payload: &str) -> JobDraft {
    JobDraft {
        queue: "copy-asset".to_owned(),
        name: "CopyAssetJob".to_owned(),
        payload: payload.to_owned(),
        delay: None,
        ttr: None,
        metadata: Vec::new(),
    }
}

pub(crate) fn report() -> AttemptReport {
    AttemptReport { waited: None, duration: 12, peak_memory: 1_048_576, plugin_digest: "sha256:ab".to_owned() }
}

/// A call with ample time and a host that records.
pub(crate) fn call() -> (Call, Arc<Recorder>) {
    call_within(AMPLE)
}

/// As [`call`], with this budget.
pub(crate) fn call_within(budget: Duration) -> (Call, Arc<Recorder>) {
    let recorder = Arc::new(Recorder::default());
    let host: Arc<dyn CallHost> = Arc::clone(&recorder) as _;
    (Call { budget, host, interrupt: Interrupt::default() }, recorder)
}

/// What the guest answered; every other end fails the test.
#[track_caller]
pub(crate) fn returned<T: std::fmt::Debug>(finished: Finished<T>) -> T {
    match finished.outcome {
        Outcome::Returned(value) => value,
        other => panic!("{other:?}, {:?}", finished.usage),
    }
}

/// How the guest was ended; every other end fails the test.
#[track_caller]
pub(crate) fn faulted<T: std::fmt::Debug>(finished: &Finished<T>) -> &Fault {
    match &finished.outcome {
        Outcome::Faulted(fault) => fault,
        other => panic!("{other:?}, {:?}", finished.usage),
    }
}

/// The text of a passed limit.
#[track_caller]
pub(crate) fn limit<T: std::fmt::Debug>(finished: &Finished<T>) -> &str {
    match &faulted(finished).cause {
        FailureCause::Limit(text) => text,
        other => panic!("{other:?}"),
    }
}

/// Runs `execute` of a guest that is loaded as it is by default.
pub(crate) async fn execute(name: &str, payload: &str) -> Finished<Result<String, jobhost_runtime::types::JobError>> {
    plugin(name).execute(job(payload), call().0).await
}

/// A host that takes everything and remembers it.
#[derive(Default)]
pub(crate) struct Recorder {
    pub(crate) pushed: Mutex<Vec<JobDraft>>,
    pub(crate) pushed_now: Mutex<Vec<JobDraft>>,
    pub(crate) progress: Mutex<Vec<(u32, Option<u32>, String)>>,
    pub(crate) logged: Mutex<Vec<(Level, String)>>,
    /// Told of each log line.
    pub(crate) heard: tokio::sync::Notify,
}

#[async_trait]
impl CallHost for Recorder {
    async fn push(&self, drafts: Vec<JobDraft>) -> Result<(), PushError> {
        self.pushed.lock().unwrap().extend(drafts);
        Ok(())
    }

    async fn push_now(&self, draft: JobDraft) -> Result<String, PushError> {
        if draft.queue == "gone" {
            return Err(PushError::Unavailable("the store is not there".to_owned()));
        }
        self.pushed_now.lock().unwrap().push(draft);
        Ok("42".to_owned())
    }

    fn progress(&self, done: u32, total: Option<u32>, note: &str) {
        self.progress.lock().unwrap().push((done, total, note.to_owned()));
    }

    fn log(&self, level: Level, message: &str) {
        self.logged.lock().unwrap().push((level, message.to_owned()));
        self.heard.notify_one();
    }
}
