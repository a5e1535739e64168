//! Requests over HTTP, from a guest through the host's client to a server on loopback.

use std::time::Duration;

use jobhost_runtime::types::{FailureCause, Level};
use jobhost_runtime::{HttpGrant, Plugin, PluginSettings};
use serde_json::{Value, json};

use crate::harness::{Recorder, call, call_within, faulted, guest, job, plugin_with, refusal, returned};
use crate::http_server::Server;

/// The grant of a URL where addresses of this machine may be reached.
pub(crate) fn private(url: &str) -> HttpGrant {
    let mut grant = HttpGrant::new(url).unwrap();
    grant.private = true;
    grant
}

/// The guest with these grants.
pub(crate) fn granted(grants: &[HttpGrant], change: impl FnOnce(&mut PluginSettings)) -> Plugin {
    plugin_with("request", |settings| {
        settings.grants.http = grants.to_vec();
        change(settings);
    })
}

/// The guest that may send anything to a server.
pub(crate) fn for_server(server: &Server) -> Plugin {
    granted(&[private(&server.url("/"))], |_| ())
}

/// What became of the requests of one attempt, and what the operator was told.
pub(crate) async fn told(plugin: &Plugin, payload: &Value) -> (Vec<Value>, Vec<String>) {
    let (call, host) = call();
    let output = returned(plugin.execute(job(&payload.to_string()), call).await).unwrap();
    let Value::Array(answers) = serde_json::from_str(&output).unwrap() else { panic!("{output}") };
    (answers, warnings(&host))
}

fn warnings(host: &Recorder) -> Vec<String> {
    let logged = host.logged.lock().unwrap();
    assert!(logged.iter().all(|(level, _)| *level == Level::Warn), "{logged:?}");
    logged.iter().map(|(_, message)| message.clone()).collect()
}

/// The one answer of an attempt that nobody was told about.
pub(crate) async fn answer(plugin: &Plugin, payload: &Value) -> Value {
    let (mut answers, warnings) = told(plugin, payload).await;
    assert_eq!((answers.len(), &warnings[..]), (1, &[][..]), "{answers:?}");
    answers.remove(0)
}

/// The error of one request, and what the operator was told about it, once.
pub(crate) async fn error(plugin: &Plugin, payload: &Value) -> (String, String) {
    let (answers, warnings) = told(plugin, payload).await;
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert!(warnings.len() <= 1, "{warnings:?}");
    let error = answers[0]["error"].as_str().unwrap_or_else(|| panic!("{answers:?}"));
    (error.to_owned(), warnings.into_iter().next().unwrap_or_default())
}

mod pile_up {
    use super::*;

    /// How a guest ends that keeps so many requests of such a size unsent.
    async fn end(what: &str, times: u32, size: u32) -> Result<String, FailureCause> {
        let plugin = plugin_with("pile-up", |settings| {
            settings.grants.http = vec![private("http://127.0.0.1:1/")];
        });
        let payload = json!({"what": what, "times": times.to_string(), "size": size.to_string()});
        let finished = plugin.execute(job(&payload.to_string()), call().0).await;
        match finished.outcome {
            jobhost_runtime::Outcome::Faulted(fault) => Err(fault.cause),
            other => Ok(format!("{other:?}")),
        }
    }

    #[tokio::test]
    async fn what_a_guest_holds_of_requests_on_the_hosts_side_is_bounded() {
        for (what, times, size) in [
            ("method", 5, 4_000_000),
            ("authority", 5, 4_000_000),
            ("path", 400, 60_000),
            ("append", 600, 30_000),
            ("set", 600, 30_000),
            ("list", 600, 30_000),
            ("clone", 600, 30_000),
            ("body", 1_101, 0),
        ] {
            let end_of_much = end(what, times, size).await;
            let Err(FailureCause::Limit(text)) = &end_of_much else { panic!("{what}: {end_of_much:?}") };
            assert!(text.ends_with("the limit is `http-requests`"), "{what}: {text}");
            assert!(end(what, 3, size.min(1_000)).await.is_ok(), "{what}");
        }
        for what in ["append", "set", "list"] {
            let one = end(what, 1, 40_000).await;
            assert!(matches!(&one, Err(FailureCause::Other(why)) if why.contains("total size")), "{what}: {one:?}");
        }
    }
}

mod request {
    use super::*;

    #[test]
    fn a_plugin_that_imports_http_ungranted_is_refused_with_the_line_to_add() {
        let why = refusal(&guest("request"));
        assert!(why.contains("`wasi:http/outgoing-handler@0.2."), "{why}");
        assert!(why.contains("which is not granted; to allow it, add `http = [\"https://HOST/PATH/\"]` under `[plugins.thumbs.grants]`"), "{why}");
    }

