//! SQLite files in trouble: locked, without room, moved away, not to be
//! written, or left by a process that was killed.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use jobhost_tests::chaos::leftovers;
use jobhost_tests::{PATIENCE, Workplace, wait_until};
use rusqlite::Connection;

use crate::settings::{go, marked, marked_jobs, marked_to_hand_on, marked_until_go, marks, set_grace};

/// A place whose file has been used.
fn used() -> Workplace {
    let place = Workplace::sqlite();
    marked_jobs(&place);
    place.push("other", "X", &marked("before", 1));
    place.run("other");
    place
}

/// A job runs when the trouble begins, and ends amid it; both ways to it are given the place.
#[track_caller]
fn outlast(place: &Workplace, word: &str, trouble: impl FnOnce(&Workplace), mend: impl FnOnce(&Workplace)) {
    let mut worker = place.listen(&["--queue", "work"]);
    place.push("work", "X", &marked_until_go("first"));
    worker.wait_for_job("started", "work/1");
    trouble(place);
    let lost = worker.wait_for("store-lost");
    assert!(lost["reason"].as_str().unwrap().contains(word), "{lost}");
    go(place);
    wait_until("the job's end", PATIENCE, || match marks(place, "first") {
        (1, 1) => Ok(()),
        other => Err(other),
    });
    assert!(!worker.has_seen(|event| event["event"] == "done"), "nobody knows yet");
    mend(place);
    worker.wait_for("store-back");
    assert_eq!(worker.wait_for_job("done", "work/1")["attempt"], 1);
    assert_eq!(place.push("work", "X", &marked("second", 1)), "work/2", "what was refused is not stored");
    assert_eq!(worker.wait_for_job("done", "work/2")["attempt"], 1);
    worker.stop();
    assert_eq!(marks(place, "first"), (1, 1), "it ran once");
    assert_eq!(place.counts("work"), [0, 0, 0, 2, 0]);
    assert_eq!(place.counts("next"), [1, 0, 0, 0, 0], "it was handed on once");
}

#[test]
fn a_worker_outlasts_that_another_process_locks_its_file() {
    let place = used();
    let locker = Connection::open(place.path("jobhost.db")).unwrap();
    outlast(
        &place,
        "is locked by process",
        |place| {
            locker.execute_batch("BEGIN IMMEDIATE").unwrap();
            go(place);
            let refused = place.jobhost(&["push", "X", &marked("refused", 1), "--queue", "work"]).run();
            refused.exits_with(69).complains_clearly(&[&format!("locked by process {}", std::process::id())]);
        },
        |_| locker.execute_batch("ROLLBACK").unwrap(),
    );
    drop(locker);
    run_the_rest(&place);
}

#[test]
fn a_worker_outlasts_that_its_file_is_moved_away() {
    let place = used();
    let names = ["jobhost.db", "jobhost.db-wal", "jobhost.db-shm"];
    let elsewhere = place.make_folder("elsewhere");
    let mv = |from: &Path, to: &Path| names.iter().for_each(|name| fs::rename(from.join(name), to.join(name)).unwrap());
    let here = place.path("");
    outlast(&place, "put it back", |_| mv(&here, &elsewhere), |_| mv(&elsewhere, &here));
    run_the_rest(&place);
}

#[test]
fn a_file_that_was_replaced_is_told_and_served_after_a_start() {
    let place = used();
    let mut worker = place.listen(&["--queue", "work"]);
    for name in ["jobhost.db", "jobhost.db-wal", "jobhost.db-shm"] {
        fs::remove_file(place.path(name)).unwrap();
    }
    assert!(worker.wait_for("store-lost")["reason"].as_str().unwrap().contains("start again"));
    assert_eq!(place.push("work", "X", &marked("new", 1)), "work/1");
    let mut heir = place.listen(&["--queue", "work"]);
    heir.wait_for_job("done", "work/1");
    // The end of the one that has the old file open takes nothing of the new one along.
    place.push("work", "X", &marked("newer", 1));
    heir.wait_for_job("done", "work/2");
    worker.stop();
    heir.kill();
    assert_eq!(place.counts("work"), [0, 0, 0, 2, 0]);
    assert_eq!(leftovers(&place), [""; 0]);
}

