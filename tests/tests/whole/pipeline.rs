//! The example `channel-pub` set up in a test's own folder: its configuration, its server, its plugins. No test is here.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use jobhost_tests::{Finished, PATIENCE, Worker, Workplace, jobhost, plugin, repository, wait_until};
use serde_json::{Value, json};

/// What the configuration of the example is changed in for a test.
type Changes<'c> = &'c [(&'c str, &'c str)];

pub(crate) const CHANNEL_TOKEN: &str = "open-sesame-4711";
pub(crate) const SOURCE_TOKEN: &str = "open-barley-0815";

/// The pipeline of the example, with the server that plays the channel and the source. The server is killed when this is
/// dropped.
pub(crate) struct Pipeline<'p> {
    pub(crate) place: &'p Workplace,
    server: Child,
}

impl<'p> Pipeline<'p> {
    /// Sets it up; each change replaces a text of `jobhost.toml` that must be there.
    #[track_caller]
    pub(crate) fn new(place: &'p Workplace, changes: Changes<'_>) -> Self {
        for folder in ["storage", "assets", "logs"] {
            place.make_folder(folder);
        }
        place.write("channel.token", CHANNEL_TOKEN);
        place.write("source.token", SOURCE_TOKEN);
        let (server, address) = serve(place);
        let mut configuration = fs::read_to_string(repository().join("examples/channel-pub/jobhost.toml")).unwrap();
        let store = format!("store = \"{}\"", place.store());
        let given = [("store = \"sqlite:jobhost.db\"", &*store), ("127.0.0.1:8099", &*address), ("\"1s\"", "\"1ms\"")];
        for (text, instead) in given.iter().chain(changes) {
            assert!(configuration.contains(text), "{text} is not in the configuration of the example");
            configuration = configuration.replace(text, instead);
        }
        for name in ["copy-asset", "upload-asset", "publish-article", "source-callback", "pipeline-events"] {
            let file = format!("{}.wasm", name.replace('-', "_"));
            configuration = configuration.replace(&file, plugin(name).to_str().unwrap());
        }
        place.configure_with(&configuration);
        Self { place, server }
    }

    /// Pushes a task of the source `cms` with so many files, which it writes; returns the job's id.
    #[track_caller]
    pub(crate) fn push(&self, task: u32, files: usize) -> String {
        let asset = |number: usize| {
            let name = format!("{task}-{number:03}.png");
            self.place.write(&format!("storage/{name}"), content(task, number));
            json!({"type": "image", "channel_article_id": number, "absolute_url": format!("https://cms.example/{name}")})
        };
        let assets: Vec<_> = (0..files).map(asset).collect();
        let payload = json!({
            "channel_id": 7, "channel_code": "web", "channel_type_id": 3, "channel_type_code": "site",
            "source": "cms", "task_id": task, "assets": assets,
        });
        self.place.push("copy-asset", r"common\jobs\CopyAssetJob", &payload.to_string())
    }

    /// Tells the server how to answer the next requests of a stage.
    #[track_caller]
    pub(crate) fn next(&self, stage: &str, answers: &[&str]) {
        self.ask(&[&["next", stage], answers].concat());
    }

    /// All that the server has received.
    #[track_caller]
    pub(crate) fn received(&self) -> Value {
        serde_json::from_str(&self.ask(&["json"])).unwrap()
    }

    #[track_caller]
    fn ask(&self, arguments: &[&str]) -> String {
        let asked = program().args(arguments).current_dir(self.place.path("")).output().unwrap();
        assert!(asked.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&asked.stderr));
        String::from_utf8(asked.stdout).unwrap()
    }

    /// A worker of all queues.
    #[track_caller]
    pub(crate) fn listen(&self) -> Worker {
        self.place.listen(&[])
    }

    /// Runs a worker until the source has heard so many times; what the server has received by then, and the worker's end.
    #[track_caller]
    pub(crate) fn run_until_told(&self, times: usize) -> (Value, Finished) {
        let mut worker = self.listen();
        for _ in 0..times {
            worker.wait_until("a callback", Duration::from_mins(1), |event| {
                event["event"] == "done" && event["id"].as_str().is_some_and(|id| id.starts_with("source-callback/"))
            });
        }
        (self.received(), worker.stop())
    }

    /// The answers to the requests of a stage, in order, which all have one key.
    #[track_caller]
    pub(crate) fn answers(&self, path: &str) -> Vec<String> {
        let received = self.received();
        let requests = requests(&received, path);
        let key = requests.first().map(|request| &request["key"]);
        assert!(requests.iter().all(|request| Some(&request["key"]) == key && key != Some(&Value::Null)), "{received}");
        requests.iter().map(|request| request["answer"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits until the server has had so many requests of a stage.
    #[track_caller]
    pub(crate) fn wait_for_requests(&self, path: &str, count: usize) {
        wait_until(path, PATIENCE, || {
            let received = self.received();
            if requests(&received, path).len() >= count { Ok(()) } else { Err(received.to_string()) }
        });
    }

    /// What is kept of a task in the bucket.
    #[track_caller]
    pub(crate) fn task(&self, id: u32) -> Value {
        let key = format!("task/cms/{id}");
        let value: Vec<u8> = if self.place.is_redis() {
            let kept: String = self.place.server().command(&["HGET", "jobhost:keyvalue:tasks:values", &key]);
            kept.split_once(' ').unwrap().1.into()
        } else {
            let store = rusqlite::Connection::open(self.place.path("jobhost.db")).unwrap();
            store.query_row("SELECT value FROM bucket_values WHERE key = ?1", [key], |row| row.get(0)).unwrap()
        };
        serde_json::from_slice(&value).unwrap()
    }

    /// The lines of the publish log.
    #[track_caller]
    pub(crate) fn log(&self) -> Vec<Value> {
        let log = fs::read_to_string(self.place.path("logs/publish-log.jsonl")).unwrap_or_default();
        log.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Drop for Pipeline<'_> {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// The content of a file of a task.
pub(crate) fn content(task: u32, number: usize) -> Vec<u8> {
    format!("file {number} of task {task}, ").repeat(1000).into_bytes()
}

/// The requests whose path begins so, in order.
pub(crate) fn requests<'r>(received: &'r Value, path: &str) -> Vec<&'r Value> {
    let all = received["requests"].as_array().unwrap().iter();
    all.filter(|request| request["path"].as_str().is_some_and(|found| found.starts_with(path))).collect()
}

/// The code of each callback with its task, in order of the tasks.
pub(crate) fn told(received: &Value) -> Vec<(u64, String)> {
    let callback = |told: &Value| (told["task_id"].as_u64().unwrap(), told["code"].as_str().unwrap().to_owned());
    let mut told: Vec<_> = received["callbacks"].as_array().unwrap().iter().map(callback).collect();
    told.sort();
    told
}

/// What the source hears of a task that came to a good end.
pub(crate) fn published(task: u64) -> Vec<(u64, String)> {
    vec![(task, "published".to_owned())]
}

fn program() -> Command {
    Command::new(jobhost().with_file_name("channel-pub"))
}

fn serve(place: &Workplace) -> (Child, String) {
    let mut server = program();
    server.args(["serve", "127.0.0.1:0"]).current_dir(place.path("")).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut server = server.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("{line}"));
    (server, address.to_owned())
}
