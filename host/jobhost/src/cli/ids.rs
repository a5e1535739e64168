//! How people name queues and jobs: `copy-asset/1`, or `1` where only one
//! queue is meant.

use std::fmt;

use jobhost_queue::JobId;
use serde::{Serialize, Serializer};

use crate::config::{Config, QueueConfig, did_you_mean};
use crate::exit::CliError;

/// A job of a queue, shown as `copy-asset/1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FullId {
    /// The queue's name.
    pub queue: String,
    /// The job's number in it.
    pub id: JobId,
}

impl FullId {
    /// A job of this queue.
    pub fn new(queue: &QueueConfig, id: JobId) -> Self {
        Self { queue: queue.name.clone(), id }
    }
}

impl fmt::Display for FullId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.queue, self.id)
    }
}

impl Serialize for FullId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The queue of this name; an unknown one is wrong usage that names those there are.
pub fn find_queue<'c>(config: &'c Config, name: &str) -> Result<&'c QueueConfig, CliError> {
    config.queue(name).ok_or_else(|| {
        CliError::Usage(format!(
            "there is no queue `{}`; configured: {}{}",
            name.escape_debug(),
            names(config),
            did_you_mean(name, config.queues.iter().map(|queue| queue.name.as_str()))
        ))
    })
}

/// The queues of these names, each once; all where none is named.
pub fn find_queues<'c>(config: &'c Config, wanted: &[String]) -> Result<Vec<&'c QueueConfig>, CliError> {
    if wanted.is_empty() {
        return Ok(config.queues.iter().collect());
    }
    let mut found: Vec<&QueueConfig> = Vec::new();
    for name in wanted {
        let queue = find_queue(config, name)?;
        if !found.iter().any(|other| other.name == queue.name) {
            found.push(queue);
        }
    }
    Ok(found)
}

/// The queue that is meant: the one named, or the only one there is.
pub fn one_queue<'c>(config: &'c Config, wanted: Option<&str>) -> Result<&'c QueueConfig, CliError> {
    match (wanted, config.queues.as_slice()) {
        (Some(name), _) => find_queue(config, name),
        (None, [only]) => Ok(only),
        (None, _) => Err(CliError::Usage(format!("which queue is meant? name it with --queue: {}", names(config)))),
    }
}

/// The job that is meant by `queue/1` or `1`. `wanted` is `--queue`.
pub fn find_job<'c>(
    config: &'c Config,
    wanted: Option<&str>,
    text: &str,
) -> Result<(&'c QueueConfig, JobId), CliError> {
    let Some((queue, number)) = text.rsplit_once('/') else {
        let id = parse_id(text)?;
        return Ok((queue_of_bare(config, wanted, id)?, id));
    };
    let queue = find_queue(config, queue)?;
    if let Some(other) = wanted
        && other != queue.name
    {
        return Err(CliError::Usage(format!(
            "`{text}` is not a job of queue `{other}`, which --queue names; leave one of them out"
        )));
    }
    Ok((queue, parse_id(number)?))
}

fn queue_of_bare<'c>(config: &'c Config, wanted: Option<&str>, id: JobId) -> Result<&'c QueueConfig, CliError> {
    match (wanted, config.queues.as_slice()) {
        (Some(name), _) => find_queue(config, name),
        (None, [only]) => Ok(only),
        (None, queues) => {
            let candidates: Vec<_> = queues.iter().map(|queue| FullId::new(queue, id).to_string()).collect();
            Err(CliError::Usage(format!("job `{id}` of which queue? write {}", candidates.join(" or "))))
        }
    }
}

fn parse_id(text: &str) -> Result<JobId, CliError> {
    text.parse().map_err(|_| {
        CliError::Usage(format!("`{}` is not a job id; ids are such as copy-asset/1 or 1", text.escape_debug()))
    })
}

fn names(config: &Config) -> String {
    let names: Vec<_> = config.queues.iter().map(|queue| queue.name.as_str()).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Request, load};

    /// Loads a configuration that has these queues.
    fn config(text: &str) -> Config {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("jobhost.toml");
        std::fs::write(&file, text).unwrap();
        load(&Request { config: Some(file), ..Request::default() }).unwrap()
    }

    fn usage<T: fmt::Debug>(result: Result<T, CliError>) -> String {
        match result {
            Err(CliError::Usage(message)) => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_bare_id_will_do_where_one_queue_is_meant() {
        let one = config("[queues.copy-asset]");
        let (queue, id) = find_job(&one, None, "7").unwrap();
        assert_eq!(FullId::new(queue, id).to_string(), "copy-asset/7");
        let two = config("[queues.copy-asset]\n[queues.upload-asset]");
        assert!(find_job(&two, None, "copy-asset/7").is_ok());
        assert!(find_job(&two, Some("copy-asset"), "7").is_ok());
        let message = usage(find_job(&two, None, "7"));
        assert!(message.contains("copy-asset/7 or upload-asset/7"), "{message}");
    }

    #[test]
    fn a_wrong_id_is_wrong_usage() {
        let two = config("[queues.a]\n[queues.b]");
        for text in ["a/", "a/0", "a/x", "a/01", "a/-1", "", "a/99999999999999999999"] {
            usage(find_job(&two, None, text));
        }
        let message = usage(find_job(&two, Some("b"), "a/1"));
        assert!(message.contains("`a/1` is not a job of queue `b`"), "{message}");
    }

    #[test]
    fn an_unknown_queue_is_answered_with_those_there_are() {
        let two = config("[queues.copy-asset]\n[queues.upload-asset]");
        let message = usage(find_queue(&two, "copy-aset"));
        assert_eq!(
            message,
            "there is no queue `copy-aset`; configured: copy-asset, upload-asset; did you mean `copy-asset`?"
        );
        assert!(usage(find_job(&two, None, "cpy-asset/1")).contains("did you mean `copy-asset`"));
        assert!(usage(one_queue(&two, None)).contains("copy-asset, upload-asset"));
    }

    #[test]
    fn queues_are_taken_once_in_the_order_they_are_named() {
        let two = config("[queues.a]\n[queues.b]");
        let names = |wanted: &[&str]| -> Vec<String> {
            let wanted: Vec<_> = wanted.iter().map(ToString::to_string).collect();
            let found = find_queues(&two, &wanted).unwrap();
            found.into_iter().map(|queue| queue.name.clone()).collect()
        };
        assert_eq!(names(&[]), ["a", "b"]);
        assert_eq!(names(&["b", "a", "b"]), ["b", "a"]);
    }
}
