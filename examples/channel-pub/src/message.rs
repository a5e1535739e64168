//! As much of HTTP/1.1 as this server needs: a request with a `content-length`, and an answer.

use std::io::{self, BufRead, ErrorKind, Read, Write};

/// The longest line of a head, in bytes.
const MAX_LINE: u64 = 8 << 10;
/// The most headers.
const MAX_HEADERS: usize = 100;
/// The longest body, in bytes.
const MAX_BODY: u64 = 64 << 20;

/// A request.
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// The next one of a connection; `None` at its end.
    pub(crate) fn read(stream: &mut impl BufRead) -> io::Result<Option<Self>> {
        let first = line(stream)?;
        if first.is_empty() {
            return Ok(None);
        }
        let [method, path, _] = first.split(' ').collect::<Vec<_>>()[..] else {
            return Err(invalid("this is no request"));
        };
        let mut request =
            Self { method: method.to_owned(), path: path.to_owned(), headers: Vec::new(), body: Vec::new() };
        loop {
            let header = line(stream)?;
            if header.is_empty() {
                break;
            }
            let (name, value) = header.split_once(':').ok_or_else(|| invalid("a header without a colon"))?;
            request.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
            if request.headers.len() > MAX_HEADERS {
                return Err(invalid("too many headers"));
            }
        }
        let length = request.header("content-length").map_or(Ok(0), str::parse).map_err(|_| invalid("no length"))?;
        if length > MAX_BODY {
            return Err(invalid("the body is too long"));
        }
        if stream.take(length).read_to_end(&mut request.body)? as u64 != length {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        Ok(Some(request))
    }

    /// The value of a header, whose name is given in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// A line without its end; empty at the end of the stream.
fn line(stream: &mut impl BufRead) -> io::Result<String> {
    let mut text = String::new();
    stream.take(MAX_LINE).read_line(&mut text)?;
    if text.len() as u64 == MAX_LINE {
        return Err(invalid("a line is too long"));
    }
    Ok(text.trim_end().to_owned())
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}

/// Writes an answer with a JSON body.
pub(crate) fn answer(stream: &mut impl Write, status: u16, retry_after: Option<u64>, body: &str) -> io::Result<()> {
    let wait = retry_after.map(|seconds| format!("retry-after: {seconds}\r\n")).unwrap_or_default();
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status} \r\ncontent-type: application/json\r\n{wait}content-length: {length}\r\n\r\n{body}"
    )?;
    stream.flush()
}