/// What a full disk says is told by a limit of sizes too, where no file system may be mounted.
#[test]
fn a_disk_without_room_is_told_and_costs_no_job() {
    let place = used();
    place.push("work", "X", &marked_to_hand_on("first", 1));
    let body = format!("{{\"x\":\"{}\"}}", "x".repeat(100_000));
    let pushed = place.jobhost(&["push", "X", &body, "--queue", "work"]).files_at_most(64 << 10, true).run();
    pushed.exits_with(69).complains_clearly(&["jobhost.db"]);
    assert_eq!(place.counts("work"), [1, 0, 0, 0, 0]);

    set_grace(&place, "1s");
    let run = place.jobhost(&["run", "--json", "--queue", "work"]).files_at_most(33 << 10, true);
    let mut run = run.start();
    run.wait_for("store-lost");
    // With room again it goes on; a limit cannot be taken back, so another one does.
    run.signal(nix::sys::signal::Signal::SIGTERM);
    run.end().success();
    assert_eq!(leftovers(&place).iter().filter(|line| line.contains("damaged")).count(), 0);
    let heir = place.listen(&["--queue", "work"]);
    wait_until("the job's end", Duration::from_mins(1), || match place.counts("work") {
        [0, 0, 0, 1, 0] => Ok(()),
        other => Err(other),
    });
    heir.stop();
    assert_eq!(place.counts("next"), [1, 0, 0, 0, 0]);
    run_the_rest(&place);
}

#[test]
fn a_worker_outlasts_that_its_disk_is_full() {
    let place = Workplace::sqlite();
    let folder = place.make_folder("disk");
    let Some(_disk) = SmallDisk::mount(&folder) else {
        crate::settings::tell("no file system can be mounted here");
        return;
    };
    marked_jobs(&place);
    let configured = String::from_utf8(place.read("jobhost.toml")).unwrap();
    place.configure_with(&configured.replace("sqlite:jobhost.db", "sqlite:disk/jobhost.db"));
    let filler = place.path("disk/filler");
    outlast(
        &place,
        "no space is left",
        |place| {
            let error = fs::write(&filler, vec![0; 8 << 20]).unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::StorageFull, "{error}");
            go(place);
            // What is left of the log's last page is used up first.
            let body = format!("{{\"x\":\"{}\"}}", "x".repeat(100_000));
            let refused = place.jobhost(&["push", "X", &body, "--queue", "work"]).run();
            refused.exits_with(69).complains_clearly(&["no space is left"]);
        },
        |_| fs::remove_file(&filler).unwrap(),
    );
}

#[test]
fn a_file_that_may_not_be_written_is_told_as_such() {
    let place = used();
    if fs::metadata(place.path("jobhost.db")).unwrap().uid() == 0 {
        // Permissions say nothing to root; a folder in place of the log does.
        fs::create_dir(place.path("jobhost.db-wal")).unwrap();
    } else {
        let mut permissions = fs::metadata(place.path("jobhost.db")).unwrap().permissions();
        permissions.set_readonly(true);
        fs::set_permissions(place.path("jobhost.db"), permissions).unwrap();
    }
    for command in [&["push", "X", "--queue", "work"][..], &["run"], &["listen"]] {
        place.jobhost(command).run().exits_with(69).complains_clearly(&["jobhost.db"]);
    }
}

#[test]
fn pushers_that_are_killed_amid_their_commits_lose_nothing_that_they_told_and_damage_nothing() {
    let place = used();
    let mut told = 0;
    for n in 0_u64..40 {
        let mut pusher =
            place.jobhost(&["push", "--queue", "work", "--batch", "-"]).stdin("{\"name\":\"X\"}\n".repeat(300));
        if n % 2 == 0 {
            pusher = pusher.files_at_most((33 << 10) + n * 3_000, false);
        }
        let ended = pusher.run();
        told += ended.lines().len() as u64;
        assert!(ended.code.is_none() || ended.code == Some(0), "{ended}");
    }
    let [waiting, ..] = place.counts("work");
    assert!(waiting >= told && waiting % 300 == 0, "each batch is stored whole or not at all: {waiting}, told {told}");
    assert!(told < 40 * 300, "some were killed");
    assert_eq!(leftovers(&place).iter().filter(|line| line.contains("damaged")).count(), 0);
}

fn run_the_rest(place: &Workplace) {
    place.run("next");
    assert_eq!(leftovers(place), [""; 0]);
}

/// A file system of 4 MiB in memory; it is gone when it is dropped.
struct SmallDisk<'p>(&'p Path);

impl<'p> SmallDisk<'p> {
    /// `None` where that is not permitted.
    fn mount(folder: &'p Path) -> Option<Self> {
        use nix::mount::{MsFlags, mount};
        mount(Some("jobhost"), folder, Some("tmpfs"), MsFlags::empty(), Some("size=4m")).ok().map(|()| Self(folder))
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        // A worker that was just killed may still hold it for a moment.
        for _ in 0..100 {
            if nix::mount::umount(self.0).is_ok() {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}
