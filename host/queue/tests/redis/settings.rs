//! What is said of a server's own settings.

use jobhost_queue::redis::{PrivateRedis, RedisStore};
use jobhost_queue::{Clock, Store};

/// What the store of a server says that was started with these arguments.
async fn warnings(args: &[&str], forbid: &str) -> Vec<String> {
    let server = PrivateRedis::start_with(args);
    let store = RedisStore::open(&server.url(), Clock::Store).await.unwrap();
    if !forbid.is_empty() {
        let client = redis::Client::open(server.url()).unwrap();
        let mut raw = client.get_multiplexed_async_connection().await.unwrap();
        let mut command = redis::cmd("ACL");
        command.arg("SETUSER").arg("default").arg(forbid);
        command.query_async::<()>(&mut raw).await.unwrap();
    }
    store.warnings().await.unwrap()
}

#[tokio::test]
async fn a_server_that_keeps_nothing_on_disk_is_warned_of() {
    let said = warnings(&[], "").await;
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("`appendonly yes`"), "{said:?}");
}

#[tokio::test]
async fn a_server_that_writes_a_log_or_snapshots_and_evicts_no_jobs_is_fine() {
    let none: [&str; 0] = [];
    assert_eq!(warnings(&["--appendonly", "yes"], "").await, none);
    let volatile = ["--save", "60 1", "--maxmemory-policy", "volatile-lru"];
    assert_eq!(warnings(&volatile, "").await, none);
}

#[tokio::test]
async fn a_server_that_evicts_jobs_is_warned_of_whether_its_memory_is_limited_or_not() {
    for (memory, when) in [("0", "as soon as"), ("100mb", "when its maxmemory")] {
        let evicts = ["--appendonly", "yes", "--maxmemory-policy", "allkeys-lru", "--maxmemory", memory];
        let said = warnings(&evicts, "").await;
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].contains(when), "{said:?}");
        assert!(said[0].contains("`maxmemory-policy noeviction`"), "{said:?}");
    }
}

#[tokio::test]
async fn nothing_is_said_of_what_the_server_does_not_show() {
    assert_eq!(warnings(&[], "-config").await, [""; 0]);
}

#[tokio::test]
async fn a_server_that_still_loads_its_log_is_not_warned_of() {
    // It answers after each 1,024 commands that it has loaded.
    let mut server = PrivateRedis::start_with(&["--appendonly", "yes", "--key-load-delay", "150"]);
    let client = redis::Client::open(server.url()).unwrap();
    let mut raw = client.get_multiplexed_async_connection().await.unwrap();
    let mut sets = redis::pipe();
    for n in 0..30_000 {
        sets.cmd("SET").arg(n).arg("").ignore();
    }
    sets.query_async::<()>(&mut raw).await.unwrap();
    server.restart();
    let store = RedisStore::open(&server.url(), Clock::Store).await.unwrap();
    assert_eq!(store.warnings().await.unwrap(), [""; 0]);
    // An ordinary command is refused until all is loaded.
    assert!(store.ping().await.unwrap_err().to_string().contains("loading"));
}
