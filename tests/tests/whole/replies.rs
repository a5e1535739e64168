//! Replies that are lost, cut, held back, and connections that break, between
//! the program and its Redis server: nothing runs twice for it and nothing is
//! lost.

use std::time::Duration;

use jobhost_tests::{Fate, PATIENCE, Request, Workplace, wait_until};

use crate::settings::{go, marked, marked_jobs, marked_to_hand_on, marked_until_go, marks, one_guest};

/// Becomes of the first command of this name; all others pass.
fn first(name: &'static str, fate: Fate) -> impl FnMut(&Request) -> Fate + Send {
    let mut fate = Some(fate);
    move |request| if request.is(name) { fate.take().unwrap_or(Fate::Pass) } else { Fate::Pass }
}

#[test]
fn a_reply_that_is_lost_or_cut_anywhere_makes_nothing_happen_twice() {
    let place = Workplace::proxied_redis();
    marked_jobs(&place);
    let mut worker = place.listen(&["--queue", "work"]);
    let mut jobs = 0;
    for (script, cut_at) in [("reserve", &[0, 1, 7, 40, 150][..]), ("settle", &[0, 1, 6, 12]), ("extend", &[0, 3])] {
        for kept in cut_at {
            jobs += 1;
            place.proxy().rule(first(script, Fate::CutReply(*kept)));
            let mark = format!("{script}-{kept}");
            // Long enough for its lease to be extended, where that is what breaks.
            let ms = if script == "extend" { 3_500 } else { 1 };
            let id = place.push("work", "X", &marked_to_hand_on(&mark, ms));
            let done = worker.wait_for_job("done", &id);
            assert_eq!(done["attempt"], 1, "{mark}: {done}");
            assert_eq!(marks(&place, &mark), (1, 1), "{mark} ran once");
        }
    }
    let told = worker.stop();
    assert_eq!(told.stdout.matches("\"event\":\"started\"").count(), jobs, "{told}");
    let jobs = jobs as u64;
    assert_eq!(place.counts("work"), [0, 0, 0, jobs, 0]);
    assert_eq!(place.counts("next"), [jobs, 0, 0, 0, 0], "each was handed on once");
}

#[test]
fn a_push_whose_reply_is_lost_or_cut_stores_once_and_tells_its_id() {
    let place = Workplace::proxied_redis();
    place.configure("[queues.work]\n");
    for (n, kept) in [(1, 0), (2, 1), (3, 5), (4, 11)] {
        place.proxy().rule(first("push", Fate::CutReply(kept)));
        assert_eq!(place.push("work", "X", "{}"), format!("work/{n}"));
    }
    place.proxy().rule(|request| if request.is("push") { Fate::CutReply(0) } else { Fate::Pass });
    place.jobhost(&["push", "X"]).run().exits_with(69).complains_clearly(&[&place.proxy().address()]);
    place.proxy().pass();
    assert_eq!(place.counts("work"), [5, 0, 0, 0, 0], "however often it was sent");
}

#[test]
fn however_many_replies_are_lost_each_job_runs_and_is_handed_on_once() {
    let place = Workplace::proxied_redis();
    one_guest(&place, "push-follow-up", "", "grants = { queues = [\"next\"] }\n[queues.next]");
    let line = "{\"name\":\"X\",\"payload\":{\"queue\":\"next\",\"payload\":\"{}\"}}\n";
    place.jobhost(&["push", "--queue", "work", "--batch", "-"]).stdin(line.repeat(300)).run().success();
    let mut nth = 0;
    place.proxy().rule(move |request| {
        // A client that gets no script loaded, or no INFO answered, has no chance.
        nth += usize::from(request.is("EVALSHA"));
        if request.is("EVALSHA") && nth % 5 == 0 { Fate::CutReply(nth / 5 % 9) } else { Fate::Pass }
    });
    let run = place.jobhost(&["run", "--json", "--queue", "work", "--concurrency", "8"]).run().success();
    place.proxy().pass();
    assert_eq!(run.stdout.matches("\"event\":\"started\"").count(), 300, "{run}");
    assert_eq!(run.stdout.matches("\"event\":\"done\"").count(), 300, "{run}");
    assert_eq!(place.counts("work"), [0, 0, 0, 300, 0]);
    assert_eq!(place.counts("next"), [300, 0, 0, 0, 0]);
}

#[test]
fn replies_that_come_too_late_cost_no_job_and_no_attempt() {
    let place = Workplace::proxied_redis();
    marked_jobs(&place);
    // Its scripts are loaded: a settlement then is a single command.
    place.push("other", "X", &marked("before", 1));
    let mut worker = place.listen(&["--queue", "work", "--queue", "other"]);
    worker.wait_for_job("done", "other/1");
    place.push("work", "X", &marked_until_go("first"));
    worker.wait_for_job("started", "work/1");
    place.proxy().hold(true);
    go(&place);
    worker.wait_for("store-lost");
    // The server has done what it was asked; nobody has heard of it.
    wait_until("the settlement", PATIENCE, || match place.server().command::<u64>(&["LLEN", "next.waiting"]) {
        1 => Ok(()),
        other => Err(other),
    });
    assert!(!worker.has_seen(|event| event["event"] == "done" && event["id"] == "work/1"), "nobody knows yet");
    place.proxy().hold(false);
    worker.wait_for("store-back");
    assert_eq!(worker.wait_for_job("done", "work/1")["attempt"], 1);
    worker.stop();
    assert_eq!(marks(&place, "first"), (1, 1));
    assert_eq!(place.counts("work"), [0, 0, 0, 1, 0]);
    assert_eq!(place.counts("next"), [1, 0, 0, 0, 0]);
}

#[test]
fn connections_that_are_refused_for_a_while_cost_no_job_and_no_attempt() {
    let place = Workplace::proxied_redis();
    marked_jobs(&place);
    let mut worker = place.listen(&["--queue", "work"]);
    place.push("work", "X", &marked_until_go("first"));
    worker.wait_for_job("started", "work/1");
    place.proxy().refuse(true);
    worker.wait_for("store-lost");
    go(&place);
    place
        .jobhost(&["push", "X", "--queue", "work"])
        .run()
        .exits_with(69)
        .complains_clearly(&[&place.proxy().address()]);
    wait_until("the job's end", PATIENCE, || match marks(&place, "first") {
        (1, 1) => Ok(()),
        other => Err(other),
    });
    let before = place.proxy().refused();
    wait_until("its settlement to be tried again and again", Duration::from_mins(1), || {
        match place.proxy().refused() - before {
            0 | 1 => Err("not yet"),
            _ => Ok(()),
        }
    });
    place.proxy().refuse(false);
    worker.wait_for("store-back");
    assert_eq!(worker.wait_for_job("done", "work/1")["attempt"], 1);
    worker.stop();
    assert_eq!(marks(&place, "first"), (1, 1));
    assert_eq!(place.counts("work"), [0, 0, 0, 1, 0]);
    assert_eq!(place.counts("next"), [1, 0, 0, 0, 0]);
}
