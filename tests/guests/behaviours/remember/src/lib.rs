//! Counts its calls in a static, says so on stdout and in the log, and does what `do` says; answers the number of the
//! call, what it had kept from an earlier one, and whether its clock has gone on since.

use std::cell::RefCell;
use std::fs::File;
use std::io::Read;
use std::time::Instant;

use guest::grantable_world::wasi::keyvalue::atomics;
use guest::grantable_world::wasi::keyvalue::store::{self, Bucket};
use guest::types::{Job, JobDraft, JobError};

wit_bindgen::generate!({
    path: "../../../../wit",
    world: "retryable-job-handler",
    with: {
        "jobhost:plugin/types@0.1.0": guest::types,
        "jobhost:plugin/context@0.1.0": guest::context,
        "jobhost:plugin/queue@0.1.0": guest::queue,
    },
});

#[derive(Default)]
struct Memory {
    calls: u32,
    seen: Option<Instant>,
    file: Option<File>,
    bucket: Option<Bucket>,
    ballast: Vec<u8>,
}

thread_local! {
    static MEMORY: RefCell<Memory> = RefCell::default();
}

impl Memory {
    fn next(&mut self) -> u32 {
        self.calls += 1;
        println!("call {}", self.calls);
        guest::context::log(guest::context::Level::Info, &format!("call {}", self.calls));
        self.calls
    }

    fn execute(&mut self, job: &Job) -> Result<String, JobError> {
        let calls = self.next();
        let now = Instant::now();
        let goes_on = self.seen.replace(now).is_none_or(|before| before < now);
        let kept = match (&self.file, &self.bucket) {
            (Some(_), _) => "file",
            (None, Some(_)) => "bucket",
            (None, None) => "nothing",
        };
        let path = guest::text(job, "path");
        let mut read = String::new();
        match guest::text(job, "do").as_str() {
            "fail" => {
                return Err(JobError::Temporary(guest::failure(
                    "503",
                    format!("call {calls}"),
                )));
            }
            "trap" => panic!("in call {calls}"),
            "exit" => std::process::exit(0),
            "spin" => loop {
                std::hint::black_box(());
            },
            "refused" => return Ok("no JSON".to_owned()),
            "keep-file" => {
                self.file = Some(File::open(path).map_err(|error| guest::refused(&error))?)
            }
            "keep-bucket" => {
                self.bucket =
                    Some(store::open(&guest::text(job, "bucket")).map_err(guest::permanent)?)
            }
            "keep-memory" => self.ballast = vec![1; 4 << 20],
            "read" => {
                let mut file = File::open(path).map_err(|error| guest::refused(&error))?;
                file.read_to_string(&mut read).map_err(guest::permanent)?;
            }
            "add" => {
                let bucket = store::open(&guest::text(job, "bucket")).map_err(guest::permanent)?;
                let sum = atomics::increment(&bucket, "n", 1).map_err(guest::permanent)?;
                read = sum.to_string();
            }
            "push" => {
                let draft = guest::draft("up", "FollowUp", "{}");
                guest::queue::push_now(&draft).map_err(guest::permanent)?;
            }
            _ => {}
        }
        Ok(format!(
            r#"{{"call":{calls},"kept":"{kept}","goes-on":{goes_on},"read":"{read}"}}"#
        ))
    }
}

struct Remember;

impl exports::jobhost::plugin::handler::Guest for Remember {
    fn execute(job: Job) -> Result<String, JobError> {
        MEMORY.with_borrow_mut(|memory| memory.execute(&job))
    }
}

impl exports::jobhost::plugin::time_to_run::Guest for Remember {
    fn get_ttr(_: JobDraft) -> Option<u32> {
        Some(100 * MEMORY.with_borrow_mut(Memory::next))
    }
}

impl exports::jobhost::plugin::retry_policy::Guest for Remember {
    fn can_retry(_: Job, _: guest::types::FailureCause) -> guest::types::RetryDecision {
        MEMORY.with_borrow_mut(Memory::next);
        guest::types::RetryDecision::Unchanged
    }
}

export!(Remember);
