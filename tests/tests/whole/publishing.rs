//! The asset pipeline of the example `channel-pub` from end to end, against a channel and a source that do well or badly.

use std::fs;
use std::time::Duration;

use jobhost_tests::Workplace;
use serde_json::{Value, json};

use crate::pipeline::{CHANNEL_TOKEN, Pipeline, SOURCE_TOKEN, content, published, requests, told};

/// Runs a task of one file while a stage is answered so; requires that it comes to a good end, with nothing done twice.
#[track_caller]
fn comes_right(place: &Workplace, stage: (&str, &str), planned: &[&str], changes: &[(&str, &str)], answers: &[&str]) {
    let pipeline = Pipeline::new(place, changes);
    pipeline.next(stage.0, planned);
    pipeline.push(1, 1);
    let (received, _) = pipeline.run_until_told(1);
    assert_eq!(pipeline.answers(stage.1), answers, "{received}");
    assert_eq!(told(&received), published(1), "{received}");
    for kind in ["assets", "articles", "callbacks"] {
        assert_eq!(received[kind].as_array().unwrap().len(), 1, "{kind} of {received}");
    }
    assert_eq!(pipeline.task(1)["state"], "done");
    assert_eq!(pipeline.log(), Vec::<Value>::new());
}

const UPLOAD: (&str, &str) = ("upload", "/assets/");
const PUBLISH: (&str, &str) = ("publish", "/articles");
const CALLBACK: (&str, &str) = ("callback", "/callback");

