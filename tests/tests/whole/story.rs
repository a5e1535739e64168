//! The story that `cargo xtask demo` tells, step by step: assets are copied
//! and handed on; a job fails, is logged, and its source is told.

use std::fs;
use std::path::Path;

use jobhost_tests::{Workplace, digits_as_zeros, matches};
use serde_json::{Value, json};

use crate::settings::asset_pipeline;

const JOB: &str = r"common\jobs\CopyAssetJob";
const IMAGE: &str = "sea.PNG";
const VIDEO: &str = "2026/Ein sehr langer Name, wie ihn nur Menschen geben: Überfahrt nach Föhr – 第二部分, Schnitt 7 (endgültig, wirklich).mp4";

on_both_stores! {
    fn the_story_of_the_asset_pipeline_comes_true(place) {
        asset_pipeline(place);
        let sources = write_sources(place);
        assert_eq!(place.push("copy-asset", JOB, &task(1, true)), "copy-asset/1");
        assert_eq!(place.counts("copy-asset"), [1, 0, 0, 0, 0]);
        assert_eq!(place.counts("upload-asset"), [0, 0, 0, 0, 0]);

        let done = place.run("copy-asset");
        check_lines(&done.lines(), &[
            "0000-00-00 00:00:00 [pid: …] - Worker is started",
            r"0000-00-00 00:00:00 [0] common\jobs\CopyAssetJob (attempt: 0, pid: …) - Started",
            r"0000-00-00 00:00:00 [0] common\jobs\CopyAssetJob (attempt: 0, pid: …) - Done (0.000 s)",
            "0000-00-00 00:00:00 [pid: …] - Worker is stopped (0:00:00)",
        ]);
        assert_eq!(place.counts("copy-asset"), [0, 0, 0, 1, 0]);
        assert_eq!(place.counts("upload-asset"), [1, 0, 0, 0, 0]);
        check_published(place, &sources);

        assert_eq!(place.push("copy-asset", JOB, &task(2, false)), "copy-asset/2");
        let failed = place.run("copy-asset");
        check_lines(&failed.lines(), &[
            "… - Worker is started",
            r"0000-00-00 00:00:00 [0] common\jobs\CopyAssetJob (attempt: 0, pid: …) - Started",
            r"0000-00-00 00:00:00 [0] common\jobs\CopyAssetJob (attempt: 0, pid: …) - Error (0.000 s)",
            "> 00000: based on task ID: 0, the list of enabled resources is empty",
            "… - Worker is stopped (0:00:00)",
        ]);
        failed.prints("> 35020: based on task ID: 2, the list of enabled resources is empty\n");
        assert_eq!(place.counts("copy-asset"), [0, 0, 0, 1, 1]);
        assert_eq!(place.counts("upload-asset"), [1, 0, 0, 0, 0]);
        assert_eq!(place.counts("source-callback"), [1, 0, 0, 0, 0]);
        check_told(place);
        check_failed_set(place);
    }
}

/// The lines with digits as zeros.
#[track_caller]
fn check_lines(lines: &[&str], patterns: &[&str]) {
    let found: Vec<_> = lines.iter().map(|line| digits_as_zeros(line)).collect();
    let fits =
        found.len() == patterns.len() && patterns.iter().zip(&found).all(|(pattern, line)| matches(pattern, line));
    assert!(fits, "{found:#?}\nis not\n{patterns:#?}");
}

fn write_sources(place: &Workplace) -> [Vec<u8>; 2] {
    place.make_folder("storage/2026");
    let image = [b"\x89PNG\r\n\x1a\n".to_vec(), (0..100_000_u32).flat_map(u32::to_le_bytes).collect()].concat();
    let video = [b"\0\0\0\x18ftypmp42".to_vec(), (0..300_000_u32).flat_map(u32::to_be_bytes).collect()].concat();
    place.write(&format!("storage/{IMAGE}"), &image);
    place.write(&format!("storage/{VIDEO}"), &video);
    [image, video]
}

fn task(id: u32, with_assets: bool) -> String {
    let assets = if with_assets {
        json!([
            {"type": "image", "channel_article_id": 11, "absolute_url": format!("https://source.example/{IMAGE}")},
            {"type": "video", "channel_article_id": 12, "absolute_url": format!("https://source.example/{}", percent_encoded(VIDEO))},
        ])
    } else {
        json!([])
    };
    json!({
        "channel_id": 7, "channel_code": "web", "channel_type_id": 3, "channel_type_code": "site",
        "source": "cms", "task_id": id, "assets": assets,
    })
    .to_string()
}

