//! Connections, each with a thread of its own, and what becomes of a request.

use std::error::Error;
use std::fs;
use std::io::{self, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::answer::{Answer, Stage};
use crate::client::ADDRESS;
use crate::kept::Kept;
use crate::message::{Request, answer};

/// A server that nobody asks ends by itself, so that none is forgotten.
const PATIENCE: Duration = Duration::from_mins(10);

struct Server {
    channel_token: String,
    source_token: String,
    kept: Mutex<Kept>,
}

/// Serves until it is told to stop, or for ten minutes after the last request. Tells its address when it can be reached.
pub(crate) fn serve(address: &str, ready: impl FnOnce(&str)) -> Result<(), Box<dyn Error>> {
    let token = |file: &str| match fs::read_to_string(file) {
        Ok(token) => Ok(token.trim().to_owned()),
        Err(error) => Err(format!("{file}: {error}; write the token there")),
    };
    let server = Arc::new(Server {
        channel_token: token("channel.token")?,
        source_token: token("source.token")?,
        kept: Mutex::default(),
    });
    let listener = TcpListener::bind(address).map_err(|error| format!("{address}: {error}"))?;
    let address = listener.local_addr()?.to_string();
    fs::write(ADDRESS, &address)?;
    let (busy, idle) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (server, busy) = (Arc::clone(&server), busy.clone());
            thread::spawn(move || server.connection(&stream, &busy));
        }
    });
    ready(&address);
    while idle.recv_timeout(PATIENCE).is_ok() {}
    Ok(())
}

impl Server {
    /// All requests of a connection. A client that breaks off is no concern of the server.
    fn connection(&self, stream: &TcpStream, busy: &mpsc::Sender<()>) -> io::Result<()> {
        let mut reader = BufReader::new(stream);
        while let Some(request) = Request::read(&mut reader)? {
            let _ = busy.send(());
            if !self.answer(&request, stream)? {
                break;
            }
        }
        Ok(())
    }

    /// Answers one request; `false` ends the connection.
    fn answer(&self, request: &Request, mut stream: &TcpStream) -> io::Result<bool> {
        if let Some(command) = request.path.strip_prefix("/control/") {
            return self.control(command, request, stream).map(|()| true);
        }
        let Some(stage) = Stage::of(&request.method, &request.path) else {
            self.note(request, "404");
            return answer(&mut stream, 404, None, &json!({"error": "there is nothing here"}).to_string())
                .map(|()| true);
        };
        let planned = self.kept().planned(stage);
        match planned {
            Some(planned @ Answer::Status(status, wait)) => {
                self.note(request, &planned.to_string());
                answer(&mut stream, status, wait, &json!({"error": "as I was told"}).to_string())?;
                return Ok(true);
            }
            Some(Answer::Hang) => {
                self.note(request, "hang");
                // Until the client has had enough.
                let _ = stream.read(&mut [0]);
                return Ok(false);
            }
            Some(Answer::Close) => {
                self.note(request, "close");
                return Ok(false);
            }
            Some(Answer::Lose) | None => {}
        }
        let (status, body) = match self.refuse(stage, request) {
            Some(refusal) => refusal,
            None => self.kept().take(stage, request)?,
        };
        if planned == Some(Answer::Lose) {
            self.note(request, "lose");
            return Ok(false);
        }
        self.note(request, &status.to_string());
        answer(&mut stream, status, None, &body).map(|()| true)
    }

    /// Whoever has no token is told which one they have, as careless servers do.
    fn refuse(&self, stage: Stage, request: &Request) -> Option<(u16, String)> {
        let token = if stage == Stage::Callback { &self.source_token } else { &self.channel_token };
        let theirs = request.header("authorization").unwrap_or("none");
        (theirs != format!("Bearer {token}"))
            .then(|| (401, json!({ "error": format!("{theirs} is not right") }).to_string()))
    }

    fn control(&self, command: &str, request: &Request, mut stream: &TcpStream) -> io::Result<()> {
        match command {
            "received" => {
                let all = self.kept().shown();
                answer(&mut stream, 200, None, &all)
            }
            "stop" => {
                answer(&mut stream, 200, None, "{}")?;
                stream.flush()?;
                let _ = fs::remove_file(ADDRESS);
                process::exit(0);
            }
            stage => {
                let planned = self.kept().plan(stage, &String::from_utf8_lossy(&request.body));
                match planned {
                    Ok(()) => answer(&mut stream, 200, None, "{}"),
                    Err(why) => answer(&mut stream, 400, None, &why),
                }
            }
        }
    }

    fn note(&self, request: &Request, answer: &str) {
        self.kept().note(request, answer);
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
