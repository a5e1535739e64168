//! Which queues a plugin may push to, and what a draft must look like. It stores nothing.

use serde::de::IgnoredAny;

use super::advice::{key, quoted};
use crate::types::JobDraft;

/// Bytes of metadata, names and values together, that a draft may carry.
const METADATA: usize = 4 << 10;

/// The host's own metadata begins like this; a guest may not forge it.
const RESERVED: &str = "jobhost.";

/// What the operator is told of a push to a queue that is not granted, with the configuration that would allow it.
pub(crate) fn refusal(plugin: &str, granted: &[String], queue: &str) -> String {
    let names: Vec<String> = granted.iter().map(String::as_str).chain([queue]).map(quoted).collect();
    format!(
        "plugin `{plugin}` may not push to the queue `{queue}`; to allow it, set `queues = [{}]` under `[plugins.{}.grants]`",
        names.join(", "),
        key(plugin),
    )
}

/// What is wrong with a draft, if anything is.
pub(crate) fn problem(draft: &JobDraft) -> Option<String> {
    if draft.queue.is_empty() {
        return Some("draft without a queue: name one".to_owned());
    }
    if draft.name.is_empty() {
        return Some(format!("draft for `{}` without a name: name what is to run", draft.queue));
    }
    payload_problem(&draft.payload).or_else(|| metadata_problem(draft))
}

/// Bytes of the texts in a draft.
pub(crate) fn weight(draft: &JobDraft) -> u64 {
    let metadata: usize = draft.metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
    crate::limits::bytes(draft.queue.len() + draft.name.len() + draft.payload.len() + metadata)
}

fn payload_problem(payload: &str) -> Option<String> {
    if payload.is_empty() {
        return None;
    }
    // Read to its end, because a payload that begins well and ends badly must not reach the store; but not built, which
    // would take many times its size.
    if let Err(error) = serde_json::from_str::<IgnoredAny>(payload) {
        return Some(format!("payload is not JSON: {error}"));
    }
    let kind = match payload.trim_start().chars().next() {
        Some('{') => return None,
        Some('[') => "an array",
        Some('"') => "a string",
        Some('t' | 'f') => "a boolean",
        Some('n') => "null",
        _ => "a number",
    };
    Some(format!("payload is {kind}, not a JSON object"))
}

fn metadata_problem(draft: &JobDraft) -> Option<String> {
    let size: usize = draft.metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
    if size > METADATA {
        return Some(format!("metadata of {size} bytes, at most {METADATA} are kept"));
    }
    draft.metadata.iter().find_map(|(name, _)| {
        if name.is_empty() {
            Some("metadata with an empty name".to_owned())
        } else if name.starts_with(RESERVED) {
            Some(format!("metadata `{name}`: names that begin with `{RESERVED}` are the host's"))
        } else {
            None
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(payload: &str, metadata: &[(&str, &str)]) -> JobDraft {
        JobDraft {
            queue: "upload-asset".to_owned(),
            name: "UploadAssetJob".to_owned(),
            payload: payload.to_owned(),
            delay: None,
            ttr: None,
            metadata: metadata.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        }
    }

    #[test]
    fn a_refusal_names_the_line_of_configuration_that_would_allow_it() {
        let granted = ["source-callback".to_owned()];
        assert_eq!(
            refusal("events", &granted, "upload-asset"),
            "plugin `events` may not push to the queue `upload-asset`; to allow it, set \
             `queues = [\"source-callback\", \"upload-asset\"]` under `[plugins.events.grants]`"
        );
        let odd = refusal("my events", &[], "a\"b");
        assert!(odd.ends_with(r#"`queues = ["a\"b"]` under `[plugins."my events".grants]`"#), "{odd}");
    }

    #[test]
    fn a_payload_is_empty_or_one_json_object() {
        assert_eq!(problem(&draft("", &[])), None);
        assert_eq!(problem(&draft(r#"{"a": [1, {"b": 1e400}]}"#, &[])), None);
        assert_eq!(problem(&draft("[1]", &[])).unwrap(), "payload is an array, not a JSON object");
        assert!(problem(&draft("{\"a\": 1} x", &[])).unwrap().starts_with("payload is not JSON: "));
        assert!(problem(&draft("{", &[])).unwrap().starts_with("payload is not JSON: "));
    }

    #[test]
    fn metadata_is_small_and_leaves_the_hosts_names_alone() {
        assert_eq!(problem(&draft("", &[("tenant", "7")])), None);
        let long = "x".repeat(METADATA);
        assert!(problem(&draft("", &[("tenant", &long)])).unwrap().contains("at most 4096"));
        assert!(problem(&draft("", &[("jobhost.parent", "1")])).unwrap().contains("the host's"));
        assert!(problem(&draft("", &[("", "1")])).is_some());
    }
}
