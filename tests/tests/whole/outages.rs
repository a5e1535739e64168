//! Redis servers that refuse, load, hang, go away or come back empty: what
//! `listen`, `push` and `run` make of each.

use std::fs;
use std::thread;

use jobhost_tests::{PATIENCE, RedisServer, Worker, Workplace, wait_until};
use redis::Connection;

use crate::settings::{go, marked, marked_jobs, marked_until_go, marks};

/// A server in trouble: how that begins and ends, and what of it people read.
struct Trouble {
    begins: fn(&Workplace, &mut Connection),
    ends: fn(&Workplace, &mut Connection),
    word: &'static str,
    /// With what `push` ends.
    push: i32,
    /// Whether `run` begins, and waits.
    run_waits: bool,
}

#[test]
fn a_worker_outlasts_that_its_server_is_a_replica_for_a_while() {
    outlast(&Trouble {
        begins: |_, server| say(server, "REPLICAOF 127.0.0.1 1"),
        ends: |_, server| say(server, "REPLICAOF NO ONE"),
        word: "read only",
        push: 69,
        run_waits: true,
    });
}

#[test]
fn a_worker_outlasts_that_its_server_has_no_memory_left() {
    outlast(&Trouble {
        begins: |_, server| say(server, "CONFIG SET maxmemory 1"),
        ends: |_, server| say(server, "CONFIG SET maxmemory 0"),
        word: "maxmemory",
        push: 69,
        run_waits: true,
    });
}

#[test]
fn a_worker_outlasts_that_its_server_cannot_save() {
    outlast(&Trouble {
        begins: |place, server| {
            // A folder in its place keeps the file from being written, for root too.
            place.make_folder("redis/dump.rdb");
            say(server, "CONFIG SET save 3600#1");
            say(server, "BGSAVE");
            wait_until("the save to fail", PATIENCE, || {
                let info: String = redis::cmd("INFO").arg("persistence").query(server).unwrap();
                if info.contains("rdb_last_bgsave_status:err") { Ok(()) } else { Err(info) }
            });
        },
        ends: |_, server| say(server, "CONFIG SET stop-writes-on-bgsave-error no"),
        word: "MISCONF",
        push: 69,
        run_waits: true,
    });
}

#[test]
fn a_worker_outlasts_that_its_server_misses_its_replicas() {
    outlast(&Trouble {
        begins: |_, server| say(server, "CONFIG SET min-replicas-to-write 1"),
        ends: |_, server| say(server, "CONFIG SET min-replicas-to-write 0"),
        word: "NOREPLICAS",
        push: 69,
        run_waits: true,
    });
}

#[test]
fn a_worker_outlasts_that_its_server_is_busy_with_a_script() {
    outlast(&Trouble {
        begins: |place, server| {
            say(server, "CONFIG SET busy-reply-threshold 50");
            let mut other = place.server().connect();
            thread::spawn(move || redis::cmd("EVAL").arg("while true do end").arg(0).exec(&mut other));
            wait_until("the server to be busy", PATIENCE, || match redis::cmd("PING").query::<String>(server) {
                Err(error) if error.to_string().contains("BUSY") => Ok(()),
                other => Err(format!("{other:?}")),
            });
        },
        ends: |_, server| say(server, "SCRIPT KILL"),
        word: "BUSY",
        push: 69,
        run_waits: false,
    });
}

#[test]
fn a_worker_outlasts_that_its_server_has_another_password_for_a_while() {
    outlast(&Trouble {
        begins: |_, server| {
            say(server, "CONFIG SET requirepass sesame");
            say(server, "CLIENT KILL TYPE normal");
        },
        ends: |_, server| redis::cmd("CONFIG").arg("SET").arg("requirepass").arg("").exec(server).unwrap(),
        word: "Authentication required",
        push: 2,
        run_waits: false,
    });
}