    #[tokio::test]
    async fn status_headers_and_bodies_go_both_ways() {
        let server = Server::start().await;
        let plugin = for_server(&server);
        let url = server.url("/echo?a=b");
        let got = answer(&plugin, &json!({"to": url, "header": "x-token: s3cret"})).await;
        assert_eq!((&got["status"], &got["body"]), (&json!(200), &json!("GET 0")));
        assert_eq!(got["headers"]["x-answer"], "yes");
        let put = answer(&plugin, &json!({"method": "PUT", "to": url, "body": "hello"})).await;
        assert_eq!(put["body"], "PUT 5");
        let large =
            answer(&plugin, &json!({"method": "POST", "to": url, "announced": 300_000, "length": 300_000})).await;
        assert_eq!(large["body"], "POST 300000");
        assert_eq!(answer(&plugin, &json!({"to": server.url("/status/404")})).await["status"], 404);
        assert_eq!(answer(&plugin, &json!({"method": "HEAD", "to": server.url("/big/9")})).await["length"], 0);
        assert_eq!(answer(&plugin, &json!({"to": server.url("/chunked/70000")})).await["length"], 70_000);
        let asked = server.asked();
        assert!(asked[0].head.starts_with("GET /echo?a=b HTTP/1.1\r\n"), "{}", asked[0].head);
        assert!(asked[0].head.contains("x-token: s3cret"), "{}", asked[0].head);
        assert!(asked[0].head.contains(&format!("host: {}", server.address)), "{}", asked[0].head);
        assert_eq!(asked[1].body, b"hello");
    }

    #[tokio::test]
    async fn a_redirect_is_not_followed() {
        let server = Server::start().await;
        let got = answer(&for_server(&server), &json!({"to": server.url("/redirect")})).await;
        assert_eq!((&got["status"], &got["headers"]["location"]), (&json!(302), &json!("/echo")));
        assert_eq!(server.asked().len(), 1);
    }

    #[tokio::test]
    async fn what_a_grant_does_not_cover_is_denied_and_the_line_to_add_is_told() {
        let (server, other) = (Server::start().await, Server::start().await);
        let grant = private(&server.url("/v1/")).only(&["GET".to_owned()]).unwrap();
        let plugin = granted(&[grant], |_| ());
        let host = server.address;
        for (method, to) in [
            ("GET", server.url("/v10/x")),
            ("GET", server.url("/v1/../echo")),
            ("GET", server.url("/v1/%2e%2e/echo")),
            ("GET", server.url("/v1//echo")),
            ("GET", server.url("/")),
            ("PUT", server.url("/v1/x")),
            ("get", server.url("/v1/x")),
            ("CONNECT", server.url("/v1/x")),
            ("GET", other.url("/v1/x")),
            ("GET", format!("https://{host}/v1/x")),
            ("GET", format!("http://localhost:{}/v1/x", host.port())),
            ("GET", format!("http://user@{host}/v1/x")),
            ("GET", format!("http://evil@{}/v1/x", other.address)),
        ] {
            let (error, told) = error(&plugin, &json!({"method": method, "to": to})).await;
            assert!(error.contains("HttpRequestDenied") || error.contains("invalid"), "{method} {to}: {error}");
            assert!(
                told.starts_with("plugin `request` may not send") || error.contains("invalid"),
                "{method} {to}: {told}"
            );
        }
        let (_, told) = error(&plugin, &json!({"method": "PUT", "to": other.url("/v1/x?token=s3cret")})).await;
        let line = format!(
            "to allow it, set `http = [{{ url = \"{}\", methods = [\"GET\"], private = true }}, {{ url = \"{}\", methods = [\"PUT\"] }}]` under `[plugins.request.grants]`",
            server.url("/v1/"),
            other.url("/v1/x")
        );
        assert!(told.ends_with(&line), "{told}");
        assert_eq!(server.asked().len() + other.asked().len(), 0);
    }

    #[tokio::test]
    async fn a_guest_that_tries_again_and_again_is_told_of_once() {
        let server = Server::start().await;
        let plugin = granted(&[private(&server.url("/v1/"))], |_| ());
        let (answers, warnings) = told(&plugin, &json!({"to": server.url("/v2/"), "repeat": 20})).await;
        assert_eq!((answers.len(), warnings.len()), (20, 1), "{warnings:?}");
    }

