//! Beside PHP: jobs that yii2-queue stored run here, what is stored here is
//! what yii2-queue would store, and the keys after a run are what it leaves.

use std::collections::BTreeMap;

use jobhost_tests::Workplace;
use serde_json::json;

use crate::settings::one_guest;

const CHANNEL: &str = "channel = \"cpa:queue:copy:asset\"";
const CH: &str = "cpa:queue:copy:asset";

fn redis(behaviour: &str, more: &str) -> Workplace {
    let place = Workplace::redis();
    one_guest(&place, behaviour, &format!("{CHANNEL}\n{more}"), "");
    place
}

/// As yii2-queue pushes, command by command.
fn php_push(place: &Workplace, message: &[u8]) -> u64 {
    let mut connection = place.server().connect();
    let id: u64 = redis::cmd("INCR").arg(format!("{CH}.message_id")).query(&mut connection).unwrap();
    redis::cmd("HSET").arg(format!("{CH}.messages")).arg(id).arg(message).exec(&mut connection).unwrap();
    redis::cmd("LPUSH").arg(format!("{CH}.waiting")).arg(id).exec(&mut connection).unwrap();
    id
}

/// The keys that yii2-queue knows. Its lock may still be there.
fn shared_keys(place: &Workplace) -> Vec<String> {
    let keys = place.server().keys().into_iter();
    keys.filter_map(|key| key.strip_prefix(&format!("{CH}.")).map(str::to_owned))
        .filter(|key| key != "moving_lock")
        .collect()
}

#[test]
fn a_job_that_php_pushed_with_its_json_serializer_runs() {
    let place = redis("echo", "");
    let body = r#"{"class":"app\\jobs\\CopyAssetJob","taskId":42}"#;
    php_push(&place, format!("300;{body}").as_bytes());
    assert_eq!(place.counts("work"), [1, 0, 0, 0, 0]);
    place.run("work").prints(r"[1] app\jobs\CopyAssetJob (attempt: 1,");
    assert_eq!(place.counts("work"), [0, 0, 0, 1, 0]);
    let status = place.status("work/1");
    assert_eq!(status["output"], json!({"class": r"app\jobs\CopyAssetJob", "taskId": 42}));
    assert_eq!(shared_keys(&place), ["message_id"], "as after yii2's own run");
    assert_eq!(place.server().command::<String>(&["GET", &format!("{CH}.message_id")]), "1");
}

#[test]
fn a_job_that_php_pushed_with_its_own_serializer_runs_with_its_public_properties() {
    let place = redis("echo", "");
    let body = b"O:16:\"app\\jobs\\RichJob\":5:{s:3:\"int\";i:7;s:3:\"str\";s:5:\"a \xe2\x82\xac\";\
        s:4:\"list\";a:2:{i:0;b:1;i:1;N;}s:6:\"nested\";O:21:\"app\\jobs\\CopyAssetJob\":1:{s:6:\"taskId\";i:5;}\
        s:7:\"\0*\0prot\";s:6:\"hidden\";}";
    php_push(&place, &[b"300;".as_slice(), body].concat());
    place.run("work").prints(r"[1] app\jobs\RichJob (attempt: 1,");
    let output = &place.status("work/1")["output"];
    assert_eq!((&output["int"], &output["str"], &output["list"]), (&json!(7), &json!("a €"), &json!([true, null])));
    assert_eq!(output["nested"]["taskId"], 5, "{output}");
    assert!(!output.to_string().contains("hidden"), "{output}");
}

