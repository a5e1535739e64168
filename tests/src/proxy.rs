//! Stands between a program and a Redis server, understands where a command
//! or a reply ends, and can lose, cut, hold or invent replies. It decides
//! nothing by itself: a test's rule says what becomes of each command.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::resp;

/// Where the server is.
#[derive(Clone, Debug)]
pub enum Upstream {
    /// Host and port.
    Tcp(String),
    /// A socket.
    Unix(PathBuf),
}

/// What becomes of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It reaches the server, its reply the client.
    Pass,
    /// It reaches the server; so many bytes of its reply reach the client,
    /// then the connection is cut.
    CutReply(usize),
    /// It does not reach the server: the connection is cut.
    Cut,
    /// It does not reach the server: this is its reply, as RESP has it.
    Answer(String),
}

/// A command on its way to the server.
pub struct Request {
    /// Its words.
    pub words: Vec<Vec<u8>>,
    /// The name of the script that it runs, if the proxy has seen it loaded.
    pub script: Option<String>,
}

impl Request {
    /// Whether it is this command (such as `INFO`), or runs this script (such as `settle`).
    pub fn is(&self, name: &str) -> bool {
        let command = self.words.first().is_some_and(|word| word.eq_ignore_ascii_case(name.as_bytes()));
        command || self.script.as_deref() == Some(name)
    }

    /// Whether this is among its words.
    pub fn names(&self, word: &str) -> bool {
        self.words.iter().any(|own| own == word.as_bytes())
    }
}

/// What a test says of each command.
pub type Rule = Box<dyn FnMut(&Request) -> Fate + Send>;

/// A proxy on a port of its own. Its connections are cut when it is dropped.
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    upstream: Upstream,
    rule: Mutex<Rule>,
    /// Names of scripts by their digest.
    scripts: Mutex<HashMap<String, String>>,
    held: Mutex<bool>,
    released: Condvar,
    refusing: AtomicBool,
    ended: AtomicBool,
    links: Mutex<Vec<Arc<Link>>>,
}

/// A client's connection and the one to the server.
struct Link {
    client: TcpStream,
    server: Stream,
    /// What the replies to come are for, in the order of their requests.
    owed: Mutex<VecDeque<Owed>>,
}

enum Owed {
    Reply { fate: Fate, loads: Option<String> },
    Invented(String),
}

