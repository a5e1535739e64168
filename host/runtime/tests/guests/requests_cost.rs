//! What a request costs through the sandbox, against the same from plain Rust with the client that is behind it. Run it
//! on a quiet machine: `cargo test --release --workspace --test guests -- --ignored --nocapture requests_cost`.

use std::time::Instant;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use jobhost_runtime::{HttpGrant, Plugin};
use serde_json::json;
use tokio::net::TcpStream;
use wasmtime_wasi_http::io::TokioIo;

use crate::harness::{call, job, plugin, plugin_with, returned};
use crate::http_server::Server;

/// Requests of one measurement.
const REQUESTS: u32 = 2_000;

/// Measurements of each kind, in turns, of which the fastest counts.
const ROUNDS: usize = 5;

/// Microseconds of one request, sent one after the other over one connection.
async fn plain(server: &Server) -> f64 {
    let stream = TcpStream::connect(server.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let began = Instant::now();
    for _ in 0..REQUESTS {
        let request = hyper::Request::get("/echo").header("host", "a").body(Empty::<Bytes>::new()).unwrap();
        let response = sender.send_request(request).await.unwrap();
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "GET 0");
        sender.ready().await.unwrap();
    }
    each(began, REQUESTS)
}

/// The same from a guest, `requests` of them in each attempt.
async fn sandboxed(plugin: &Plugin, server: &Server, requests: u32) -> f64 {
    let payload = json!({"to": server.url("/echo"), "repeat": requests}).to_string();
    let began = Instant::now();
    for _ in 0..REQUESTS / requests {
        let output = returned(plugin.execute(job(&payload), call().0).await).unwrap();
        assert!(!output.contains("error"), "{output}");
    }
    each(began, REQUESTS)
}

/// Attempts that send nothing.
async fn idle(plugin: &Plugin) -> f64 {
    let began = Instant::now();
    for _ in 0..REQUESTS {
        returned(plugin.execute(job("{}"), call().0).await).unwrap();
    }
    each(began, REQUESTS)
}

fn each(began: Instant, requests: u32) -> f64 {
    began.elapsed().as_secs_f64() * 1e6 / f64::from(requests)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it measures and asserts nothing"]
async fn a_request_through_the_sandbox_and_from_plain_rust() {
    let server = Server::start().await;
    let guest = plugin_with("request", |settings| {
        let mut grant = HttpGrant::new(&server.url("/")).unwrap();
        grant.private = true;
        settings.grants.http = vec![grant];
        settings.limits.http_requests = REQUESTS;
    });
    let echo = plugin("echo");
    let mut best = [f64::MAX; 4];
    for _ in 0..ROUNDS {
        let times = [
            plain(&server).await,
            sandboxed(&guest, &server, 500).await,
            sandboxed(&guest, &server, 1).await,
            idle(&echo).await,
        ];
        for (best, time) in best.iter_mut().zip(times) {
            *best = best.min(time);
        }
    }
    let [plain, many, one, idle] = best;
    println!("plain Rust                      {plain:8.1} µs a request");
    println!("500 requests in an attempt      {many:8.1} µs a request, {:.2} times plain", many / plain);
    println!("one request in an attempt       {one:8.1} µs an attempt, {:.2} times plain", one / plain);
    println!("an attempt of a guest without   {idle:8.1} µs an attempt");
}