on_both_stores! {
    fn a_task_is_copied_uploaded_published_and_its_source_is_told(place) {
        let pipeline = Pipeline::new(place, &[]);
        pipeline.push(1, 2);
        let (received, worker) = pipeline.run_until_told(1);
        assert_eq!(told(&received), published(1));
        let callback = &received["callbacks"][0];
        assert_eq!((&callback["status"], &callback["article_id"]), (&json!("published"), &json!("article-1")));
        assert_eq!((&callback["channel_id"], &callback["channel_code"]), (&json!(7), &json!("web")));
        assert!(callback["created_at"].as_str().unwrap().ends_with('Z'), "{callback}");
        let assets = received["assets"].as_array().unwrap();
        let article = &received["articles"][0];
        assert_eq!((&article["task_id"], &article["source"]), (&json!(1), &json!("cms")));
        for number in 0..2 {
            let told = &article["assets"][number];
            assert_eq!((&told["channel_article_id"], &told["type"]), (&json!(number), &json!("image")), "{article}");
            let asset = assets.iter().find(|asset| asset["id"] == told["asset_id"]).unwrap();
            let file = format!("channel/{}", asset["path"].as_str().unwrap());
            assert!(place.read(&file) == content(1, number), "{file} is byte for byte its source");
        }
        let task = pipeline.task(1);
        assert_eq!((&task["state"], &task["article_id"]), (&json!("done"), &json!("article-1")), "{task}");
        assert!(task["assets"].as_array().unwrap().iter().all(|asset| asset["remote_id"].is_string()), "{task}");
        let warned = worker.stderr.lines().any(|line| line.contains(" WARN ") && line.contains("plugin"));
        assert!(!warned, "nothing to complain about: {}", worker.stderr);
    }

    fn of_many_uploads_that_end_together_exactly_one_publishes_the_article(place) {
        let pipeline = Pipeline::new(place, &[]);
        pipeline.push(1, 60);
        let other = pipeline.listen();
        let mut worker = pipeline.listen();
        pipeline.wait_for_requests("/callback", 1);
        other.stop();
        assert!(!worker.has_seen(|event| event["event"] == "failed"));
        worker.stop();
        let received = pipeline.received();
        assert_eq!((told(&received), requests(&received, "/articles").len()), (published(1), 1), "{received}");
        let listed = received["articles"][0]["assets"].as_array().unwrap();
        let articles: Vec<_> = listed.iter().map(|asset| asset["channel_article_id"].as_u64().unwrap()).collect();
        assert!(articles.iter().copied().eq(0..60), "in the order of the task: {articles:?}");
        assert_eq!(place.counts("publish-article"), [0, 0, 0, 1, 0]);
        assert_eq!(place.counts("upload-asset"), [0, 0, 0, 61, 0]);
    }

    fn a_channel_that_says_when_is_not_asked_before(place) {
        let pipeline = Pipeline::new(place, &[]);
        pipeline.next("upload", &["429:2"]);
        pipeline.next("publish", &["503:1"]);
        pipeline.push(1, 1);
        let (received, _) = pipeline.run_until_told(1);
        for (path, seconds) in [("/assets/", 2), ("/articles", 1)] {
            let at: Vec<_> =
                requests(&received, path).iter().map(|request| request["at"].as_u64().unwrap()).collect();
            let [first, second] = at[..] else { panic!("{received}") };
            assert!(second >= first + seconds * 1000, "{path} was asked {} ms later", second - first);
        }
        assert_eq!(told(&received), published(1));
    }

    fn what_fails_for_good_in_any_stage_is_logged_and_called_back(place) {
        let pipeline = Pipeline::new(place, &[]);
        let no_assets = pipeline.push(1, 0);
        pipeline.run_until_told(1);
        pipeline.next("upload", &["410"]);
        pipeline.push(2, 2);
        pipeline.run_until_told(1);
        pipeline.next("publish", &["422"]);
        pipeline.push(3, 1);
        let (received, _) = pipeline.run_until_told(1);

        let expected = [(1, "35020", "copy-asset"), (2, "http-410", "upload-asset"), (3, "http-422", "publish-article")];
        assert_eq!(told(&received), expected.map(|(task, code, _)| (task, code.to_owned())), "{received}");
        for callback in received["callbacks"].as_array().unwrap() {
            assert_eq!((&callback["status"], &callback["article_id"]), (&json!("failed"), &Value::Null));
        }
        assert_eq!(received["articles"], json!([]), "{received}");
        let log = pipeline.log();
        assert_eq!(log.len(), 3, "{log:?}");
        for (entry, (task, code, queue)) in log.iter().zip(expected) {
            assert_eq!((&entry["task_id"], &entry["code"], &entry["queue"]), (&json!(task), &json!(code), &json!(queue)));
            assert_eq!(place.counts(queue)[4], 1, "{queue}");
            assert_eq!(pipeline.task(u32::try_from(task).unwrap())["state"], "failed");
        }
        assert_eq!(place.failure(&no_assets)["attempts"], 1);
    }
}

#[test]
fn a_channel_in_trouble_is_asked_again() {
    comes_right(&Workplace::sqlite(), UPLOAD, &["500", "500"], &[], &["500", "500", "201"]);
    comes_right(&Workplace::sqlite(), PUBLISH, &["503", "500"], &[], &["503", "500", "201"]);
}

#[test]
fn a_connection_that_is_closed_without_an_answer_is_tried_again() {
    comes_right(&Workplace::sqlite(), UPLOAD, &["close"], &[], &["close", "201"]);
    comes_right(&Workplace::sqlite(), PUBLISH, &["close"], &[], &["close", "201"]);
    comes_right(&Workplace::sqlite(), CALLBACK, &["close"], &[], &["close", "201"]);
}

#[test]
fn a_server_that_took_it_and_whose_answer_was_lost_has_it_once() {
    comes_right(&Workplace::sqlite(), UPLOAD, &["lose"], &[], &["lose", "200"]);
    comes_right(&Workplace::sqlite(), PUBLISH, &["lose"], &[], &["lose", "200"]);
    comes_right(&Workplace::sqlite(), CALLBACK, &["lose"], &[], &["lose", "200"]);
}