impl Proxy {
    /// One that passes everything on.
    pub fn before(upstream: Upstream) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("there is a free port");
        let port = listener.local_addr().expect("it has an address").port();
        let shared = Arc::new(Shared {
            upstream,
            rule: Mutex::new(Box::new(|_| Fate::Pass)),
            scripts: Mutex::default(),
            held: Mutex::default(),
            released: Condvar::new(),
            refusing: AtomicBool::default(),
            ended: AtomicBool::default(),
            links: Mutex::default(),
        });
        let serving = Arc::clone(&shared);
        thread::spawn(move || serving.accept(&listener));
        Self { port, shared }
    }

    /// The address to open in place of the server's.
    pub fn url(&self) -> String {
        format!("redis://{}/0", self.address())
    }

    /// Host and port, as in its address.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// From now on this says what becomes of each command.
    pub fn rule(&self, rule: impl FnMut(&Request) -> Fate + Send + 'static) {
        *lock(&self.shared.rule) = Box::new(rule);
    }

    /// Passes everything on again.
    pub fn pass(&self) {
        self.rule(|_| Fate::Pass);
    }

    /// Keeps replies back, or lets them go on.
    pub fn hold(&self, hold: bool) {
        *lock(&self.shared.held) = hold;
        self.shared.released.notify_all();
    }

    /// Cuts all connections, and each new one at once; or lets them in again.
    pub fn refuse(&self, refuse: bool) {
        self.shared.refusing.store(refuse, Ordering::SeqCst);
        if refuse {
            self.shared.cut_all();
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        self.hold(false);
        self.shared.cut_all();
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl Shared {
    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        for client in listener.incoming().map_while(Result::ok) {
            if self.ended.load(Ordering::SeqCst) {
                return;
            }
            // A server that is away refuses, and so does this.
            let Ok(server) = Stream::connect(&self.upstream) else { continue };
            if self.refusing.load(Ordering::SeqCst) {
                continue;
            }
            let _ = client.set_nodelay(true);
            let link = Arc::new(Link { client, server, owed: Mutex::default() });
            lock(&self.links).push(Arc::clone(&link));
            let (there, back) = ((Arc::clone(self), Arc::clone(&link)), (Arc::clone(self), link));
            thread::spawn(move || there.1.ends_with(there.0.requests(&there.1)));
            thread::spawn(move || back.1.ends_with(back.0.replies(&back.1)));
        }
    }

    fn cut_all(&self) {
        lock(&self.links).drain(..).for_each(|link| link.cut());
    }

    fn requests(&self, link: &Link) -> io::Result<()> {
        let mut bytes = Vec::new();
        while read_more(&mut &link.client, &mut bytes)? {
            while let Some((length, words)) = resp::command(&bytes) {
                let request = Request { script: self.script_of(&words), words };
                let fate = (lock(&self.rule))(&request);
                let mut owed = lock(&link.owed);
                match fate {
                    Fate::Cut => return Ok(()),
                    Fate::Answer(reply) if owed.is_empty() => (&link.client).write_all(reply.as_bytes())?,
                    Fate::Answer(reply) => owed.push_back(Owed::Invented(reply)),
                    fate => {
                        owed.push_back(Owed::Reply { fate, loads: name_of_loaded(&request.words) });
                        link.server.write_all(&bytes[..length])?;
                    }
                }
                drop(owed);
                bytes.drain(..length);
            }
        }
        Ok(())
    }

    fn replies(&self, link: &Link) -> io::Result<()> {
        let mut bytes = Vec::new();
        while link.server.read_more(&mut bytes)? {
            while let Some(length) = resp::reply(&bytes) {
                let reply: Vec<u8> = bytes.drain(..length).collect();
                let (fate, loads) = match lock(&link.owed).pop_front() {
                    Some(Owed::Reply { fate, loads }) => (fate, loads),
                    // A server that is full speaks before it is asked.
                    _ => (Fate::Pass, None),
                };
                if let Some((name, digest)) = loads.zip(resp::text(&reply)) {
                    lock(&self.scripts).insert(digest, name);
                }
                self.until_released();
                if let Fate::CutReply(kept) = fate {
                    return (&link.client).write_all(&reply[..kept.min(reply.len())]);
                }
                (&link.client).write_all(&reply)?;
                let mut owed = lock(&link.owed);
                while let Some(Owed::Invented(reply)) = owed.pop_front_if(|next| matches!(next, Owed::Invented(_))) {
                    (&link.client).write_all(reply.as_bytes())?;
                }
            }
        }
        Ok(())
    }

    fn script_of(&self, words: &[Vec<u8>]) -> Option<String> {
        let digest = words.get(1).filter(|_| words[0].eq_ignore_ascii_case(b"EVALSHA"))?;
        lock(&self.scripts).get(&*String::from_utf8_lossy(digest)).cloned()
    }

    fn until_released(&self) {
        let held = lock(&self.held);
        drop(self.released.wait_while(held, |held| *held));
    }
}

impl Link {
    fn cut(&self) {
        let _ = self.client.shutdown(Shutdown::Both);
        self.server.cut();
    }

    /// A connection ends on both sides, whatever ended it.
    fn ends_with(&self, _ended: io::Result<()>) {
        self.cut();
    }
}

/// The name of the script that a `SCRIPT LOAD` brings: its header begins `-- NAME: …`, then `-- KEYS: …`.
fn name_of_loaded(words: &[Vec<u8>]) -> Option<String> {
    let [command, verb, text] = words else { return None };
    let loads = command.eq_ignore_ascii_case(b"SCRIPT") && verb.eq_ignore_ascii_case(b"LOAD");
    let text = String::from_utf8_lossy(text);
    let before_keys = text.split("\n-- KEYS: ").next().filter(|_| loads)?;
    let title = before_keys.lines().next_back()?.strip_prefix("-- ")?;
    Some(title.split(':').next().unwrap_or_default().to_owned())
}

/// A connection to the server.
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    fn connect(upstream: &Upstream) -> io::Result<Self> {
        match upstream {
            Upstream::Tcp(address) => {
                let stream = TcpStream::connect(address)?;
                stream.set_nodelay(true)?;
                Ok(Self::Tcp(stream))
            }
            Upstream::Unix(path) => UnixStream::connect(path).map(Self::Unix),
        }
    }

    fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => (&*stream).write_all(bytes),
            Self::Unix(stream) => (&*stream).write_all(bytes),
        }
    }

    fn read_more(&self, into: &mut Vec<u8>) -> io::Result<bool> {
        match self {
            Self::Tcp(stream) => read_more(&mut &*stream, into),
            Self::Unix(stream) => read_more(&mut &*stream, into),
        }
    }

    fn cut(&self) {
        let _ = match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Both),
            Self::Unix(stream) => stream.shutdown(Shutdown::Both),
        };
    }
}

/// False at the end.
fn read_more(from: &mut impl Read, into: &mut Vec<u8>) -> io::Result<bool> {
    let mut buffer = [0; 1 << 14];
    let read = from.read(&mut buffer)?;
    into.extend_from_slice(&buffer[..read]);
    Ok(read > 0)
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