#[test]
fn what_is_pushed_here_is_what_yii2_would_have_stored() {
    let place = redis("echo", "ttr = \"5m\"");
    place.push("work", r"app\jobs\CopyAssetJob", r#"{"taskId":42}"#);
    place
        .jobhost(&["push", r"app\jobs\CopyAssetJob", r#"{"taskId":43}"#, "--delay", "60s", "--ttr", "77s"])
        .run()
        .success();
    assert_eq!(shared_keys(&place), ["delayed", "message_id", "messages", "waiting"]);
    let server = place.server();
    let key = |name: &str| format!("{CH}.{name}");
    assert_eq!(server.command::<String>(&["GET", &key("message_id")]), "2");
    assert_eq!(server.command::<Vec<String>>(&["LRANGE", &key("waiting"), "0", "-1"]), ["1"]);
    let messages: BTreeMap<String, String> = server.command(&["HGETALL", &key("messages")]);
    assert_eq!(messages["1"], r#"300;{"class":"app\\jobs\\CopyAssetJob","taskId":42}"#);
    assert_eq!(messages["2"], r#"77;{"class":"app\\jobs\\CopyAssetJob","taskId":43}"#);
    let delayed: Vec<(String, String)> = server.command(&["ZRANGE", &key("delayed"), "0", "-1", "WITHSCORES"]);
    let (now, _): (u64, u64) = server.command(&["TIME"]);
    let (id, score) = &delayed[0];
    let score: u64 = score.parse().unwrap_or_else(|_| panic!("{score} is whole seconds, as PHP has them"));
    assert!(id == "2" && (now + 50..=now + 61).contains(&score), "{delayed:?}");
}

#[test]
fn a_running_job_is_reserved_as_yii2_knows_it() {
    let place = redis("take-time", "");
    php_push(&place, br#"300;{"class":"X","ms":1200}"#);
    let mut worker = place.listen(&[]);
    worker.wait_for_job("started", "work/1");
    assert_eq!(shared_keys(&place), ["attempts", "message_id", "messages", "reserved"]);
    let server = place.server();
    let attempts: Vec<(String, String)> = server.command(&["HGETALL", &format!("{CH}.attempts")]);
    assert_eq!(attempts, [("1".to_owned(), "1".to_owned())]);
    let score: f64 = server.command(&["ZSCORE", &format!("{CH}.reserved"), "1"]);
    let (now, _): (u32, u32) = server.command(&["TIME"]);
    assert!(score > f64::from(now) + 290.0, "PHP's mover leaves it alone: {score}");
    worker.wait_for_job("done", "work/1");
    worker.stop();
    assert_eq!(shared_keys(&place), ["message_id"]);
}

#[test]
fn a_message_that_cannot_be_read_goes_to_the_failed_set_and_no_further() {
    let place = redis("echo", "attempts = 5");
    let messages: [&[u8]; 7] = [
        b"300;not json",
        b"no ttr at all",
        b"soon;{\"class\":\"X\"}",
        b"300;{\"taskId\":1}",
        b"300;{\"class\":\"X\",\"a\":\"\xff\"}",
        b"300;O:3:\"X\":1:{broken",
        b"",
    ];
    for message in messages {
        php_push(&place, message);
    }
    php_push(&place, br#"300;{"class":"X"}"#);
    place.run("work").prints("unknown job (attempt: 1,");
    assert_eq!(place.counts("work"), [0, 0, 0, 1, 7], "the readable one behind them ran");
    for id in 1..=7 {
        let failure = place.failure(&format!("work/{id}"));
        assert_eq!(failure["record"]["cause"]["kind"], "undecodable", "{failure}");
        assert_eq!(failure["attempts"], 1, "{failure}");
        place.jobhost(&["failed", "show", &format!("work/{id}")]).run().success().prints("cannot be read");
    }
    assert_eq!(shared_keys(&place), ["message_id"], "nothing of them is left where PHP looks");
}

#[test]
fn a_retry_waits_where_php_finds_it() {
    let place = redis("fail-retry-after", "attempts = 2");
    php_push(&place, br#"300;{"class":"X"}"#);
    place.run("work").prints("> next attempt in");
    assert_eq!(shared_keys(&place), ["attempts", "delayed", "message_id", "messages"]);
}

#[test]
fn a_clear_by_php_leaves_the_failed_set_and_ids_begin_anew() {
    let place = redis("fail-permanent", "");
    place.push("work", "X", "{}");
    place.run("work");
    let mut connection = place.server().connect();
    // yii2-queue deletes every key under `channel.`.
    for key in shared_keys(&place) {
        redis::cmd("DEL").arg(format!("{CH}.{key}")).exec(&mut connection).unwrap();
    }
    assert_eq!(place.push("work", "Y", "{}"), "work/1");
    place.run("work");
    let list = place.jobhost(&["failed", "list"]).run().success();
    assert_eq!(list.lines().len(), 2, "both failures are kept: {list}");
    assert_eq!(place.failure("work/1")["name"], "Y", "of one id the latest is shown");
}
