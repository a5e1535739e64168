//! The publish log: one JSON object a line, only ever appended to. An attempt that is repeated after its worker has died
//! may write its line twice; `job_key` tells.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use asset_messages::{Id, TaskFields};
use jiff::Timestamp;
use jobhost_plugin::{FailureCause, JobInfo};
use serde::Serialize;

/// Where the plugins have it: in the folder that is granted to them as `/logs`.
pub const PUBLISH_LOG: &str = "/logs/publish-log.jsonl";

/// One task's entry.
#[derive(Serialize)]
pub struct Entry<'a> {
    channel_id: Option<&'a Id>,
    channel_code: Option<&'a str>,
    channel_type_id: Option<&'a Id>,
    channel_type_code: Option<&'a str>,
    task_id: Option<&'a Id>,
    queue: &'a str,
    job_key: &'a str,
    code: &'a str,
    message: String,
    status: &'static str,
    /// RFC 3339, UTC.
    created_at: Timestamp,
}

impl<'a> Entry<'a> {
    /// A task that will not be tried again, as of now.
    pub fn failed(job: &'a JobInfo, task: &'a TaskFields, cause: &'a FailureCause) -> Self {
        Self {
            channel_id: task.channel_id.as_ref(),
            channel_code: task.channel_code.as_deref(),
            channel_type_id: task.channel_type_id.as_ref(),
            channel_type_code: task.channel_type_code.as_deref(),
            task_id: task.task_id.as_ref(),
            queue: &job.queue,
            job_key: &job.key,
            code: cause.code(),
            message: cause.message().into_owned(),
            status: "failed",
            created_at: Timestamp::now(),
        }
    }
}

/// Appends the entry in one write, so that lines of several workers do not mix.
pub fn append(path: &Path, entry: &Entry<'_>) -> io::Result<()> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("cannot write {}: {error}", path.display()));
    let mut line = serde_json::to_vec(entry)?;
    line.push(b'\n');
    let mut file = OpenOptions::new().create(true).append(true).open(path).map_err(named)?;
    file.write_all(&line).map_err(named)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jobhost_plugin::{JobError, Json};

    use super::*;

    fn job() -> JobInfo {
        JobInfo {
            id: "1".to_owned(),
            key: "abc".to_owned(),
            queue: "copy-asset".to_owned(),
            name: "Copy".to_owned(),
            attempt: 1,
            max_attempts: None,
            ttr: Duration::from_mins(1),
            pushed_at: None,
            metadata: Vec::new(),
        }
    }

    #[test]
    fn each_entry_is_a_line_of_its_own_behind_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        let task: TaskFields =
            Json::from_text(r#"{"channel_id":7,"channel_code":"web","task_id":"2"}"#).read().unwrap();
        let cause = FailureCause::Returned(JobError::permanent("35020", "none\nat all"));
        append(&path, &Entry::failed(&job(), &task, &cause)).unwrap();
        append(&path, &Entry::failed(&job(), &TaskFields::default(), &FailureCause::Unhandled)).unwrap();

        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0]["channel_id"], 7);
        assert_eq!(lines[0]["task_id"], "2");
        assert_eq!((&lines[0]["queue"], &lines[0]["job_key"]), (&"copy-asset".into(), &"abc".into()));
        assert_eq!(lines[0]["code"], "35020");
        assert_eq!(lines[0]["message"], "none\nat all");
        assert_eq!(lines[0]["status"], "failed");
        assert!(lines[0]["created_at"].as_str().unwrap().ends_with('Z'));
        assert_eq!(lines[1]["task_id"], serde_json::Value::Null);
        assert_eq!(lines[1]["code"], "unhandled");
    }

    #[test]
    fn a_log_that_cannot_be_opened_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("missing/log.jsonl");
        let (job, task) = (job(), TaskFields::default());
        let error = append(&path, &Entry::failed(&job, &task, &FailureCause::Unhandled)).unwrap_err().to_string();
        assert!(error.starts_with(&format!("cannot write {}", path.display())), "{error}");
    }
}
