//! Stores in trouble, and stores that are not the usual ones.

use std::thread;
use std::time::Duration;

use jobhost_tests::{PATIENCE, RedisServer, Workplace, guest, wait_until};
use serde_json::json;

use crate::settings::{one_guest, quoted};

on_both_stores! {
    fn many_processes_push_at_once_while_a_worker_runs(place) {
        one_guest(place, "echo", "", "");
        let worker = place.listen(&[]);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..5 {
                        place.jobhost(&["push", "--batch", "-"]).stdin("{\"name\":\"X\"}\n".repeat(50)).run().success();
                    }
                });
            }
        });
        wait_until("all done", PATIENCE, || {
            let counts = place.counts("work");
            if counts == [0, 0, 0, 1000, 0] { Ok(()) } else { Err(counts) }
        });
        let told = worker.stop();
        assert_eq!(told.stdout.matches("\"event\":\"done\"").count(), 1000, "each ran once");
    }

    fn a_busy_store_can_be_looked_at(place) {
        one_guest(place, "echo", "", "");
        let line = format!("{{\"name\":\"X\",\"payload\":{{\"text\":\"{}\"}}}}\n", "x".repeat(300));
        place.jobhost(&["push", "--batch", "-"]).stdin(line.repeat(3_000)).run().success();
        let worker = place.jobhost(&["run", "--json"]).start();
        wait_until("all done", Duration::from_mins(1), || {
            let [waiting, delayed, reserved, done, failed] = place.counts("work");
            assert_eq!(waiting + reserved + done, 3_000, "each is somewhere at every moment");
            assert_eq!((delayed, failed), (0, 0));
            if done == 3_000 { Ok(()) } else { Err(done) }
        });
        worker.end().success();
    }

    fn a_job_whose_end_cannot_be_stored_is_kept_and_holds_up_its_queue_until_it_can(place) {
        one_guest(place, "take-time", "", "");
        let mut worker = place.listen(&["--concurrency", "1"]);
        place.push("work", "X", "{\"ms\":3000}");
        place.push("work", "X", "{\"ms\":1}");
        worker.wait_for_job("started", "work/1");
        spoil(place);
        worker.wait_for_complaint("its end cannot be stored; mend what the error names");
        assert!(!worker.has_seen(|event| event["id"] == "work/2"), "nothing else of this queue runs in vain");
        mend(place);
        assert_eq!(worker.wait_for_job("done", "work/1")["attempt"], 1);
        worker.wait_for_job("done", "work/2");
        let told = worker.stop();
        assert_eq!(told.stdout.matches("\"event\":\"started\"").count(), 2, "each ran once: {told}");
        assert_eq!(told.stderr.matches("its end cannot be stored").count(), 1, "told once: {told}");
        assert!(told.stderr.contains(if place.is_redis() { "work:done" } else { "bodies" }), "{told}");
        assert_eq!(place.counts("work"), [0, 0, 0, 2, 0]);
        assert_eq!(place.status("work/1")["crashes"], json!(0));
    }

    fn run_ends_as_unavailable_when_the_end_of_a_job_cannot_be_stored(place) {
        place.configure(&format!(
            "shutdown-grace = \"1s\"\n[queues.work]\n[plugins.it]\npath = {}\njobs = [\"*\"]\n",
            quoted(&guest("take-time"))
        ));
        place.push("work", "X", "{\"ms\":3000}");
        let mut run = place.jobhost(&["run", "--json"]).start();
        run.wait_for_job("started", "work/1");
        spoil(place);
        let named = if place.is_redis() { "work:done" } else { "bodies" };
        run.end().exits_with(69).complains_clearly(&[named]);
        mend(place);
        assert_eq!(place.counts("work"), [0, 0, 1, 0, 0], "it waits for its lease to expire");
    }

    fn what_one_command_stored_the_next_one_finds(place) {
        place.configure("[queues.work]\n");
        for n in 1..=3 {
            assert_eq!(place.push("work", "X", "{}"), format!("work/{n}"));
        }
        let keys: Vec<_> = (1..=3).map(|n| place.status(&format!("work/{n}"))["key"].to_string()).collect();
        assert!(keys[0] != keys[1] && keys[1] != keys[2], "{keys:?}");
        assert_eq!(keys[0], place.status("work/1")["key"].to_string(), "a key stays");
    }
}

/// Makes the store unable to take the end of a job: a key, or a table, is not what it was.
fn spoil(place: &Workplace) {
    if place.is_redis() {
        place.server().command::<()>(&["SET", "work:done", "not ours"]);
    } else {
        change_file(place, "ALTER TABLE bodies RENAME TO elsewhere");
    }
}

fn mend(place: &Workplace) {
    if place.is_redis() {
        place.server().command::<()>(&["DEL", "work:done"]);
    } else {
        change_file(place, "ALTER TABLE elsewhere RENAME TO bodies");
    }
}

fn change_file(place: &Workplace, statement: &str) {
    let file = rusqlite::Connection::open(place.path("jobhost.db")).unwrap();
    file.busy_timeout(Duration::from_secs(10)).unwrap();
    file.execute_batch(statement).unwrap();
}

