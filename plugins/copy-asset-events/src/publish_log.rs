//! The publish log: one JSON object a line, only ever appended to.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use asset_messages::Id;
use jiff::Timestamp;
use jobhost_plugin::FailureCause;
use serde::Serialize;

use crate::TaskFields;

/// One task's entry.
#[derive(Serialize)]
pub(crate) struct Entry<'a> {
    channel_id: Option<&'a Id>,
    channel_code: Option<&'a str>,
    channel_type_id: Option<&'a Id>,
    channel_type_code: Option<&'a str>,
    task_id: Option<&'a Id>,
    code: &'a str,
    message: String,
    status: &'static str,
    /// RFC 3339, UTC.
    created_at: Timestamp,
}

impl<'a> Entry<'a> {
    /// A task that will not be tried again, as of now.
    pub(crate) fn failed(task: &'a TaskFields, cause: &'a FailureCause) -> Self {
        Self {
            channel_id: task.channel_id.as_ref(),
            channel_code: task.channel_code.as_deref(),
            channel_type_id: task.channel_type_id.as_ref(),
            channel_type_code: task.channel_type_code.as_deref(),
            task_id: task.task_id.as_ref(),
            code: cause.code(),
            message: cause.message().into_owned(),
            status: "failed",
            created_at: Timestamp::now(),
        }
    }
}

/// Appends the entry in one write, so that lines of several workers do not mix.
pub(crate) fn append(path: &Path, entry: &Entry<'_>) -> io::Result<()> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("cannot write {}: {error}", path.display()));
    let mut line = serde_json::to_vec(entry)?;
    line.push(b'\n');
    let mut file = OpenOptions::new().create(true).append(true).open(path).map_err(named)?;
    file.write_all(&line).map_err(named)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jobhost_plugin::{JobError, Json};

    #[test]
    fn each_entry_is_a_line_of_its_own_behind_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        let task: TaskFields =
            Json::from_text(r#"{"channel_id":7,"channel_code":"web","task_id":"2"}"#).read().unwrap();
        let cause = FailureCause::Returned(JobError::permanent("35020", "none\nat all"));
        append(&path, &Entry::failed(&task, &cause)).unwrap();
        append(&path, &Entry::failed(&TaskFields::default(), &FailureCause::Unhandled)).unwrap();

        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0]["channel_id"], 7);
        assert_eq!(lines[0]["task_id"], "2");
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
        let error =
            append(&path, &Entry::failed(&TaskFields::default(), &FailureCause::Unhandled)).unwrap_err().to_string();
        assert!(error.starts_with(&format!("cannot write {}", path.display())), "{error}");
    }
}