    #[tokio::test]
    async fn headers_of_the_connection_cannot_be_set() {
        let server = Server::start().await;
        let plugin = for_server(&server);
        for header in ["host: evil.example", "connection: upgrade", "transfer-encoding: chunked", "te: trailers"] {
            let (error, _) = error(&plugin, &json!({"to": server.url("/echo"), "header": header})).await;
            assert!(error.contains("Forbidden"), "{header}: {error}");
        }
        assert!(server.asked().is_empty());
    }

    #[tokio::test]
    async fn a_server_that_hangs_costs_the_attempt_its_time_and_nobody_else_anything() {
        let server = Server::start().await;
        let plugin = for_server(&server);
        for path in ["/hang", "/half"] {
            let hanging = plugin
                .execute(job(&json!({"to": server.url(path)}).to_string()), call_within(Duration::from_secs(2)).0);
            let neighbour = async {
                server.heard().await;
                answer(&plugin, &json!({"to": server.url("/echo")})).await
            };
            let (hanging, neighbour) = tokio::join!(hanging, neighbour);
            assert_eq!(faulted(&hanging).cause, FailureCause::TimedOut(2_000), "{path}");
            assert_eq!(neighbour["status"], 200);
            server.abandoned().await;
            // What the neighbour told of its own request.
            server.heard().await;
        }
    }

    #[tokio::test]
    async fn a_guest_may_have_less_patience_than_its_time() {
        let server = Server::start().await;
        let plugin = for_server(&server);
        let got = answer(&plugin, &json!({"to": server.url("/hang"), "first": 50})).await;
        assert!(got["error"].to_string().contains("HttpResponseTimeout"), "{got}");
        server.abandoned().await;
        let got = answer(&plugin, &json!({"to": server.url("/half"), "between": 50})).await;
        assert!(got["error"].to_string().contains("ConnectionReadTimeout"), "{got}");
        server.abandoned().await;
    }

    #[tokio::test]
    async fn a_call_receives_and_sends_no_more_than_its_limits() {
        let server = Server::start().await;
        let plugin = granted(&[private(&server.url("/"))], |settings| {
            settings.limits.http_received = 50_000;
            settings.limits.http_sent = 50_000;
        });
        let cases = [
            (json!({"to": server.url("/big/50001")}), "HttpResponseBodySize", "http-received"),
            (json!({"to": server.url("/chunked/50001")}), "HttpResponseBodySize", "http-received"),
            (
                json!({"method": "PUT", "to": server.url("/echo"), "announced": 50_001}),
                "HttpRequestBodySize",
                "http-sent",
            ),
            (
                json!({"method": "PUT", "to": server.url("/echo"), "length": 200_000}),
                "HttpRequestBodySize",
                "http-sent",
            ),
        ];
        for (payload, code, setting) in cases {
            let (error, told) = error(&plugin, &payload).await;
            assert!(error.contains(code), "{payload}: {error}");
            assert!(told.contains(&format!("raise `{setting}` under `[plugins.request.limits]`")), "{payload}: {told}");
        }
        // They are sums over the call, and each call begins anew.
        let (answers, _) = told(&plugin, &json!({"to": server.url("/big/20000"), "repeat": 3})).await;
        assert_eq!((&answers[1]["length"], &answers[2]["status"]), (&json!(20_000), &Value::Null), "{answers:?}");
    }

    #[tokio::test]
    async fn a_call_sends_no_more_requests_than_its_limits() {
        let server = Server::start().await;
        let plugin = granted(&[private(&server.url("/"))], |settings| {
            settings.limits.http_requests = 5;
            settings.limits.http_at_once = 2;
        });
        let (answers, told_of) = told(&plugin, &json!({"to": server.url("/big/9"), "at_once": 3, "repeat": 2})).await;
        let denied: Vec<_> = answers.iter().filter_map(|answer| answer["error"].as_str()).collect();
        assert_eq!(denied.len(), 2, "{answers:?}");
        assert!(denied.iter().all(|error| error.contains("ConnectionLimitReached")), "{denied:?}");
        assert!(told_of[0].contains("raise `http-at-once`"), "{told_of:?}");
        let (answers, told_of) = told(&plugin, &json!({"to": server.url("/echo"), "repeat": 6})).await;
        assert!(answers[5]["error"].as_str().unwrap().contains("HttpRequestDenied"), "{answers:?}");
        assert!(told_of[0].contains("raise `http-requests`"), "{told_of:?}");
    }

