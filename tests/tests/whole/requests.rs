//! Requests of plugins, as the configuration allows them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use jobhost_tests::{Workplace, guest, repository};
use serde_json::{Value, json};

use crate::settings::one_guest;

/// A server that answers every request with 201 and what it was, or with 64 KiB and more where the path has it `large`.
fn server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = BufReader::new(stream.unwrap());
            thread::spawn(move || serve(stream));
        }
    });
    address
}

fn serve(mut stream: BufReader<TcpStream>) -> Option<()> {
    loop {
        let (mut asked, mut length) = (String::new(), 0);
        stream.read_line(&mut asked).ok().filter(|read| *read > 0)?;
        let mut header = String::new();
        while stream.read_line(&mut header).ok()? > 2 {
            length = header.strip_prefix("content-length: ").map_or(length, |length| length.trim().parse().unwrap());
            if header.to_lowercase().starts_with("authorization: ") {
                asked += &header;
            }
            header.clear();
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).ok()?;
        let larger = if asked.contains("large") { 64 << 10 } else { 0 };
        let answer = asked.replace("\r\n", "|") + &String::from_utf8(body).unwrap() + &"x".repeat(larger);
        let answer =
            format!("HTTP/1.1 201 Created\r\nserver: test\r\ncontent-length: {}\r\n\r\n{answer}", answer.len());
        stream.get_mut().write_all(answer.as_bytes()).ok()?;
    }
}

/// The output of one attempt that sends a request to `to`.
fn sent(place: &Workplace, to: &str) -> (Value, String) {
    let id = place.push("work", "X", &json!({ "to": to }).to_string());
    let output = place.jobhost(&["run"]).run().success();
    (place.status(&id)["output"][0].clone(), output.stderr)
}

#[test]
fn a_plugin_sends_requests_where_the_configuration_says_so() {
    let (place, address) = (Workplace::sqlite(), server());
    let grant = format!("grants = {{ http = [{{ url = \"http://{address}/up\", private = true }}] }}");
    one_guest(&place, "request", "", &grant);
    let (answer, _) = sent(&place, &format!("http://{address}/up/7"));
    assert_eq!((&answer["status"], &answer["body"]), (&json!(201), &json!("GET /up/7 HTTP/1.1|")));
    let (answer, log) = sent(&place, &format!("http://{address}/upper"));
    assert_eq!(answer["error"], "ErrorCode::HttpRequestDenied");
    assert!(log.contains("may not send GET") && log.contains("[plugins.it.grants]"), "{log}");
}

#[test]
fn a_request_with_a_whole_body_is_sent_under_the_same_grant_and_within_the_limits() {
    let (place, address) = (Workplace::sqlite(), server());
    let grant = format!("grants = {{ http = [{{ url = \"http://{address}/up\", private = true }}] }}");
    one_guest(&place, "send-whole", "", &format!("{grant}\nlimits = {{ host-call-bytes = \"64KiB\" }}"));
    let sent = |path: &str, name: &str, body: &str| {
        let payload = json!({"url": format!("http://{address}{path}"), "name": name, "body": body}).to_string();
        let id = place.push("work", "X", &payload);
        let log = place.jobhost(&["run"]).run().success().stderr;
        (place.status(&id)["output"].clone(), log)
    };
    let (answer, _) = sent("/up/7?a=b", "Authorization", "picture");
    let echoed = "POST /up/7?a=b HTTP/1.1|authorization: Bearer t0ken|picture";
    assert_eq!(answer, json!({"status": 201, "named": true, "size": echoed.len(), "body": echoed}));
    let (answer, log) = sent("/upper", "a", "");
    assert_eq!(answer, json!({"kind": "denied", "why": "the request is not granted"}));
    assert!(log.contains("may not send POST") && log.contains("[plugins.it.grants]"), "{log}");
    let (answer, _) = sent("/up/7", "host", "");
    assert_eq!(answer, json!({"kind": "invalid", "why": "the header `host` is the host's; leave it out"}));
    let (answer, log) = sent("/up/large", "a", "");
    assert_eq!(answer, json!({"kind": "denied", "why": "the answer passes a limit"}), "{log}");
    assert!(log.contains("raise `host-call-bytes` under `[plugins.it.limits]`"), "{log}");
}

#[test]
fn a_request_with_a_whole_body_that_nobody_answers_has_failed() {
    let place = Workplace::sqlite();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let grant = format!("grants = {{ http = [{{ url = \"http://{address}/\", private = true }}] }}");
    one_guest(&place, "send-whole", "", &grant);
    let payload = json!({"url": format!("http://{address}/"), "name": "a", "body": ""}).to_string();
    let id = place.push("work", "X", &payload);
    place.run("work");
    assert_eq!(place.status(&id)["output"], json!({"kind": "failed", "why": "ConnectionRefused"}));
}

#[test]
fn a_stream_that_breaks_tells_the_plugin_nothing_about_the_host() {
    let place = Workplace::sqlite();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 1000]);
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf").unwrap();
    });
    let grant = format!("grants = {{ http = [{{ url = \"http://{address}/\", private = true }}] }}");
    one_guest(&place, "request", "", &grant);
    let id = place.push("work", "X", &json!({"to": format!("http://{address}/"), "debug": "yes"}).to_string());
    place.jobhost(&["run"]).env("RUST_BACKTRACE", "full").run().success();
    let error = place.status(&id)["output"][0]["error"].as_str().unwrap().to_owned();
    assert!(error.len() < 100 && error.contains("incomplete"), "{error}");
}

#[test]
fn a_plugin_of_the_guest_crate_puts_a_file_with_a_token() {
    let (place, address) = (Workplace::sqlite(), server());
    let file = repository().join("plugins/target/wasm32-wasip2/release/examples/send.wasm");
    place.configure(&format!(
        "[queues.work]\n[plugins.send]\npath = {file:?}\njobs = [\"*\"]\n\
         grants = {{ http = [{{ url = \"http://{address}/up\", methods = [\"PUT\"], private = true }}] }}\n"
    ));
    let upload = |url: &str| json!({"url": url, "token": "t0ken", "content": "picture"}).to_string();
    let sent = place.push("work", "X", &upload(&format!("http://{address}/up/7.png?a=b")));
    let denied = place.push("work", "X", &upload("http://example.com/"));
    place.run("work");
    let answer = &place.status(&sent)["output"]["answer"];
    assert_eq!(answer, "PUT /up/7.png?a=b HTTP/1.1|authorization: Bearer t0ken|picture");
    assert!(place.failure(&denied).to_string().contains("the upload is not allowed"), "{}", place.failure(&denied));
}

#[test]
fn a_plugin_that_wants_requests_without_a_grant_is_not_loaded() {
    let place = Workplace::sqlite();
    one_guest(&place, "request", "", "");
    let refused = place.jobhost(&["run"]).run().exits_with(2);
    assert!(
        refused.stderr.contains("add `http = [\"https://HOST/PATH/\"]` under `[plugins.it.grants]`"),
        "{}",
        refused.stderr
    );
    assert!(refused.stderr.contains(guest("request").to_str().unwrap()), "{}", refused.stderr);
}
