//! `jobhost push`: stores one job, or the lines of a batch. Every job is
//! checked before the first is stored.

use std::fmt::Write;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::time::Duration;

use jobhost_queue::{JobId, NewJob, Pushed, Store, StoreError, Token};
use jobhost_runtime::types::{JobDraft, PushError};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::args::{GlobalArgs, PushArgs};
use super::ids::{FullId, one_queue};
use super::output::Output;
use super::payload::{check_length, open_file, read_payload};
use super::{load_to_look, open};
use crate::config::{Config, QueueConfig, parse_duration};
use crate::exit::{CliError, Exit};
use crate::host::pusher;
use crate::push::MAX_PAYLOAD;

/// Jobs that are stored in one step, all or none.
const STEP: usize = 1000;
/// The longest line of a batch: a payload and what stands around it.
const MAX_LINE: usize = MAX_PAYLOAD + 4096;
/// The most bytes in one batch, since all of its jobs are held and checked
/// before any is stored.
const MAX_BATCH: usize = 1 << 30;
/// What a job takes besides its name and payload.
const JOB: usize = 256;
/// Times between tries of a step whose answer was lost.
const PAUSES: [Duration; 3] = [Duration::from_millis(100), Duration::from_millis(500), Duration::from_secs(2)];

/// A job as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Draft {
    /// The line of the batch, from 1; `None` for a single job.
    line: Option<usize>,
    name: String,
    payload: String,
    delay: Duration,
    /// `None` leaves it to the handler, else the queue.
    ttr: Option<Duration>,
}

pub(super) async fn run(global: &GlobalArgs, args: PushArgs, output: Output) -> Result<Exit, CliError> {
    let config = load_to_look(global)?;
    let queue = one_queue(&config, args.queue.as_deref())?;
    let drafts = read_drafts(&args)?;
    let ids = store_jobs(&config, queue, &drafts).await?;
    let ids: Vec<_> = ids.into_iter().map(|id| FullId::new(queue, id)).collect();
    output.answer(&json!({ "ids": ids }), |_| {
        ids.iter().fold(String::new(), |mut text, id| {
            let _ = writeln!(text, "{id}");
            text
        })
    })?;
    Ok(Exit::Success)
}

/// Checks all jobs, then stores them in steps, each all or none. The store is
/// not opened, let alone created, for a job that cannot be stored.
async fn store_jobs(config: &Config, queue: &QueueConfig, drafts: &[Draft]) -> Result<Vec<JobId>, CliError> {
    let jobs = prepare(config, queue, drafts).await?;
    let store = open(config).await?;
    let mut ids = Vec::with_capacity(jobs.len());
    for step in jobs.chunks(STEP) {
        match push_step(store.as_ref(), queue, step).await {
            Ok(stored) => ids.extend(stored),
            Err(error) if ids.is_empty() => return Err(error.into()),
            Err(error) => {
                let from = drafts.get(ids.len()).and_then(|draft| draft.line).unwrap_or(0);
                let (first, last) = (ids.first(), ids.last());
                let range = first.zip(last).map_or_else(String::new, |(first, last)| {
                    format!(" ({} to {})", FullId::new(queue, *first), FullId::new(queue, *last))
                });
                let message = format!(
                    "{} of {} jobs are stored{range}, those from line {from} on are not: {error}",
                    ids.len(),
                    jobs.len()
                );
                return Err(match error {
                    StoreError::Invalid(_) => CliError::Usage(message),
                    _ => CliError::Unavailable(message),
                });
            }
        }
    }
    Ok(ids)
}

/// Stores one step. Where the answer was lost it is sent again with its
/// token, so that nothing is stored twice.
async fn push_step(store: &dyn Store, queue: &QueueConfig, jobs: &[NewJob]) -> Result<Vec<JobId>, StoreError> {
    let token = Token::random();
    let mut pauses = PAUSES.into_iter();
    loop {
        match store.push(&queue.channel, token.clone(), None, jobs).await {
            Ok(Pushed::Stored(ids)) => return Ok(ids),
            Ok(Pushed::Lost) => {
                return Err(StoreError::invalid("the store asked for a lease that a push has not"));
            }
            Err(error) => match pauses.next().filter(|_| error.is_transient()) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Err(error),
            },
        }
    }
}

