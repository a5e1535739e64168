//! Addresses, passwords and servers with which no store can be opened.

use std::time::Instant;

use jobhost_queue::redis::{PrivateRedis, RedisStore};
use jobhost_queue::{Clock, Store, StoreError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::outage::BOUND;

/// Why a store cannot be opened.
async fn refusal(url: &str) -> StoreError {
    let start = Instant::now();
    let opened = RedisStore::open(url, Clock::Store).await;
    let Err(error) = opened else {
        panic!("{url} should not open");
    };
    assert!(start.elapsed() < BOUND, "{:?}", start.elapsed());
    assert!(!error.to_string().contains("secret"), "{error}");
    error
}

#[tokio::test]
async fn an_address_where_nobody_answers_is_not_available() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let silent = refusal(&format!("redis://:secret@{address}")).await;
    assert!(silent.is_transient(), "{silent}");
    drop(listener);
    let refused = refusal(&format!("redis://:secret@{address}")).await;
    assert!(refused.is_transient(), "{refused}");
    assert!(refused.to_string().contains(&address.to_string()), "{refused}");
    let nowhere = refusal("redis+unix:///nowhere/redis.sock").await;
    assert!(nowhere.is_transient(), "{nowhere}");
}

#[tokio::test]
async fn an_address_with_a_typo_is_invalid_and_told_without_password() {
    for url in [
        "redis:/127.0.0.1",
        "redis://user:secret@127.0.0.1:port/0",
        "redis://user:secret@127.0.0.1:6379/first",
        "rediss://user:secret@127.0.0.1",
        "redis+unix:///run/redis.sock?db=first&pass=secret",
    ] {
        let error = refusal(url).await;
        assert!(matches!(error, StoreError::Invalid(_)), "{url}: {error}");
        assert!(error.to_string().contains("redis://user:password@"), "{error}");
    }
}

#[tokio::test]
async fn a_wrong_password_is_invalid_and_the_right_one_is_not_shown() {
    let server = PrivateRedis::start_with(&["--requirepass", "secret"]);
    let none = refusal(&server.url()).await;
    assert!(matches!(none, StoreError::Invalid(_)), "{none}");
    let wrong = refusal(&format!("{}?pass=wrong", server.url())).await;
    assert!(matches!(wrong, StoreError::Invalid(_)), "{wrong}");
    let url = format!("{}?pass=secret", server.url());
    let store = RedisStore::open(&url, Clock::Store).await.unwrap();
    store.ping().await.unwrap();
    assert!(!store.address().contains("secret"), "{}", store.address());
}

/// A server that says `facts` of itself and `+OK` to all else.
async fn impostor(facts: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut request = vec![0; 4096];
            while let Ok(bytes @ 1..) = client.read(&mut request).await {
                let text = String::from_utf8_lossy(&request[..bytes]).into_owned();
                let mut reply = "+OK\r\n".repeat(text.matches("\r\nCLIENT\r\n").count());
                if text.contains("INFO\r\n") && !text.contains("SETINFO\r\n") {
                    reply = format!("${}\r\n{facts}\r\n", facts.len());
                }
                client.write_all(reply.as_bytes()).await.unwrap();
            }
        }
    });
    url
}

#[tokio::test]
async fn a_cluster_and_an_old_server_are_refused() {
    let cluster = impostor("redis_version:7.0.15\r\ncluster_enabled:1\r\n").await;
    let error = refusal(&cluster).await;
    assert!(matches!(error, StoreError::Invalid(_)), "{error}");
    assert!(error.to_string().contains("Cluster"), "{error}");
    let old = impostor("redis_version:6.0.16\r\ncluster_enabled:0\r\n").await;
    let error = refusal(&old).await;
    assert!(matches!(error, StoreError::Invalid(_)), "{error}");
    assert!(error.to_string().contains("6.2"), "{error}");
    let new_enough = impostor("redis_version:6.2.0\r\ncluster_enabled:0\r\n").await;
    assert!(RedisStore::open(&new_enough, Clock::Store).await.is_ok());
}