#[test]
fn a_server_that_never_answers_is_given_up_after_the_time_to_run_and_asked_again() {
    let place = Workplace::sqlite();
    comes_right(&place, UPLOAD, &["hang"], &[("ttr = \"5s\"", "ttr = \"1s\"")], &["hang", "201"]);
    comes_right(&Workplace::sqlite(), PUBLISH, &["hang"], &[("ttr = \"5s\"", "ttr = \"1s\"")], &["hang", "201"]);
}

#[test]
fn an_answer_that_cannot_be_used_is_asked_for_again() {
    comes_right(&Workplace::sqlite(), UPLOAD, &["200"], &[], &["200", "201"]);
    comes_right(&Workplace::sqlite(), PUBLISH, &["200"], &[], &["200", "201"]);
}

#[test]
fn a_source_in_trouble_is_told_later() {
    comes_right(&Workplace::sqlite(), CALLBACK, &["500", "429:1"], &[], &["500", "429, retry after 1 s", "201"]);
}

#[test]
fn a_channel_that_stays_in_trouble_fails_the_task_after_the_last_attempt() {
    let place = Workplace::sqlite();
    let pipeline = Pipeline::new(&place, &[]);
    pipeline.next("upload", &["500"; 4]);
    pipeline.push(1, 1);
    let (received, _) = pipeline.run_until_told(1);
    assert_eq!(pipeline.answers("/assets/"), ["500"; 4]);
    assert_eq!(told(&received), [(1, "http-500".to_owned())]);
    assert_eq!(
        (pipeline.log().len(), &pipeline.task(1)["state"]),
        (1, &json!("failed")),
        "one entry for four attempts"
    );
}

#[test]
fn a_source_is_told_which_stage_took_too_long() {
    let place = Workplace::sqlite();
    let pipeline = Pipeline::new(&place, &[("ttr = \"5s\"", "ttr = \"1s\""), ("attempts = 4", "attempts = 2")]);
    pipeline.next("publish", &["hang"; 2]);
    pipeline.push(1, 1);
    let (received, _) = pipeline.run_until_told(1);
    let callback = &received["callbacks"][0];
    assert_eq!(
        (&callback["code"], &callback["message"]),
        (&json!("timed-out"), &json!("publish-article: it took longer than 1 s"))
    );
    assert_eq!((pipeline.log().len(), &pipeline.task(1)["state"]), (1, &json!("failed")));
}

#[test]
fn a_callback_that_fails_for_good_is_logged_and_not_called_back() {
    let place = Workplace::sqlite();
    let pipeline = Pipeline::new(&place, &[]);
    pipeline.next("callback", &["404"]);
    pipeline.push(1, 1);
    let mut worker = pipeline.listen();
    worker.wait_for("failed");
    worker.stop();
    assert_eq!(place.counts("source-callback"), [0, 0, 0, 0, 1]);
    let log = pipeline.log();
    assert_eq!((log.len(), &log[0]["queue"], &log[0]["code"]), (1, &json!("source-callback"), &json!("http-404")));
    assert_eq!(pipeline.task(1)["state"], "done", "it is published all the same");
}

#[test]
fn a_wrong_token_is_a_permanent_failure_and_is_shown_nowhere() {
    let place = Workplace::sqlite();
    let pipeline = Pipeline::new(&place, &[]);
    place.write("channel.token", "open-wrong-1234\n");
    pipeline.push(1, 1);
    let (received, worker) = pipeline.run_until_told(1);
    assert_eq!(told(&received), [(1, "http-401".to_owned())]);
    assert_eq!(pipeline.answers("/assets/"), ["401"]);
    let failed = place.jobhost(&["failed", "list", "--json"]).run().success().json();
    let id = failed["failed"][0]["id"].as_str().unwrap().to_owned();
    let shown = place.failure(&id).to_string();
    // The server says which token it was given, and the host takes it out.
    assert!(shown.contains("Bearer [secret CHANNEL_TOKEN] is not right"), "{shown}");
    let seen = [
        worker.stdout,
        worker.stderr,
        shown,
        failed.to_string(),
        received.to_string(),
        format!("{:?}", pipeline.log()),
    ];
    let stored: Vec<_> =
        ["jobhost.db", "jobhost.db-wal"].iter().filter_map(|file| fs::read(place.path(file)).ok()).collect();
    for token in ["open-wrong-1234", CHANNEL_TOKEN, SOURCE_TOKEN] {
        assert!(seen.iter().all(|text| !text.contains(token)), "{token} is in {seen:#?}");
        let there = |bytes: &Vec<u8>| bytes.windows(token.len()).any(|window| window == token.as_bytes());
        assert!(!stored.iter().any(there), "{token} is in the store");
    }
}