/// What is to be stored, after the queue's before-push hooks and the handlers'
/// get-ttr were asked.
async fn prepare(config: &Config, queue: &QueueConfig, drafts: &[Draft]) -> Result<Vec<NewJob>, CliError> {
    let mut names: Vec<_> = drafts.iter().map(|draft| draft.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let ttr_given = drafts.iter().all(|draft| draft.ttr.is_some());
    let pusher = pusher(config, queue, &names, ttr_given).await?;
    let mut jobs = Vec::with_capacity(drafts.len());
    for draft in drafts {
        let prepared = pusher.prepare(job_draft(draft, queue)?).await;
        jobs.push(prepared.map_err(|error| refused(draft, error))?.job);
    }
    Ok(jobs)
}

fn job_draft(draft: &Draft, queue: &QueueConfig) -> Result<JobDraft, CliError> {
    let ttr = draft.ttr.map(seconds_of_ttr).transpose();
    Ok(JobDraft {
        queue: queue.name.clone(),
        name: draft.name.clone(),
        payload: draft.payload.clone(),
        delay: Some(u64::try_from(draft.delay.as_millis()).unwrap_or(u64::MAX)).filter(|delay| *delay > 0),
        ttr: ttr.map_err(|why| CliError::Usage(format!("{}{why}", place(draft))))?,
        metadata: Vec::new(),
    })
}

fn refused(draft: &Draft, error: PushError) -> CliError {
    let place = place(draft);
    match error {
        PushError::Invalid(why) => CliError::Usage(format!("{place}{why}")),
        PushError::Rejected(why) | PushError::Denied(why) | PushError::Unavailable(why) => {
            CliError::NotSo(format!("{place}the job was refused: {why}; nothing was stored"))
        }
    }
}

fn place(draft: &Draft) -> String {
    draft.line.map(|line| format!("line {line}: ")).unwrap_or_default()
}

/// Whole seconds, rounded up.
fn seconds_of_ttr(ttr: Duration) -> Result<u32, String> {
    let seconds = ttr.as_secs() + u64::from(ttr.subsec_nanos() > 0);
    match u32::try_from(seconds) {
        Ok(0) => Err("a ttr of 0 leaves no time to run; the least is 1s".to_owned()),
        Ok(seconds) => Ok(seconds),
        Err(_) => Err("the ttr is longer than a job can run".to_owned()),
    }
}

fn read_drafts(args: &PushArgs) -> Result<Vec<Draft>, CliError> {
    let Some(batch) = &args.batch else {
        return Ok(vec![Draft {
            line: None,
            name: args.name.clone().unwrap_or_default(),
            payload: read_payload(args.payload.as_deref())?,
            delay: args.delay.unwrap_or_default(),
            ttr: args.ttr,
        }]);
    };
    if batch == Path::new("-") {
        return read_batch(io::stdin().lock(), args);
    }
    read_batch(BufReader::new(open_file(batch)?), args)
}

/// One line of a batch. `--delay` and `--ttr` hold where it says nothing.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'l> {
    name: String,
    #[serde(borrow)]
    payload: Option<&'l RawValue>,
    delay: Option<String>,
    ttr: Option<String>,
}

fn read_batch(mut source: impl BufRead, args: &PushArgs) -> Result<Vec<Draft>, CliError> {
    let mut drafts = Vec::new();
    let mut total = 0;
    for number in 1.. {
        let Some(text) = read_line(&mut source, number)? else {
            break;
        };
        if text.trim_ascii().is_empty() {
            continue;
        }
        let draft = read_draft(&text, number, args).map_err(|why| CliError::Usage(format!("line {number}: {why}")))?;
        total += draft.payload.len() + draft.name.len() + JOB;
        if total > MAX_BATCH {
            return Err(CliError::Usage(format!(
                "line {number}: the batch has more than {MAX_BATCH} bytes, {JOB} for each job counted; split it, nothing was stored"
            )));
        }
        drafts.push(draft);
    }
    Ok(drafts)
}

fn read_draft(text: &str, number: usize, args: &PushArgs) -> Result<Draft, String> {
    let line: Line<'_> = serde_json::from_str(text).map_err(|error| {
        let why = error.to_string();
        // It is a line of its own that was parsed: only the column says something.
        let why = why.replace(" at line 1 column ", " at column ");
        format!(
            "{why}; write an object such as {{\"name\":\"copy_asset\",\"payload\":{{\"task_id\":2}},\"delay\":\"5m\"}}"
        )
    })?;
    let duration = |key: &str, text: Option<String>| {
        text.map(|text| parse_duration(&text).map_err(|why| format!("{key}: {why}"))).transpose()
    };
    let payload = line.payload.map_or("{}", RawValue::get);
    check_length("the payload", payload.len()).map_err(|error| error.to_string())?;
    Ok(Draft {
        line: Some(number),
        name: line.name,
        payload: payload.to_owned(),
        delay: duration("delay", line.delay)?.or(args.delay).unwrap_or_default(),
        ttr: duration("ttr", line.ttr)?.or(args.ttr),
    })
}