#[test]
fn a_server_behind_a_password_or_a_socket_is_reached() {
    let place = Workplace::with_redis(|folder| {
        let socket = folder.join("redis.sock").display().to_string();
        RedisServer::start_with(folder, &["--unixsocket", &socket])
    });
    place.server().command::<()>(&["ACL", "SETUSER", "worker", "on", ">sesame", "~*", "+@all"]);
    let address = place.server().address();
    let socket = place.path("redis/redis.sock").display().to_string();
    for (store, database, id) in [
        (format!("redis://worker:sesame@{address}/1"), "1", "default/1"),
        (format!("redis+unix://{socket}?db=1"), "1", "default/2"),
        (format!("redis://{address}"), "0", "default/1"),
    ] {
        let pushed = place.jobhost(&["push", "X", "--store", &store]).run().success();
        assert_eq!(pushed.text(), id, "{store}");
        let mut connection = place.server().connect();
        redis::cmd("SELECT").arg(database).exec(&mut connection).unwrap();
        let last: String = redis::cmd("GET").arg("default.message_id").query(&mut connection).unwrap();
        assert_eq!(id, format!("default/{last}"), "{store}");
    }
    let wrong = format!("redis://worker:swordfish@{address}/1");
    let refused = place.jobhost(&["info", "--store", &wrong]).run();
    assert!(matches!(refused.code, Some(2 | 69)), "{refused}");
    assert!(refused.stderr.contains(&address) && !refused.stderr.contains("swordfish"), "{refused}");
}

#[test]
fn a_server_that_takes_no_writes_is_told_as_such_and_loses_nothing() {
    let place = Workplace::redis();
    place.configure("[queues.work]\n");
    place.push("work", "X", "{}");
    place.server().command::<()>(&["CONFIG", "SET", "maxmemory", "1"]);
    place.jobhost(&["push", "X"]).run().exits_with(69).complains_clearly(&["memory"]);
    place.server().command::<()>(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(place.counts("work"), [1, 0, 0, 0, 0]);

    place.server().command::<()>(&["REPLICAOF", "127.0.0.1", "1"]);
    place.jobhost(&["push", "X"]).run().exits_with(69).complains_clearly(&["read only"]);
    place.server().command::<()>(&["REPLICAOF", "NO", "ONE"]);
    assert_eq!(place.counts("work"), [1, 0, 0, 0, 0]);
}

#[test]
fn a_key_that_holds_something_else_is_named_and_left_alone() {
    let place = Workplace::redis();
    one_guest(&place, "echo", "", "");
    place.push("work", "X", "{}");
    place.server().command::<()>(&["DEL", "work.waiting"]);
    place.server().command::<()>(&["SET", "work.waiting", "not ours"]);
    for command in [&["push", "X"][..], &["info"], &["run"]] {
        place.jobhost(command).run().exits_with(69).complains_clearly(&["work.waiting"]);
    }
    assert_eq!(place.server().command::<String>(&["GET", "work.waiting"]), "not ours");
}

#[test]
fn a_server_in_cluster_mode_is_refused() {
    let place = Workplace::with_redis(|folder| RedisServer::start_with(folder, &["--cluster-enabled", "yes"]));
    for command in [&["push", "X"][..], &["info"], &["run"]] {
        place.jobhost(command).run().exits_with(2).complains_clearly(&["Redis Cluster", "use a single server"]);
    }
}

#[test]
fn a_server_that_hangs_for_a_while_costs_no_job_and_no_attempt() {
    let place = Workplace::redis();
    one_guest(&place, "take-time", "", "");
    let mut worker = place.listen(&[]);
    place.push("work", "X", "{\"ms\":1000}");
    worker.wait_for_job("started", "work/1");
    place.server().freeze(true);
    worker.wait_for("store-lost");
    place.server().freeze(false);
    assert_eq!(worker.wait_for_job("done", "work/1")["attempt"], 1);
    place.push("work", "X", "{\"ms\":1}");
    worker.wait_for_job("done", "work/2");
    worker.stop();
    assert_eq!(place.counts("work"), [0, 0, 0, 2, 0]);
    assert_eq!(place.status("work/1")["crashes"], json!(0));
}

#[test]
fn a_job_that_fails_while_its_server_is_away_is_failed_once_it_is_back() {
    let mut place = Workplace::durable_redis();
    one_guest(&place, "sleep-forever", "attempts = 1", "");
    let mut worker = place.listen(&[]);
    place.jobhost(&["push", "X", "--ttr", "2s"]).run().success();
    worker.wait_for_job("started", "work/1");
    place.server_mut().kill();
    worker.wait_for("store-lost");
    worker.wait_for_complaint("it slept");
    assert!(!worker.has_seen(|event| event["event"] == "failed"), "nobody can know yet");
    place.server_mut().restart();
    let failed = worker.wait_for_job("failed", "work/1");
    assert_eq!(failed["record"]["cause"]["kind"], "timed-out", "{failed}");
    worker.stop();
    assert_eq!(place.counts("work"), [0, 0, 0, 0, 1]);
    assert_eq!(place.failure("work/1")["attempts"], 1);
}

#[test]
fn a_server_that_forgot_everything_is_served_anew() {
    let mut place = Workplace::redis();
    one_guest(&place, "echo", "", "");
    let mut worker = place.listen(&[]);
    place.push("work", "X", "{}");
    worker.wait_for_job("done", "work/1");
    place.server_mut().kill();
    place.server_mut().restart();
    assert_eq!(place.push("work", "Y", "{}"), "work/1", "ids begin anew");
    let again = worker.wait_until("Y", PATIENCE, |event| event["event"] == "done" && event["name"] == "Y");
    assert_eq!(again["id"], "work/1");
    worker.stop();
}

#[test]
fn two_sqlite_files_know_nothing_of_each_other() {
    let place = Workplace::bare();
    for store in ["sqlite:a.db", "sqlite:b.db?synchronous=normal"] {
        place.jobhost(&["push", "X", "--store", store]).run().success().prints("default/1");
    }
    place
        .jobhost(&["push", "X", "--store", "sqlite:b.db?synchronos=normal"])
        .run()
        .exits_with(2)
        .complains_clearly(&["synchronous"]);
}
