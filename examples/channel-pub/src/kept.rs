//! What has arrived, and how to answer what arrives next.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::answer::{Answer, Stage};
use crate::message::Request;

/// Where files go.
const FOLDER: &str = "channel";
/// The most answers that are kept for later, and requests that are remembered.
const MOST: usize = 100_000;

/// All of it.
#[derive(Default)]
pub(crate) struct Kept {
    next: BTreeMap<Stage, VecDeque<Answer>>,
    /// By stage and idempotency key, what was answered.
    done: BTreeMap<(Stage, String), String>,
    assets: Vec<Value>,
    articles: Vec<Value>,
    callbacks: Vec<Value>,
    requests: Vec<Value>,
}

impl Kept {
    /// Adds to the answers of a stage, a line for each.
    pub(crate) fn plan(&mut self, stage: &str, answers: &str) -> Result<(), String> {
        let answers = answers.lines().map(str::parse).collect::<Result<Vec<Answer>, _>>()?;
        let next = self.next.entry(stage.parse()?).or_default();
        if next.len() + answers.len() > MOST {
            return Err(format!("more than {MOST} answers are too many"));
        }
        next.extend(answers);
        Ok(())
    }

    /// What this request is to be answered with instead of doing as it says.
    pub(crate) fn planned(&mut self, stage: Stage) -> Option<Answer> {
        self.next.get_mut(&stage)?.pop_front()
    }

    /// Does as a request says, once for its idempotency key. Answers status and body.
    pub(crate) fn take(&mut self, stage: Stage, request: &Request) -> io::Result<(u16, String)> {
        let Some(key) = request.header("idempotency-key") else {
            return Ok((400, json!({"error": "there is no idempotency key"}).to_string()));
        };
        let once = (stage, key.to_owned());
        if let Some(answer) = self.done.get(&once) {
            return Ok((200, answer.clone()));
        }
        let id = match stage {
            Stage::Upload => self.store(request)?,
            Stage::Publish => keep(&mut self.articles, "article", &request.body),
            Stage::Callback => keep(&mut self.callbacks, "callback", &request.body),
        };
        let Some(id) = id else {
            return Ok((400, json!({"error": "the path or the body is not right"}).to_string()));
        };
        let answer = json!({ "id": id }).to_string();
        self.done.insert(once, answer.clone());
        Ok((201, answer))
    }

    /// Writes a file below the folder.
    fn store(&mut self, request: &Request) -> io::Result<Option<String>> {
        let path = request.path.trim_start_matches("/assets/");
        let right = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.contains(['\\', '%', '?']);
        if !path.split('/').all(right) {
            return Ok(None);
        }
        let file = Path::new(FOLDER).join(path);
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&file, &request.body)?;
        let id = format!("asset-{}", self.assets.len() + 1);
        self.assets.push(json!({"id": id, "path": path, "bytes": request.body.len()}));
        Ok(Some(id))
    }

    /// Remembers a request and how it was answered.
    #[expect(clippy::disallowed_methods, reason = "it is not jobhost's time")]
    pub(crate) fn note(&mut self, request: &Request, answer: &str) {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        if self.requests.len() < MOST {
            self.requests.push(json!({
                "at": u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
                "method": request.method,
                "path": request.path,
                "key": request.header("idempotency-key"),
                "answer": answer,
            }));
        }
    }

    /// All that has arrived.
    pub(crate) fn shown(&self) -> String {
        json!({
            "assets": self.assets, "articles": self.articles, "callbacks": self.callbacks, "requests": self.requests,
        })
        .to_string()
    }
}

/// Keeps a JSON object and gives it an id.
fn keep(values: &mut Vec<Value>, kind: &str, body: &[u8]) -> Option<String> {
    let mut value: Value = serde_json::from_slice(body).ok()?;
    let id = format!("{kind}-{}", values.len() + 1);
    value.as_object_mut()?.insert("id".to_owned(), id.clone().into());
    values.push(value);
    Some(id)
}
