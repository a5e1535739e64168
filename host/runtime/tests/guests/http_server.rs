//! A small server on loopback that answers as its paths say, rightly and wrongly, and remembers what it was asked.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

/// A request as it came in.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Request line and headers, without the empty line.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

pub(crate) struct Record {
    pub(crate) connections: AtomicUsize,
    asked: Mutex<Vec<Asked>>,
    /// One for each request.
    heard: Semaphore,
    /// One for each connection that its client closed while it sent a body or waited for an answer, or after the server did.
    abandoned: Semaphore,
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) record: Arc<Record>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::with(None).await
    }

    pub(crate) async fn tls(acceptor: TlsAcceptor) -> Self {
        Self::with(Some(acceptor)).await
    }

    async fn with(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let record = Arc::new(Record {
            connections: AtomicUsize::new(0),
            asked: Mutex::default(),
            heard: Semaphore::new(0),
            abandoned: Semaphore::new(0),
        });
        let heard = Arc::clone(&record);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                heard.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(served(stream, tls.clone(), Arc::clone(&heard)));
            }
        });
        Self { address, record }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn connections(&self) -> usize {
        self.record.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.record.asked.lock().unwrap().clone()
    }

    /// Comes back when a request came in, one for each call of this.
    pub(crate) async fn heard(&self) {
        next(&self.record.heard).await;
    }

    /// Comes back when a client has gone that was kept waiting, or that the server would not hear any more.
    pub(crate) async fn abandoned(&self) {
        next(&self.record.abandoned).await;
    }
}

async fn next(events: &Semaphore) {
    tokio::time::timeout(crate::harness::AMPLE, events.acquire()).await.unwrap().unwrap().forget();
}

async fn served(stream: TcpStream, tls: Option<TlsAcceptor>, record: Arc<Record>) {
    match tls {
        None => exchanges(stream, &record).await,
        Some(acceptor) => match acceptor.accept(stream).await {
            Ok(stream) => exchanges(stream, &record).await,
            Err(error) => drop(error),
        },
    }
}

async fn exchanges(mut stream: impl AsyncRead + AsyncWrite + Unpin, record: &Record) {
    let mut before = 0;
    while let Some(asked) = request(&mut stream, record).await {
        let mut line = asked.head.lines().next().unwrap().split(' ');
        let (method, path) = (line.next().unwrap().to_owned(), line.next().unwrap().to_owned());
        let size = asked.body.len();
        record.asked.lock().unwrap().push(asked);
        record.heard.add_permits(1);
        // A server that restarts hears the next request on a connection and never answers it.
        if path == "/first" && before > 0 {
            return;
        }
        before += 1;
        if answer(&mut stream, record, &method, &path, size).await.is_none() {
            return;
        }
        if path == "/early" {
            let mut body = Vec::new();
            whole(&mut stream, record, &mut body, None, true).await;
            record.heard.add_permits(usize::from(body.ends_with(b"0\r\n\r\n")));
            return;
        }
    }
}

/// Answers, and says whether the connection goes on.
async fn answer(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    record: &Record,
    method: &str,
    path: &str,
    size: usize,
) -> Option<()> {
    let path = path.split('?').next().unwrap();
    let (what, number) = path.trim_start_matches('/').split_once('/').unwrap_or((path.trim_start_matches('/'), ""));
    let number: usize = number.parse().unwrap_or(0);
    let whole = |status: usize, headers: &str, body: &str| {
        let length = body.len();
        let body = if method == "HEAD" { "" } else { body };
        format!("HTTP/1.1 {status} Some\r\ncontent-length: {length}\r\n{headers}\r\n{body}")
    };
    let (text, goes_on) = match what {
        "echo" | "first" | "early" => (whole(200, "x-answer: yes\r\n", &format!("{method} {size}")), true),
        "status" => (whole(number, "", ""), true),
        "redirect" => (whole(302, "location: /echo\r\n", ""), true),
        "big" => (whole(200, "", &"y".repeat(number)), true),
        "chunked" => {
            let body = "z".repeat(number);
            (format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{number:x}\r\n{body}\r\n0\r\n\r\n"), true)
        }
        "head" => (whole(200, &format!("x-long: {}\r\n", "h".repeat(number)), ""), true),
        "once" => (whole(200, "", "once"), false),
        "short" => ("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n0123456789".to_owned(), false),
        "garbage" => ("220 mail.example.com ESMTP\r\n\r\n".to_owned(), false),
        "half" => ("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n0123456789".to_owned(), true),
        _ => (String::new(), what == "hang"),
    };
    // A client that has gone is nobody to tell.
    stream.write_all(text.as_bytes()).await.ok()?;
    stream.flush().await.ok()?;
    if matches!(what, "hang" | "half") {
        let _ = stream.read(&mut [0]).await;
        record.abandoned.add_permits(1);
        return None;
    }
    if goes_on {
        return Some(());
    }
    let _ = stream.shutdown().await;
    let _ = stream.read(&mut [0]).await;
    record.abandoned.add_permits(1);
    None
}

/// The next request; none when the client has closed, or broke off. Who asks for `/early` is answered before the body came,
/// which is then read to its end.
async fn request(stream: &mut (impl AsyncRead + Unpin), record: &Record) -> Option<Asked> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if tokio::time::timeout(Duration::from_mins(1), stream.read_buf(&mut bytes)).await.ok()?.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut body = bytes.split_off(end + 4);
    let lower = head.to_ascii_lowercase();
    let length = lower.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
    let chunked = lower.contains("transfer-encoding: chunked") && !lower.contains(" /early ");
    whole(stream, record, &mut body, length, chunked).await?;
    Some(Asked { head, body })
}

/// Reads the rest of a body; none if it breaks off.
async fn whole(
    stream: &mut (impl AsyncRead + Unpin),
    record: &Record,
    body: &mut Vec<u8>,
    length: Option<usize>,
    chunked: bool,
) -> Option<()> {
    while length.is_some_and(|length| body.len() < length) || (chunked && !body.ends_with(b"0\r\n\r\n")) {
        if !stream.read_buf(body).await.is_ok_and(|read| read > 0) {
            record.abandoned.add_permits(1);
            return None;
        }
    }
    Some(())
}