#[test]
fn without_a_grant_of_private_addresses_the_channel_is_not_reached_and_the_log_says_why() {
    let place = Workplace::sqlite();
    let pipeline = Pipeline::new(&place, &[("methods = [\"PUT\"], private = true", "methods = [\"PUT\"]")]);
    pipeline.push(1, 1);
    let (received, worker) = pipeline.run_until_told(1);
    assert_eq!(told(&received), [(1, "http-denied".to_owned())]);
    assert_eq!(requests(&received, "/assets/").len(), 0, "{received}");
    assert!(worker.stderr.contains("private = true") && worker.stderr.contains("upload_asset"), "{}", worker.stderr);
}

#[test]
fn a_worker_that_dies_in_the_middle_leaves_nothing_undone_and_nothing_done_twice() {
    let place = Workplace::sqlite();
    let pipeline = Pipeline::new(&place, &[("ttr = \"5s\"", "ttr = \"30s\"")]);
    pipeline.next("publish", &["hang"]);
    pipeline.push(1, 3);
    let worker = pipeline.listen();
    pipeline.wait_for_requests("/articles", 1);
    worker.kill();
    let (received, _) = pipeline.run_until_told(1);
    assert_eq!(pipeline.answers("/articles"), ["hang", "201"]);
    assert_eq!((told(&received), received["assets"].as_array().unwrap().len()), (published(1), 3));
    assert_eq!(requests(&received, "/assets/").len(), 3);
}

#[test]
fn callbacks_that_come_late_tell_when_they_were_due() {
    let place = Workplace::sqlite();
    let pipeline = Pipeline::new(&place, &[]);
    pipeline.next("upload", &["410"]);
    // Longer than the second task takes on a busy machine.
    pipeline.next("callback", &["429:20"]);
    pipeline.push(1, 1);
    let mut worker = pipeline.listen();
    pipeline.wait_for_requests("/callback", 1);
    pipeline.push(1, 1);
    for _ in 0..2 {
        worker.wait_until("a callback", Duration::from_mins(1), |event| {
            event["event"] == "done" && event["id"].as_str().is_some_and(|id| id.starts_with("source-callback/"))
        });
    }
    let received = pipeline.received();
    let [newer, older] = &received["callbacks"].as_array().unwrap()[..] else { panic!("{received}") };
    assert_eq!((&newer["code"], &older["code"]), (&json!("published"), &json!("http-410")));
    assert!(older["created_at"].as_str() < newer["created_at"].as_str(), "{received}");
}

#[test]
fn a_file_that_is_longer_than_a_plugin_may_send_fails_its_task_at_once() {
    let place = Workplace::sqlite();
    let limit = "[plugins.upload_asset.limits]\nhttp-sent = \"1KiB\"\n\n[plugins.publish_article]";
    let pipeline = Pipeline::new(&place, &[("[plugins.publish_article]", limit)]);
    pipeline.push(1, 1);
    let (received, worker) = pipeline.run_until_told(1);
    assert_eq!(told(&received), [(1, "http-denied".to_owned())]);
    let failed = place.failure("upload-asset/1");
    assert_eq!(failed["attempts"], 1, "{failed}");
    assert!(worker.stderr.contains("raise `http-sent` under `[plugins.upload_asset.limits]`"), "{}", worker.stderr);
}