fn percent_encoded(path: &str) -> String {
    path.bytes()
        .map(|byte| match byte {
            b'/' | b'.' | b'-' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

fn check_published(place: &Workplace, sources: &[Vec<u8>; 2]) {
    let output = &place.status("copy-asset/1")["output"];
    let upload = place.status("upload-asset/1");
    assert_eq!(upload["name"], r"common\jobs\UploadAssetJob", "{upload}");
    assert_eq!(without_class(&upload["payload"]), *output, "the upload's payload is the copy's output");
    assert_eq!(output["task_id"], 1, "{output}");

    let expected = [("image", 11, "png", &sources[0]), ("video", 12, "mp4", &sources[1])];
    assert_eq!(output["assets"].as_array().map(Vec::len), Some(2), "{output}");
    for (index, (kind, article, extension, bytes)) in expected.into_iter().enumerate() {
        let asset = &output["assets"][index];
        assert_eq!((&asset["type"], &asset["channel_article_id"]), (&json!(kind), &json!(article)));
        assert_eq!(asset["size"], bytes.len(), "{asset}");
        let path = asset["relative_path"].as_str().unwrap();
        check_path(path, extension);
        assert!(place.read(&format!("assets{path}")) == *bytes, "{path} is byte for byte its source");
    }
    assert_eq!(files_below(&place.path("assets")), 2, "nothing else is published");
}

/// `/YYYY/MM/DD/<unix seconds.fraction>.<random>.<ext>`
#[track_caller]
fn check_path(path: &str, extension: &str) {
    let parts: Vec<_> = path.split('/').collect();
    let [empty, year, month, day, name] = parts[..] else { panic!("{path}") };
    assert!(empty.is_empty() && [year.len(), month.len(), day.len()] == [4, 2, 2], "{path}");
    let parts: Vec<_> = name.split('.').collect();
    let [seconds, fraction, random, found] = parts[..] else { panic!("{path}") };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    assert!(digits(seconds) && seconds.len() == 10 && digits(fraction), "{path}");
    assert!(random.len() >= 8 && random.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{path}");
    assert_eq!(found, extension, "{path}");
}

fn files_below(folder: &Path) -> usize {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| if path.is_dir() { files_below(&path) } else { 1 })
        .sum()
}

/// What the hook plugin made of the failure: a line of the log, and a job.
fn check_told(place: &Workplace) {
    let log = String::from_utf8(place.read("logs/publish-log.jsonl")).unwrap();
    let entries: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [entry] = &entries[..] else { panic!("{log}") };
    let message = "based on task ID: 2, the list of enabled resources is empty";
    for (field, expected) in [
        ("channel_id", json!(7)),
        ("channel_code", json!("web")),
        ("channel_type_id", json!(3)),
        ("channel_type_code", json!("site")),
        ("task_id", json!(2)),
        ("code", json!("35020")),
        ("message", json!(message)),
        ("status", json!("failed")),
    ] {
        assert_eq!(entry[field], expected, "{field} of {entry}");
    }
    let created_at = entry["created_at"].as_str().unwrap();
    assert!(matches("0000-00-00T00:00:00…Z", &digits_as_zeros(created_at)), "{created_at}");

    let callback = place.status("source-callback/1");
    assert_eq!(callback["name"], r"common\jobs\SourceCallbackJob");
    let expected = json!({
        "channel_id": 7, "channel_code": "web", "channel_type_id": 3, "channel_type_code": "site",
        "source": "cms", "task_id": 2, "code": "35020", "message": message,
    });
    assert_eq!(without_class(&callback["payload"]), expected);
}

fn check_failed_set(place: &Workplace) {
    let list = place.jobhost(&["failed", "list"]).run().success();
    let [line] = list.lines()[..] else { panic!("{list}") };
    assert!(
        matches(r"copy-asset/2 … common\jobs\CopyAssetJob … 35020: based on task ID: 2, the list…", line),
        "{line}"
    );
    let list = place.jobhost(&["failed", "list", "--queue", "copy-asset", "--json"]).run().success().json();
    assert_eq!(list["failed"].as_array().map(Vec::len), Some(1), "{list}");
    assert_eq!(list["failed"][0]["id"], "copy-asset/2");

    let shown = place.failure("copy-asset/2");
    assert_eq!((&shown["id"], &shown["attempts"]), (&json!("copy-asset/2"), &json!(1)));
    let (record, cause) = (&shown["record"], &shown["record"]["cause"]);
    assert_eq!((&cause["kind"], &cause["code"]), (&json!("returned"), &json!("35020")), "{shown}");
    assert_eq!(record["plugin"], "copy_asset");
    assert!(record["digest"].as_str().unwrap().starts_with("sha256:"), "{shown}");
    assert!(record["started_at"].as_u64() > Some(1_700_000_000_000), "{shown}");
    assert!(shown["failed_at"].as_u64() >= record["started_at"].as_u64(), "{shown}");
    assert!(record["duration_us"].as_u64() > Some(0), "{shown}");
    let text = place.jobhost(&["failed", "show", "copy-asset/2"]).run().success();
    for part in ["copy-asset/2", "35020", "copy_asset", "sha256:", "attempts:", "failed:", "started:", "\"task_id\""] {
        assert!(text.stdout.contains(part), "{part} is missing in {text}");
    }
}

fn without_class(payload: &Value) -> Value {
    let mut payload = payload.clone();
    assert!(payload.as_object_mut().unwrap().remove("class").is_some(), "{payload}");
    payload
}