#[test]
fn a_worker_outlasts_that_its_server_is_full_of_clients() {
    outlast(&Trouble {
        begins: |_, server| {
            say(server, "CONFIG SET maxclients 1");
            say(server, "CLIENT KILL TYPE normal");
        },
        ends: |_, server| say(server, "CONFIG SET maxclients 1000"),
        // What the server says it says before it is asked, so that it may be lost with the connection.
        word: "is not available",
        push: 69,
        run_waits: false,
    });
}

/// A job runs when the trouble begins, and ends amid it.
#[track_caller]
fn outlast(trouble: &Trouble) {
    let place = Workplace::durable_redis();
    marked_jobs(&place);
    let mut worker = place.listen(&["--queue", "work"]);
    place.push("other", "X", &marked("other", 1));
    place.push("work", "X", &marked_until_go("first"));
    worker.wait_for_job("started", "work/1");
    let mut server = place.server().connect();
    (trouble.begins)(&place, &mut server);
    let lost = worker.wait_for("store-lost");
    assert!(lost["reason"].as_str().unwrap().contains(&place.server().address()), "{lost}");
    go(&place);

    let pushed = place.jobhost(&["push", "X", &marked("refused", 1), "--queue", "work"]).run().exits_with(trouble.push);
    pushed.complains_clearly(&[trouble.word, &place.server().address()]);
    let run = place.jobhost(&["run", "--queue", "other", "--json"]);
    let waiting = if trouble.run_waits {
        let mut run = run.start();
        let lost = run.wait_for("store-lost");
        assert!(lost["reason"].as_str().unwrap().contains(trouble.word), "{lost}");
        Some(run)
    } else {
        run.run().exits_with(trouble.push).complains_clearly(&[trouble.word]);
        None
    };
    wait_until("the job's end", PATIENCE, || match marks(&place, "first") {
        (1, 1) => Ok(()),
        other => Err(other),
    });
    assert!(!worker.has_seen(|event| event["event"] == "done"), "nobody knows yet");

    (trouble.ends)(&place, &mut server);
    worker.wait_for("store-back");
    let done = worker.wait_for_job("done", "work/1");
    assert_eq!(done["attempt"], 1, "{done}");
    if let Some(mut run) = waiting {
        run.wait_for_job("done", "other/1");
        run.end().success();
    }
    all_is_well_after(&place, worker);
}

/// The job of before ran once and was handed on once; a new one runs.
#[track_caller]
fn all_is_well_after(place: &Workplace, mut worker: Worker) {
    assert_eq!(marks(place, "first"), (1, 1), "it ran once");
    assert_eq!(place.push("work", "X", &marked("second", 1)), "work/2", "what was refused is not stored");
    assert_eq!(worker.wait_for_job("done", "work/2")["attempt"], 1);
    let told = worker.stop();
    let events = |kind| told.stdout.matches(&format!("\"event\":\"{kind}\"")).count();
    assert_eq!((events("store-lost"), events("store-back")), (1, 1), "one trouble is told once: {told}");
    assert_eq!(place.counts("work"), [0, 0, 0, 2, 0]);
    assert_eq!(place.counts("next"), [1, 0, 0, 0, 0], "it was handed on once");
    assert_eq!(marks(place, "refused"), (0, 0));
}

#[test]
fn a_worker_outlasts_that_its_server_pauses_its_clients() {
    let place = Workplace::durable_redis();
    marked_jobs(&place);
    let mut worker = place.listen(&["--queue", "work"]);
    place.push("work", "X", &marked_until_go("first"));
    worker.wait_for_job("started", "work/1");
    // Longer than anybody waits for an answer, so that calls are sent again while the first ones still wait.
    place.server().command::<()>(&["CLIENT", "PAUSE", "4500", "ALL"]);
    go(&place);
    place
        .jobhost(&["push", "X", &marked("refused", 1), "--queue", "work"])
        .run()
        .exits_with(69)
        .complains_clearly(&["timed out"]);
    worker.wait_for("store-back");
    assert_eq!(worker.wait_for_job("done", "work/1")["attempt"], 1);
    all_is_well_after(&place, worker);
}