    #[tokio::test]
    async fn a_request_is_under_way_until_its_body_is_sent_however_early_the_answer() {
        let server = Server::start().await;
        let plugin = granted(&[private(&server.url("/"))], |settings| settings.limits.http_at_once = 2);
        let early = json!({"method": "PUT", "to": server.url("/early"), "length": 9, "finish": "no", "repeat": 3});
        let (answers, told_of) = told(&plugin, &early).await;
        assert_eq!((&answers[0]["status"], &answers[1]["status"]), (&json!(200), &json!(200)), "{answers:?}");
        assert!(answers[2]["error"].to_string().contains("ConnectionLimitReached"), "{answers:?}");
        assert!(told_of[0].contains("raise `http-at-once`"), "{told_of:?}");
    }

    #[tokio::test]
    async fn what_an_attempt_did_not_finish_sending_does_not_pass_for_a_whole_body() {
        let server = Server::start().await;
        let plugin = for_server(&server);
        let put = json!({"method": "PUT", "to": server.url("/echo"), "length": 9_000, "finish": "no"});
        let cut = plugin.execute(job(&put.to_string()), call_within(Duration::from_secs(2)).0).await;
        assert_eq!(faulted(&cut).cause, FailureCause::TimedOut(2_000));
        tokio::select! {
            () = server.abandoned() => {}
            () = server.heard() => panic!("{:?} came as a whole request", server.asked()[0].head),
        }
        // Nor after an early answer.
        let put = json!({"method": "PUT", "to": server.url("/early"), "length": 9_000, "finish": "no"});
        assert_eq!(answer(&plugin, &put).await["status"], 200);
        server.heard().await;
        tokio::select! {
            () = server.abandoned() => {}
            () = server.heard() => panic!("what came after the head was taken for a whole body"),
        }
    }

    #[tokio::test]
    async fn a_connection_is_kept_for_later_attempts_of_the_same_plugin_alone() {
        let server = Server::start().await;
        let plugin = for_server(&server);
        for round in ["", "no", ""] {
            for path in ["/echo", "/status/204", "/chunked/10"] {
                answer(&plugin, &json!({"to": server.url(path), "read": round})).await;
            }
        }
        let put = json!({"method": "PUT", "to": server.url("/echo"), "body": "hello", "repeat": 5});
        told(&plugin, &put).await;
        assert_eq!((server.asked().len(), server.connections()), (14, 1));
        answer(&for_server(&server), &json!({"to": server.url("/echo")})).await;
        assert_eq!(server.connections(), 2);
    }

    #[tokio::test]
    async fn a_kept_connection_that_the_server_closed_is_replaced() {
        let server = Server::start().await;
        let plugin = for_server(&server);
        // Without waiting: what may be sent twice is, should the connection close in the same moment.
        for _ in 0..3 {
            assert_eq!(answer(&plugin, &json!({"to": server.url("/once")})).await["body"], "once");
            server.heard().await;
        }
        for _ in 0..2 {
            server.abandoned().await;
        }
        for connections in 4..=6 {
            server.abandoned().await;
            let got = answer(&plugin, &json!({"method": "PUT", "to": server.url("/once"), "body": "x"})).await;
            assert_eq!((&got["body"], server.connections()), (&json!("once"), connections), "{got}");
            server.heard().await;
        }
    }

    #[tokio::test]
    async fn a_request_that_a_kept_connection_swallows_is_sent_again_only_if_it_changes_nothing() {
        let server = Server::start().await;
        let plugin = for_server(&server);
        let get = json!({"to": server.url("/first")});
        answer(&plugin, &get).await;
        assert_eq!(answer(&plugin, &get).await["status"], 200);
        assert_eq!((server.asked().len(), server.connections()), (3, 2));
        let put = answer(&plugin, &json!({"method": "PUT", "to": server.url("/first"), "body": "x"})).await;
        assert!(put["error"].to_string().contains("HttpResponseIncomplete"), "{put}");
        assert_eq!((server.asked().len(), server.connections()), (4, 2));
    }

    #[tokio::test]
    async fn a_server_that_breaks_off_is_an_error_for_the_guest() {
        let server = Server::start().await;
        let plugin = for_server(&server);
        for (path, code) in [
            ("/close", "HttpResponseIncomplete"),
            ("/short", "HttpResponseIncomplete"),
            ("/garbage", "HttpProtocolError"),
            ("/head/100000", "HttpResponseHeaderSectionSize"),
        ] {
            let got = answer(&plugin, &json!({"to": server.url(path)})).await;
            assert!(got["error"].to_string().contains(code), "{path}: {got}");
        }
        assert_eq!(answer(&plugin, &json!({"to": server.url("/echo")})).await["status"], 200);
    }
}
