//! Connections that wait, whose other ends are here.

use hyper::client::conn::http1;
use tokio::io::{AsyncReadExt, DuplexStream};
use wasmtime_wasi_http::io::TokioIo;

use super::*;
use crate::capabilities::http::HttpGrant;

const AMPLE: Duration = Duration::from_mins(1);

fn way() -> Way {
    let grant = HttpGrant::new("https://api.example.com/").unwrap();
    Way { origin: grant.origin().clone(), private: false, authorities: 0 }
}

/// A connection and its server's end.
async fn connected() -> (Sender, DuplexStream) {
    let (near, far) = tokio::io::duplex(1 << 10);
    let (sender, connection) = http1::handshake(TokioIo::new(near)).await.unwrap();
    tokio::spawn(connection);
    (sender, far)
}

/// Comes back when the client has closed.
async fn closed(far: &mut DuplexStream) {
    let read = tokio::time::timeout(AMPLE, far.read(&mut [0])).await;
    assert_eq!(read.unwrap().unwrap(), 0);
}

#[tokio::test]
async fn one_connection_too_many_closes_the_one_that_waited_longest() {
    let pool = Arc::new(Pool::default());
    let mut ends = Vec::new();
    for _ in 0..=MOST {
        let (sender, far) = connected().await;
        pool.put(way(), sender);
        ends.push(far);
    }
    closed(&mut ends[0]).await;
    let mut taken = Vec::new();
    while let Some(sender) = pool.take(&way()).await {
        taken.push(sender);
    }
    assert_eq!(taken.len(), MOST);
}

#[tokio::test]
async fn a_connection_that_nobody_needs_is_closed_after_a_while_unasked() {
    let pool = Arc::new(Pool { idle: Duration::from_millis(50), ..Pool::default() });
    for _ in 0..2 {
        let (sender, mut far) = connected().await;
        pool.put(way(), sender);
        closed(&mut far).await;
        assert!(pool.take(&way()).await.is_none());
    }
}

#[tokio::test]
async fn a_connection_serves_only_what_it_was_made_for() {
    let pool = Arc::new(Pool::default());
    let (sender, _far) = connected().await;
    pool.put(way(), sender);
    let other = |url: &str| Way { origin: HttpGrant::new(url).unwrap().origin().clone(), ..way() };
    for other in [
        Way { private: true, ..way() },
        Way { authorities: 1, ..way() },
        other("http://api.example.com:443/"),
        other("https://api.example.com:444/"),
        other("https://www.example.com/"),
    ] {
        assert!(pool.take(&other).await.is_none(), "{other:?}");
    }
    assert!(pool.take(&way()).await.is_some());
}

#[tokio::test]
async fn a_connection_that_its_server_closed_is_not_handed_out() {
    let pool = Arc::new(Pool::default());
    let (sender, far) = connected().await;
    pool.put(way(), sender);
    drop(far);
    assert!(pool.take(&way()).await.is_none());
}
