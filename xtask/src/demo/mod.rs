//! The story of a job: assets are copied, a task without assets fails, and each
//! hands over to the next queue. Every step is checked; nothing in the store is
//! deleted, and what was there before is counted, not assumed away.

mod folder;
mod program;
mod sources;

use std::fs;

use crate::process::{Failure, root, target};
use crate::{binary, plugins};
use folder::{Folder, Source};
use program::{Counts, Jobhost};

const COPY: &str = "copy-asset";
const UPLOAD: &str = "upload-asset";
const CALLBACK: &str = "source-callback";
const COPY_JOB: &str = r"common\jobs\CopyAssetJob";
const NO_ASSETS: &str = "based on task ID: 2, the list of enabled resources is empty";

/// `cargo xtask demo`
pub(crate) fn run(store: &str) -> Result<(), Failure> {
    plugins::build_shipped()?;
    let program = binary::build()?;
    let folder = Folder::fresh(&target().join("demo"), store)?;
    let jobhost = Jobhost::new(&program, &folder.path);
    say(&format!(
        "$ cd {}\n$ PATH=\"$PWD/../debug:$PATH\"",
        folder.path.strip_prefix(root()).unwrap_or(&folder.path).display()
    ));
    let before = Before::count(&jobhost, store)?;
    a_task_is_copied(&jobhost, &folder, &before)?;
    a_task_without_assets_fails(&jobhost, &folder, &before)?;
    say("\nAll of it was as expected.");
    Ok(())
}

/// What the queues held before the story began.
struct Before {
    copy: Counts,
    upload: Counts,
    callback: Counts,
}

impl Before {
    fn count(jobhost: &Jobhost, store: &str) -> Result<Self, Failure> {
        let before =
            Self { copy: jobhost.counts(COPY)?, upload: jobhost.counts(UPLOAD)?, callback: jobhost.counts(CALLBACK)? };
        let Counts { waiting, delayed, reserved, .. } = before.copy;
        if waiting + delayed + reserved > 0 {
            return Err(Failure::new(format!(
                "The queue {COPY} in {store} has {waiting} waiting, {delayed} delayed and {reserved} reserved \
                 jobs, which the demo would run. Choose another database, such as redis://127.0.0.1:6379/15, \
                 or look at them with `jobhost info {COPY}` and, if nobody needs them, `jobhost clear {COPY}`."
            )));
        }
        Ok(before)
    }
}

fn a_task_is_copied(jobhost: &Jobhost, folder: &Folder, before: &Before) -> Result<(), Failure> {
    heading("Two files wait in the storage");
    for Source { relative, bytes } in &folder.sources {
        say(&format!("storage/{relative}  {} bytes", bytes.len()));
    }
    heading("A task with both is pushed");
    say(&format!("$ cat task-1.json\n{}", folder.task.trim_end()));
    let id = jobhost.push(&[COPY_JOB, "@task-1.json", "--queue", COPY])?;
    jobhost.story(&["info", COPY, UPLOAD])?;
    jobhost.expect(COPY, &Counts { waiting: 1, ..before.copy })?;
    jobhost.expect(UPLOAD, &before.upload)?;

    heading("The plugin copies them, the hook hands them on");
    let printed = jobhost.story(&["run", "--queue", COPY])?;
    require(&printed, "Done", &format!("job {id} to be done"))?;
    jobhost.story(&["info", COPY, UPLOAD])?;
    jobhost.expect(COPY, &Counts { done: before.copy.done + 1, ..before.copy })?;
    jobhost.expect(UPLOAD, &Counts { waiting: before.upload.waiting + 1, ..before.upload })?;
    for line in folder.compare_published()? {
        say(&line);
    }
    Ok(())
}

fn a_task_without_assets_fails(jobhost: &Jobhost, folder: &Folder, before: &Before) -> Result<(), Failure> {
    heading("The same task without assets fails");
    let payload = folder::task(2, &[]);
    let id = jobhost.push(&[COPY_JOB, payload.trim_end(), "--queue", COPY])?;
    let printed = jobhost.story(&["run", "--queue", COPY])?;
    require(&printed, &format!("35020: {NO_ASSETS}"), &format!("job {id} to fail"))?;
    jobhost.story(&["info"])?;
    let copy = Counts { done: before.copy.done + 1, failed: before.copy.failed + 1, ..before.copy };
    jobhost.expect(COPY, &copy)?;
    jobhost.expect(UPLOAD, &Counts { waiting: before.upload.waiting + 1, ..before.upload })?;
    jobhost.expect(CALLBACK, &Counts { waiting: before.callback.waiting + 1, ..before.callback })?;

    the_failure_is_told(folder)?;
    heading("The failure is kept with its cause");
    require(&jobhost.story(&["failed", "list"])?, &id, "the failed job in the list")?;
    require(&jobhost.story(&["failed", "show", &id])?, NO_ASSETS, "the cause of the failure")
}

fn the_failure_is_told(folder: &Folder) -> Result<(), Failure> {
    heading("The hook wrote it down and told the source");
    let log = folder.path.join("logs/publish-log.jsonl");
    let entries = fs::read_to_string(&log)
        .map_err(|error| Failure::new(format!("Expected an entry in {}: {error}.", log.display())))?;
    say(&format!("$ cat logs/publish-log.jsonl\n{}", entries.trim_end()));
    for part in [r#""code":"35020""#, &format!(r#""message":"{NO_ASSETS}""#), r#""task_id":2"#] {
        require(&entries, part, "an entry for task 2 in the publish log")?;
    }
    if entries.lines().count() != 1 {
        return Err(Failure::new("Expected one entry in the publish log, for task 2 alone."));
    }
    Ok(())
}

fn require(text: &str, part: &str, what: &str) -> Result<(), Failure> {
    if text.contains(part) {
        return Ok(());
    }
    Err(Failure::new(format!("Expected {what}: there is no `{part}` in what is shown above.")))
}

fn heading(text: &str) {
    println!("\n# {text}");
}

fn say(text: &str) {
    println!("{text}");
}