#[test]
fn a_worker_outlasts_that_its_server_loads_its_data() {
    let mut place = Workplace::durable_redis();
    marked_jobs(&place);
    let mut server = place.server().connect();
    for key in 0..100 {
        redis::cmd("SET").arg(format!("another program's {key}")).arg("x".repeat(2_000)).exec(&mut server).unwrap();
    }
    rewrite_log(&mut server);
    let mut worker = place.listen(&["--queue", "work"]);
    place.push("work", "X", &marked_until_go("first"));
    worker.wait_for_job("started", "work/1");
    place.server_mut().kill();
    go(&place);
    // So many microseconds for each key, and clients are heard after so many bytes.
    place.server_mut().restart_with(&["--key-load-delay", "60000", "--loading-process-events-interval-bytes", "1024"]);
    let pushed = wait_until("a push to meet a server that loads", PATIENCE, || {
        let pushed = place.jobhost(&["push", "X", &marked("refused", 1), "--queue", "work"]).run();
        if pushed.stderr.contains("loading the dataset") { Ok(pushed) } else { Err(pushed.stderr) }
    });
    pushed.exits_with(69).complains_clearly(&[&place.server().address()]);
    let mut run = place.jobhost(&["run", "--queue", "work", "--json"]).start();
    let lost = run.wait_for("store-lost");
    assert!(lost["reason"].as_str().unwrap().contains("loading the dataset"), "{lost}");
    worker.wait_for("store-back");
    assert_eq!(worker.wait_for_job("done", "work/1")["attempt"], 1);
    run.end().success();
    all_is_well_after(&place, worker);
}

#[test]
fn a_job_that_runs_while_its_server_forgets_everything_settles_nothing_and_its_worker_goes_on() {
    let mut place = Workplace::with_redis(RedisServer::start);
    marked_jobs(&place);
    let mut worker = place.listen(&["--queue", "work"]);
    place.push("work", "X", &marked_until_go("first"));
    worker.wait_for_job("started", "work/1");
    place.server_mut().kill();
    worker.wait_for("store-lost");
    place.server_mut().restart();
    go(&place);
    worker.wait_for("store-back");
    worker.wait_for_job("lost", "work/1");
    assert_eq!(place.counts("next"), [0, 0, 0, 0, 0], "its follow-up is gone with it");
    assert_eq!(place.push("work", "X", &marked("second", 1)), "work/1", "ids begin anew");
    let again = worker.wait_for_job("done", "work/1");
    assert_eq!(again["attempt"], 1, "{again}");
    worker.stop();
    assert_eq!(place.counts("work"), [0, 0, 0, 1, 0]);
    assert!(fs::read_to_string(place.path("marks/second")).is_ok());
}

#[test]
fn a_server_that_is_absent_is_told_by_every_command_that_does_not_wait_for_it() {
    let mut place = Workplace::durable_redis();
    marked_jobs(&place);
    place.server_mut().kill();
    // `listen` waits for it instead.
    for command in
        [&["push", "X", "--queue", "work"][..], &["info"], &["run"], &["status", "work/1"], &["failed", "list"]]
    {
        place.jobhost(command).run().exits_with(69).complains_clearly(&[&place.server().address(), "refused"]);
    }
}

/// Has the server write all that it holds as a snapshot: only that can be made slow to load.
fn rewrite_log(server: &mut Connection) {
    say(server, "CONFIG SET rdbcompression no");
    say(server, "BGREWRITEAOF");
    wait_until("the log to be written anew", PATIENCE, || {
        let info: String = redis::cmd("INFO").arg("persistence").query(server).unwrap();
        let written = ["aof_rewrite_in_progress:0", "aof_rewrite_scheduled:0"].iter().all(|part| info.contains(part));
        if written { Ok(()) } else { Err(info) }
    });
}

/// Runs a command given as words; `#` stands for a space within one.
#[track_caller]
fn say(server: &mut Connection, words: &str) {
    let mut words = words.split(' ').map(|word| word.replace('#', " "));
    let mut command = redis::cmd(&words.next().unwrap());
    words.for_each(|word| {
        command.arg(word);
    });
    command.exec(server).unwrap();
}