/// The next line, without ever holding more than a line may have.
fn read_line(source: &mut impl BufRead, number: usize) -> Result<Option<String>, CliError> {
    let wrong = |why: String| CliError::Usage(format!("line {number}: {why}"));
    let mut bytes = Vec::new();
    io::Read::take(&mut *source, MAX_LINE as u64 + 1)
        .read_until(b'\n', &mut bytes)
        .map_err(|error| wrong(format!("the batch cannot be read: {error}")))?;
    if bytes.is_empty() {
        return Ok(None);
    }
    if bytes.len() > MAX_LINE {
        return Err(wrong(format!("it has more than {MAX_LINE} bytes; is there one JSON object on each line?")));
    }
    String::from_utf8(bytes).map(Some).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        wrong(format!("it is not UTF-8 text, first at byte {at}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Request, load};

    fn batch(text: &str) -> Result<Vec<Draft>, CliError> {
        read_batch(text.as_bytes(), &PushArgs::default())
    }

    #[test]
    fn a_batch_has_a_job_on_each_line() {
        let drafts =
            batch("{\"name\":\"a\"}\n\n{\"name\":\"b\",\"payload\":{\"x\": 1.0e+2},\"delay\":\"5m\",\"ttr\":\"90s\"}")
                .unwrap();
        assert_eq!(drafts.len(), 2);
        assert_eq!((drafts[0].line, drafts[0].payload.as_str()), (Some(1), "{}"));
        assert_eq!(drafts[0].ttr, None);
        assert_eq!(drafts[1].line, Some(3));
        assert_eq!(drafts[1].payload, "{\"x\": 1.0e+2}");
        assert_eq!(drafts[1].delay, Duration::from_mins(5));
        assert_eq!(drafts[1].ttr, Some(Duration::from_secs(90)));
    }

    #[test]
    fn options_hold_where_a_line_says_nothing() {
        let args =
            PushArgs { delay: Some(Duration::from_secs(7)), ttr: Some(Duration::from_secs(8)), ..PushArgs::default() };
        let drafts = read_batch(&b"{\"name\":\"a\"}\n{\"name\":\"b\",\"delay\":\"1s\"}"[..], &args).unwrap();
        assert_eq!(drafts[0].delay, Duration::from_secs(7));
        assert_eq!(drafts[1].delay, Duration::from_secs(1));
        assert_eq!(drafts[1].ttr, Some(Duration::from_secs(8)));
    }

    #[test]
    fn a_wrong_line_is_named() {
        for (text, parts) in [
            ("{\"name\":\"a\"}\n{\"nam\":\"a\"}", ["line 2: ", "`nam`"]),
            ("{\"name\":\"a\"}\nnope", ["line 2: ", "column 2"]),
            ("{\"payload\":{}}", ["line 1: ", "`name`"]),
            ("{\"name\":\"a\",\"delay\":5}", ["line 1: ", "string"]),
            ("{\"name\":\"a\",\"delay\":\"5\"}", ["line 1: delay: ", "\"5s\""]),
            ("{\"name\":\"a\",\"name\":\"b\"}", ["line 1: ", "duplicate"]),
        ] {
            let message = batch(text).unwrap_err().to_string();
            for part in parts {
                assert!(message.contains(part), "{text}: {message}");
            }
        }
        let long = format!("{{\"name\":\"a\",\"payload\":{{\"x\":\"{}\"}}}}", "x".repeat(MAX_LINE));
        assert!(batch(&long).unwrap_err().to_string().contains("line 1: it has more than"));
    }

    #[tokio::test]
    async fn a_job_takes_its_ttr_from_the_option_or_the_queue() {
        let folder = tempfile::tempdir().unwrap();
        let config = load(&Request { folder: folder.path().to_owned(), ..Request::default() }).unwrap();
        let prepare = async |draft: &Draft| prepare(&config, &config.queues[0], std::slice::from_ref(draft)).await;
        let mut draft = batch("{\"name\":\"app/a\",\"payload\":{\"x\":1}}").unwrap().remove(0);
        let jobs = prepare(&draft).await.unwrap();
        assert_eq!((jobs[0].ttr, jobs[0].body.as_slice()), (300, &br#"{"class":"app\/a","x":1}"#[..]));
        draft.ttr = Some(Duration::from_millis(1500));
        assert_eq!(prepare(&draft).await.unwrap()[0].ttr, 2);
        draft.ttr = Some(Duration::ZERO);
        let message = prepare(&draft).await.unwrap_err().to_string();
        assert!(message.starts_with("line 1: a ttr of 0"), "{message}");
        draft.ttr = None;
        draft.payload = "[]".into();
        let message = prepare(&draft).await.unwrap_err().to_string();
        assert!(message.starts_with("line 1: the payload is an array"), "{message}");
    }
}
