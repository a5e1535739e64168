//! Asks the server whose address is in the working directory.

use std::error::Error;
use std::fs;
use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// The file with the server's address.
pub(crate) const ADDRESS: &str = "channel.address";

/// How long to wait for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// All that the server has received.
pub(crate) fn received() -> Result<Value, Box<dyn Error>> {
    Ok(serde_json::from_str(&ask("GET", "/control/received", "")?)?)
}

/// Sends a request; the body of the answer, which must be one of success.
pub(crate) fn ask(method: &str, path: &str, body: &str) -> Result<String, Box<dyn Error>> {
    let address = fs::read_to_string(ADDRESS).map_err(|error| format!("{ADDRESS}: {error}; is there a server?"))?;
    let mut stream = TcpStream::connect(&address).map_err(|error| format!("{address}: {error}; is there a server?"))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let length = body.len();
    write!(stream, "{method} {path} HTTP/1.1\r\nhost: {address}\r\ncontent-length: {length}\r\n\r\n{body}")?;
    stream.shutdown(std::net::Shutdown::Write)?;
    let mut answer = String::new();
    BufReader::new(stream).read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("the server's answer is not HTTP")?;
    if head.starts_with("HTTP/1.1 200") {
        return Ok(body.to_owned());
    }
    Err(body.to_owned().into())
}
