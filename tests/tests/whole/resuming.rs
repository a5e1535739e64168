//! Tasks of the example `channel-pub` that are pushed again, or whose jobs are: they go on or begin anew, and nothing is
//! published twice.

use jobhost_tests::Workplace;
use serde_json::json;

use crate::pipeline::{Pipeline, published, requests, told};

#[test]
fn an_article_whose_answers_were_all_lost_is_there_once_after_a_retry() {
    let place = Workplace::sqlite();
    let pipeline = Pipeline::new(&place, &[]);
    pipeline.next("publish", &["lose"; 4]);
    pipeline.push(1, 1);
    let (received, _) = pipeline.run_until_told(1);
    assert_eq!(told(&received), [(1, "http-failed".to_owned())]);
    place.jobhost(&["failed", "retry", "--all"]).run().success();
    let (received, _) = pipeline.run_until_told(1);
    assert_eq!(pipeline.answers("/articles"), ["lose", "lose", "lose", "lose", "200"], "with one key");
    assert_eq!(received["callbacks"][1]["code"], "published");
    assert_eq!((received["articles"].as_array().unwrap().len(), &pipeline.task(1)["state"]), (1, &json!("done")));
}

#[test]
fn a_task_that_is_pushed_twice_is_published_once() {
    let place = Workplace::sqlite();
    let pipeline = Pipeline::new(&place, &[]);
    pipeline.push(1, 2);
    pipeline.push(1, 2);
    pipeline.run_until_told(1);
    // Both may have begun together. What is left of the one that was first does nothing.
    run_the_rest(&pipeline);
    assert_eq!((place.counts("copy-asset"), place.counts("publish-article")), ([0, 0, 0, 2, 0], [0, 0, 0, 1, 0]));
    let again = pipeline.push(1, 2);
    place.run("copy-asset");
    let skipped = &place.status(&again)["record"]["skipped"];
    assert_eq!(skipped, "pipeline_events: task 1 belongs to another job and is done");
    let received = pipeline.received();
    assert_eq!((told(&received), requests(&received, "/assets/").len()), (published(1), 2), "{received}");
}

#[test]
fn a_task_whose_files_were_copied_and_not_handed_on_can_be_pushed_again() {
    let place = Workplace::sqlite();
    let granted = "queues = [\"upload-asset\", \"source-callback\"]";
    let pipeline = Pipeline::new(&place, &[(granted, "queues = [\"source-callback\"]")]);
    pipeline.push(1, 1);
    place.run("copy-asset").complains("the queue `upload-asset` is not granted");
    assert_eq!(pipeline.task(1)["state"], "copying");
    let configuration = String::from_utf8(place.read("jobhost.toml")).unwrap();
    place.configure_with(&configuration.replace("queues = [\"source-callback\"]", granted));
    pipeline.push(1, 1);
    let (received, _) = pipeline.run_until_told(1);
    assert_eq!((told(&received), &pipeline.task(1)["state"]), (published(1), &json!("done")));
}

#[test]
fn jobs_of_a_task_whose_record_is_gone_publish_nothing_and_say_so() {
    let place = Workplace::sqlite();
    let pipeline = Pipeline::new(&place, &[]);
    pipeline.next("upload", &["429:1"; 2]);
    pipeline.push(1, 2);
    place.run("copy-asset");
    place.run("upload-asset");
    let configuration = String::from_utf8(place.read("jobhost.toml")).unwrap();
    place.configure_with(&configuration.replace("bucket = \"tasks\"", "bucket = \"emptied\", guest = \"tasks\""));
    let article = json!({
        "channel_id": 7, "channel_code": "web", "channel_type_id": 3, "channel_type_code": "site",
        "source": "cms", "task_id": 1,
    });
    place.push("publish-article", r"common\jobs\PublishArticleJob", &article.to_string());
    let (received, _) = pipeline.run_until_told(3);
    assert_eq!(told(&received), vec![(1, "unknown-task".to_owned()); 3], "{received}");
    assert_eq!((&received["articles"], pipeline.log().len()), (&json!([]), 3), "{received}");
}

#[test]
fn a_task_that_failed_can_be_pushed_again_or_go_on_where_it_failed() {
    let place = Workplace::sqlite();
    let pipeline = Pipeline::new(&place, &[]);
    pipeline.next("upload", &["403", "403"]);
    pipeline.push(1, 1);
    pipeline.push(2, 1);
    pipeline.run_until_told(2);
    assert_eq!((&pipeline.task(1)["state"], &pipeline.task(2)["state"]), (&json!("failed"), &json!("failed")));
    pipeline.push(1, 1);
    let (received, _) = pipeline.run_until_told(1);
    assert_eq!(told(&received)[..2], [(1, "http-403".to_owned()), (1, "published".to_owned())]);
    place.jobhost(&["failed", "retry", "--all"]).run().success();
    let (received, _) = pipeline.run_until_told(1);
    assert_eq!(told(&received)[2..], [(2, "http-403".to_owned()), (2, "published".to_owned())]);
    // What was left of task 1's first run was retried too, and did nothing.
    run_the_rest(&pipeline);
    assert_eq!(pipeline.received()["articles"].as_array().unwrap().len(), 2);
    assert_eq!((&pipeline.task(1)["state"], &pipeline.task(2)["state"]), (&json!("done"), &json!("done")));
}

/// Runs what is left.
fn run_the_rest(pipeline: &Pipeline<'_>) {
    for queue in ["upload-asset", "publish-article", "source-callback"] {
        pipeline.place.run(queue);
        assert_eq!(pipeline.place.counts(queue)[..3], [0, 0, 0], "{queue}");
    }
}
