//! `jobhost failed retry` and `failed remove`: jobs leave the failed set.

use std::collections::HashSet;
use std::fmt::Write;

use jobhost_queue::{JobId, Store, Token};
use serde_json::json;

use super::PAGE;
use crate::cli::args::{FailedRemoveArgs, FailedRetryArgs};
use crate::cli::ids::{FullId, find_job, find_queues};
use crate::cli::open_to_look;
use crate::cli::output::Output;
use crate::config::{Config, QueueConfig};
use crate::exit::{CliError, Exit};

/// What became of a job that was asked for.
pub(super) struct Answer {
    pub(super) id: FullId,
    /// The id it has now; `None` where it was not in the failed set.
    pub(super) now: Option<FullId>,
}

pub(super) async fn retry(config: &Config, args: &FailedRetryArgs, output: Output) -> Result<Exit, CliError> {
    let mut answers = Vec::new();
    if args.all {
        let wanted: Vec<_> = args.queue.iter().cloned().collect();
        let queues = find_queues(config, &wanted)?;
        if let Some(store) = open_to_look(config).await? {
            for queue in queues {
                retry_all(store.as_ref(), queue, &mut answers).await?;
            }
        }
    } else {
        let grouped = by_queue(config, args.queue.as_deref(), &args.ids)?;
        let store = open_to_look(config).await?;
        for (queue, ids) in grouped {
            match &store {
                Some(store) => retry_some(store.as_ref(), queue, &ids, &mut answers).await?,
                None => answers.extend(missing(queue, &ids)),
            }
        }
    }
    finish(&answers, "retried", output)
}

pub(super) async fn remove(config: &Config, args: &FailedRemoveArgs, output: Output) -> Result<Exit, CliError> {
    let grouped = by_queue(config, args.queue.as_deref(), &args.ids)?;
    let store = open_to_look(config).await?;
    let mut answers = Vec::new();
    for (queue, ids) in grouped {
        let Some(store) = &store else {
            answers.extend(missing(queue, &ids));
            continue;
        };
        for page in ids.chunks(PAGE as usize) {
            let removed = store.remove_failed(&queue.channel, page).await?;
            answers.extend(page.iter().zip(removed).map(|(id, removed)| Answer {
                id: FullId::new(queue, *id),
                now: removed.then(|| FullId::new(queue, *id)),
            }));
        }
    }
    finish(&answers, "removed", output)
}

/// The jobs that are meant, each once, by queue.
fn by_queue<'c>(
    config: &'c Config,
    wanted: Option<&str>,
    texts: &[String],
) -> Result<Vec<(&'c QueueConfig, Vec<JobId>)>, CliError> {
    let mut grouped: Vec<(&QueueConfig, Vec<JobId>)> = Vec::new();
    for text in texts {
        let (queue, id) = find_job(config, wanted, text)?;
        match grouped.iter_mut().find(|(other, _)| other.name == queue.name) {
            Some((_, ids)) if ids.contains(&id) => {}
            Some((_, ids)) => ids.push(id),
            None => grouped.push((queue, vec![id])),
        }
    }
    Ok(grouped)
}

async fn retry_some(
    store: &dyn Store,
    queue: &QueueConfig,
    ids: &[JobId],
    answers: &mut Vec<Answer>,
) -> Result<(), CliError> {
    for page in ids.chunks(PAGE as usize) {
        let now = store.retry_failed(&queue.channel, Token::random(), page).await?;
        answers.extend(
            page.iter()
                .zip(now)
                .map(|(id, now)| Answer { id: FullId::new(queue, *id), now: now.map(|now| FullId::new(queue, now)) }),
        );
    }
    Ok(())
}

/// Retries as many as there are now, the oldest first. Those that fail again
/// meanwhile are not retried for ever.
pub(super) async fn retry_all(
    store: &dyn Store,
    queue: &QueueConfig,
    answers: &mut Vec<Answer>,
) -> Result<(), CliError> {
    let mut left = store.counts(&queue.channel).await?.failed;
    while left > 0 {
        let limit = u32::try_from(left).unwrap_or(PAGE).min(PAGE);
        let offset = left - u64::from(limit);
        let page = store.failed(&queue.channel, offset, limit).await?;
        let mut ids: Vec<_> = page.iter().rev().map(|job| job.id).collect();
        // Ids restart when a PHP program clears a queue: one id, several jobs.
        let mut seen = HashSet::new();
        ids.retain(|id| seen.insert(*id));
        let before = answers.len();
        retry_some(store, queue, &ids, answers).await?;
        let retried = answers[before..].iter().filter(|answer| answer.now.is_some());
        match retried.count() as u64 {
            0 => break,
            retried => left = left.saturating_sub(retried),
        }
    }
    answers.retain(|answer| answer.now.is_some());
    Ok(())
}

fn missing<'i>(queue: &'i QueueConfig, ids: &'i [JobId]) -> impl Iterator<Item = Answer> + 'i {
    ids.iter().map(|id| Answer { id: FullId::new(queue, *id), now: None })
}

/// Tells of each job. That one was not there is not so bad that the others
/// would not count, but the exit code says it.
fn finish(answers: &[Answer], done: &str, output: Output) -> Result<Exit, CliError> {
    let changed: Vec<_> = answers
        .iter()
        .filter_map(|answer| answer.now.as_ref().map(|now| json!({ "id": answer.id, "now": now })))
        .collect();
    let missing: Vec<_> = answers.iter().filter(|answer| answer.now.is_none()).map(|answer| &answer.id).collect();
    output.answer(&json!({ done: changed, "missing": missing }), |_| {
        let mut text = String::new();
        for answer in answers {
            let _ = match &answer.now {
                Some(now) if *now == answer.id => writeln!(text, "{now} is {done}"),
                Some(now) => writeln!(text, "{} is {done} as {now}", answer.id),
                None => continue,
            };
        }
        if answers.is_empty() {
            text.push_str("no failed jobs\n");
        }
        text
    })?;
    if missing.is_empty() {
        return Ok(Exit::Success);
    }
    let ids: Vec<_> = missing.iter().map(ToString::to_string).collect();
    Err(CliError::NotSo(format!("not in the failed set: {}; `jobhost failed list` shows what is", ids.join(", "))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Request, load};

    #[test]
    fn ids_are_grouped_by_queue_and_taken_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("jobhost.toml");
        std::fs::write(&file, "[queues.b]\n[queues.a]\n").unwrap();
        let config = load(&Request { config: Some(file), ..Request::default() }).unwrap();
        let texts = ["a/2", "b/1", "a/1", "a/2"].map(str::to_owned);
        let grouped = by_queue(&config, None, &texts).unwrap();
        let shown: Vec<_> = grouped
            .iter()
            .map(|(queue, ids)| (queue.name.as_str(), ids.iter().map(|id| id.0).collect::<Vec<_>>()))
            .collect();
        assert_eq!(shown, [("a", vec![2, 1]), ("b", vec![1])]);
        assert!(by_queue(&config, None, &["3".to_owned()]).is_err());
    }
}
